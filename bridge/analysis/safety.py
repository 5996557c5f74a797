"""Files that strangers can read, and links that nobody serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from bridge.analysis.findings import Findings
from bridge.config import Config, Instance
from bridge.config.references import KEYS
from bridge.config.units import is_exposed, is_url
from bridge.phrases import phrase
from bridge.problems import quoted
from bridge.problems.document import Node

ModeOf = Callable[[Path], int | None]
"""The permission bits of a file; None where they cannot be known."""

_OTHERS_READ = 0o004
_LONG = 16
"""Characters from which on a header's or a query's value may well be a key."""


def report_open_files(config: Config, mode_of: ModeOf, findings: Findings) -> None:
    """config.json with plain secrets in it, and files of secrets, that every user may read."""
    file = str(config.file)
    plain = [
        (instance, key)
        for instance in config.instances.values()
        for key, node in _secret_nodes(instance, findings)
        if _is_plain(node)
    ]
    if plain and _open(mode_of(config.file)):
        instance, key = plain[0]
        findings.report(
            "W204",
            findings.of_config(file, instance.platform, instance.id, key),
            phrase("{file} holds secrets, and every user of this machine may read it", file=file),
            phrase("chmod 640 {file}, and let the group of the daemon read it", file=file),
            phrase('or keep secrets elsewhere: {{"file": "…"}}, {{"env": "…"}}, {{"credential": "…"}}'),
        )
    for instance in config.instances.values():
        for key, node in _secret_nodes(instance, findings):
            named = node.value.get("file") if isinstance(node.value, dict) else None
            if named is None or not isinstance(named.value, str):
                continue
            path = config.file.parent / named.value
            if _open(mode_of(path)):
                findings.report(
                    "W205",
                    findings.of_config(file, instance.platform, instance.id, key, "file"),
                    phrase("every user of this machine may read {path}", path=str(path)),
                    phrase("chmod 600 {path}, and let it belong to the user of the daemon", path=path),
                )


def report_media(config: Config, findings: Findings) -> None:
    """Links of the bridge's own need a public address and a server behind it."""
    file = str(config.file)
    given = config.global_
    doors = any(one.enabled and one.listen for one in config.instances.values())
    if given.public_url and not doors:
        findings.report(
            "W202",
            findings.of_config(file, "global", "public_url"),
            phrase("public_url is set, but no instance listens: the bridge can serve no links"),
            phrase('remove it, or let an instance listen ("listen_port")'),
        )
    if given.public_url or findings.config is None or findings.config.root is None:
        return
    node: Node | None = findings.config.root
    for key in ("global", "media"):
        node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
    written = node.value if node is not None and isinstance(node.value, dict) else {}
    for key in ("keep", "max_total"):
        if key in written:
            findings.report(
                "W203",
                findings.of_config(file, "global", "media", key),
                phrase("{key} does nothing: without public_url no links are served", key=quoted(key)),
                phrase('set "public_url" in "global", or remove it'),
            )
            return


def report_open_page(config: Config, findings: Findings) -> None:
    """A status page that is meant to be seen from elsewhere, with nothing that anybody could show."""
    status = config.global_.status
    if not status.enabled or config.global_.api.tokens:
        return
    key = "hosts" if status.hosts else "host"
    host = f"[{status.host}]" if ":" in status.host else status.host
    if status.hosts or is_exposed(f"http://{host}/"):
        findings.report(
            "W206",
            findings.of_config(str(config.file), "global", "status", key),
            phrase("the status page can be reached from elsewhere, and no token is set"),
            phrase(
                "nobody elsewhere sees it so, but a proxy on this machine that sends no X-Forwarded-For "
                "shows it to everybody"
            ),
            phrase('set "tokens" in "global.api": then everybody has to show one, on this machine too'),
        )


def _open(mode: int | None) -> bool:
    return mode is not None and bool(mode & _OTHERS_READ)


def _secret_nodes(instance: Instance, findings: Findings) -> Iterator[tuple[str, Node]]:
    node = findings.config.root if findings.config else None
    for key in (instance.platform, instance.id):
        node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
    if node is not None and isinstance(node.value, dict):
        for key, inner in node.value.items():
            if key in instance.spec.secrets:
                yield key, inner


def _is_plain(node: Node) -> bool:
    """A secret stands here in full. An address counts if a key is part of it, a header if it is long."""
    value = node.value
    if isinstance(value, dict):
        if set(value) <= set(KEYS):
            return False
        return any(isinstance(v.value, str) and len(v.value) >= _LONG for v in value.values())
    if not isinstance(value, str) or not value:
        return False
    if is_url(value):
        return any(len(part) >= _LONG for _, part in parse_qsl(urlsplit(value).query))
    return True
