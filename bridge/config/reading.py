"""config.json → `Config`. Everything wrong with it in one pass; nothing in it can crash the reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bridge.config import (
    Api,
    ApiToken,
    Config,
    DeliverySettings,
    Global,
    Http,
    Instance,
    Known,
    Log,
    Media,
    StatusServer,
    units,
)
from bridge.config.listeners import Listener, check_listeners
from bridge.config.references import KEYS, References
from bridge.config.schemas import common_schema, global_schema, instance_schema
from bridge.config.validation import Checked, Validation, exposed, filled
from bridge.driver import DriverSpec
from bridge.errors import ConfigError
from bridge.journal import Capacity
from bridge.model import InstanceId
from bridge.networks import network
from bridge.phrases import Phrase, phrase
from bridge.problems import did_you_mean, listed, quoted
from bridge.problems.document import Document, Node, Span
from bridge.problems.reader import Reader
from bridge.registry import Registry

LONGEST_NAME = 64
"""Characters of an instance's name: it stands in log lines, metric labels and addresses."""

_LONG_PARAMETER = 16
_ROOT_KEYS = ("$schema", "global")


@dataclass(frozen=True, slots=True)
class ConfigReading:
    """
    ``config`` is None after any error; ``known`` is what can be said of the instances all the same;
    ``secrets`` is every secret value that was found.
    """

    config: Config | None
    known: Mapping[InstanceId, Known]
    secrets: frozenset[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Platform:
    """A key of the file's top level, and the driver that it means; ``trouble`` is why there is none."""

    written: str
    name: str
    node: Node
    spec: DriverSpec | None
    trouble: str = ""


def read_config(
    document: Document, registry: Registry, environ: Mapping[str, str], reader: Reader
) -> ConfigReading:
    """``document`` has been scanned; problems go to ``reader``, which reads that document."""
    root = document.root
    assert root is not None
    members = root.value if isinstance(root.value, dict) else {}
    platforms = [
        _platform(name, node, registry) for name, node in members.items() if name not in _ROOT_KEYS
    ]
    document.hide(span for platform in platforms for span in _secret_spans(platform))
    document.hide(_token_spans(members.get("global")))
    return _Reading(document, registry, environ, reader).read(root, platforms)


@dataclass(slots=True)
class _Reading:
    document: Document
    registry: Registry
    environ: Mapping[str, str]
    reader: Reader
    names: dict[InstanceId, Node] = field(default_factory=dict)
    instances: dict[InstanceId, Instance] = field(default_factory=dict)
    known: dict[InstanceId, Known] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    @property
    def references(self) -> References:
        return References(self.environ, Path(self.document.file).parent)

    def read(self, root: Node, platforms: list[_Platform]) -> ConfigReading:
        members = self.reader.members(root, phrase("the file")) or {}
        if schema := members.get("$schema"):
            self.reader.text(schema, quoted("$schema"))
        global_ = self._global(members.get("global"))
        for platform in platforms:
            self._platform(platform, global_)
        status = members.get("global", root)
        check_listeners(self.listeners, global_.status, status, self.reader)
        good = not any(not problem.warning for problem in self.reader.problems)
        if good and not self.known:
            self.reader.report(
                "W201",
                root,
                phrase("there is no instance: nothing can come in or go out"),
                phrase("add one, for example from config.json.example"),
                warning=True,
            )
        secrets = frozenset(self.secrets)
        config = Config(
            global_=global_,
            instances=self.instances,
            secrets=secrets,
            file=Path(self.document.file),
            source=self.document,
        )
        return ConfigReading(config if good else None, self.known, secrets)

    def _global(self, node: Node | None) -> Global:
        schema = global_schema()
        value: Mapping[str, Any] = {}
        if node is not None and self.reader.members(node, quoted("global")) is not None:
            checked = Validation(
                self.reader, self.references, phrase('"global"'), phrase('fields of "global"')
            ).check(node, schema)
            self.secrets.update(_token_values(checked.value))
            value = checked.value if checked.good else {}
        return _global_of(filled(value, schema), self.environ)

    def _platform(self, platform: _Platform, global_: Global) -> None:
        if platform.spec is None or platform.written != platform.name:
            self._report_platform(platform)
        if platform.name == "global":
            return
        members = self.reader.members(
            platform.node,
            quoted(platform.written),
            phrase('write {{"a-name-of-yours": {{…}}}}: a platform holds instances by name'),
        )
        for name, node in (members or {}).items():
            self._instance(InstanceId(name), node, platform, global_)

    def _report_platform(self, platform: _Platform) -> None:
        if platform.trouble:
            self.reader.report(
                "E210",
                platform.node.name,
                phrase(
                    "the driver of {platform} cannot be loaded: {reason}",
                    platform=quoted(platform.name),
                    reason=platform.trouble,
                ),
                phrase(
                    "install what it needs: pip install 'msgbridge[{platform}]'", platform=platform.name
                ),
            )
            return
        close = platform.name if platform.name != platform.written else ""
        self.reader.report(
            "E201",
            platform.node.name,
            phrase("{name} is not a platform", name=quoted(platform.written)),
            *([phrase("did you mean {name}?", name=quoted(close))] if close else []),
            label=phrase("not a known platform"),
            fields=phrase("platforms: {names}", names=listed(self.registry.names)),
        )

    def _instance(self, id_: InstanceId, node: Node, platform: _Platform, global_: Global) -> None:
        if not id_ or len(id_) > LONGEST_NAME or "/" in id_ or not id_.isprintable() or " " in id_:
            self.reader.report(
                "E211",
                node.name,
                phrase("{name} cannot be the name of an instance", name=quoted(id_)),
                phrase("use letters, digits, - and _, at most {limit}", limit=LONGEST_NAME),
            )
        if id_ in self.names:
            self.reader.report(
                "E202",
                node.name,
                phrase("there are two instances called {name}", name=quoted(id_)),
                phrase(
                    "rename one of them, for example {name}; names are shared by all platforms",
                    name=quoted(f"{id_}_{platform.name}"),
                ),
                second=self.names[id_],
                second_label=phrase("the first one"),
            )
        else:
            self.names[id_] = node
            self.known[id_] = Known(spec=platform.spec)
        if self.reader.members(node, quoted(id_)) is not None and platform.spec is not None:
            self._settings(id_, node, platform.spec, global_)

    def _settings(self, id_: InstanceId, node: Node, spec: DriverSpec, global_: Global) -> None:
        schema = instance_schema(spec)
        checked = Validation(
            self.reader,
            self.references,
            phrase("instance {name}", name=quoted(id_)),
            phrase("fields of a {platform} instance", platform=spec.platform),
            spec.secrets,
        ).check(node, schema)
        self.secrets.update(_secret_values(checked, spec))
        for name in exposed(checked.value, schema):
            self.reader.report(
                "E209",
                checked.node((name,)),
                phrase(
                    "{key} would send in the open: http:// is for this machine only",
                    key=quoted(name),
                ),
                phrase("write https://"),
            )
        if self.names[id_] is not node:
            return
        if checked.good:
            self._take(id_, spec, checked, filled(checked.value, schema), global_)
        elif checked.sound:
            value = filled(checked.value, schema)
            self.known[id_] = Known(spec=spec, settings=value, enabled=value["enabled"])

    def _take(
        self, id_: InstanceId, spec: DriverSpec, checked: Checked, value: dict[str, Any], global_: Global
    ) -> None:
        common = {name: value[name] for name in common_schema()["properties"]}
        own = spec.schema.get("properties", {})
        settings = {name: inner for name, inner in value.items() if name in own}
        settings["language"] = common["language"] or global_.language
        good = self._complaints(spec, checked, settings)
        listen = spec.listen(settings) if good and common["enabled"] else None
        instance = Instance(
            id=id_,
            platform=spec.platform,
            spec=spec,
            settings=settings,
            enabled=common["enabled"],
            proxy=global_.proxy if common["proxy"] is None else common["proxy"],
            max_rate=common["max_rate"],
            on_lost_answer=common["on_lost_answer"],
            send_timeout=common["send_timeout"],
            language=settings["language"],
            listen=listen,
        )
        self.instances[id_] = instance
        self.known[id_] = Known(spec=spec, settings=settings if good else None, enabled=instance.enabled)
        if listen:
            node = checked.nodes[()]
            members = node.value if isinstance(node.value, dict) else {}
            self.listeners.append(Listener(id_, listen, node, members))

    def _complaints(self, spec: DriverSpec, checked: Checked, settings: Mapping[str, Any]) -> bool:
        good = True
        for complaint in spec.check(settings):
            good = good and complaint.warning
            self.reader.report(
                complaint.code,
                checked.node(complaint.path) if complaint.path else checked.nodes[()].name,
                Phrase(complaint.message, complaint.args),
                *([Phrase(complaint.hint, complaint.args)] if complaint.hint else []),
                warning=complaint.warning,
            )
        return good


def _platform(name: str, node: Node, registry: Registry) -> _Platform:
    names = registry.names
    meant = name if name in names else did_you_mean(name, (*names, "global"))
    if meant not in names:
        return _Platform(name, meant or name, node, None)
    try:
        return _Platform(name, meant, node, registry.load(meant))
    except ConfigError as e:
        return _Platform(name, meant, node, None, str(e))


def _secret_spans(platform: _Platform) -> Iterator[Span]:
    """Texts under secret names, and under names that nobody knows: one may be a secret's, misspelt."""
    spec = platform.spec
    harmless = set(instance_schema(spec)["properties"]) - spec.secrets if spec else set()
    instances = platform.node.value
    for instance in instances.values() if isinstance(instances, dict) else [platform.node]:
        if not isinstance(instance.value, dict):
            yield from _texts(instance)
            continue
        for name, node in instance.value.items():
            if name not in harmless:
                yield from _texts(node)


def _token_spans(global_: Node | None) -> Iterator[Span]:
    """Every text beside the scopes of a token of the API: one may be the token, under a misspelt name."""
    node = global_
    for key in ("api", "tokens"):
        node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
    if node is None:
        return
    for each in node.value.values() if isinstance(node.value, dict) else [node]:
        members = each.value.items() if isinstance(each.value, dict) else [("token", each)]
        for name, member in members:
            if name != "scopes":
                yield from _texts(member)


def _token_values(global_: Mapping[str, Any]) -> Iterator[str]:
    api = global_.get("api")
    tokens = api.get("tokens") if isinstance(api, Mapping) else None
    for each in tokens.values() if isinstance(tokens, Mapping) else ():
        token = each.get("token") if isinstance(each, Mapping) else None
        if isinstance(token, str) and token:
            yield token


def _texts(node: Node) -> Iterator[Span]:
    if isinstance(node.value, dict):
        if not set(node.value) <= set(KEYS):
            for member in node.value.values():
                yield from _texts(member)
    elif isinstance(node.value, list):
        for item in node.value:
            yield from _texts(item)
    elif isinstance(node.value, str | int | float) and not isinstance(node.value, bool):
        yield node.span


def _secret_values(checked: Checked, spec: DriverSpec) -> Iterator[str]:
    found = list(checked.referenced.values())
    proxy = checked.value.get("proxy")
    if isinstance(proxy, str) and units.is_url(proxy):
        found.append(urlsplit(proxy).password or "")
    for name in spec.secrets:
        found += _strings(checked.value.get(name))
    for value in found:
        if value:
            yield value
        if units.is_url(value):
            for _, parameter in parse_qsl(urlsplit(value).query):
                if len(parameter) >= _LONG_PARAMETER:
                    yield parameter


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _global_of(value: Mapping[str, Any], environ: Mapping[str, str]) -> Global:
    state = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    data_dir = Path(value["data_dir"] or state or "data")
    runtime = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    control = value["control_socket"]
    http, status = dict(value["http"]), dict(value["status"])
    http["trusted_proxies"] = tuple(http["trusted_proxies"])
    status["hosts"] = tuple(status["hosts"])
    tokens = {
        name: ApiToken(token=each["token"], scopes=frozenset(each["scopes"]))
        for name, each in value["api"]["tokens"].items()
    }
    media = dict(value["media"])
    media["allow_networks"] = tuple(network(each) for each in media["allow_networks"])
    return Global(
        data_dir=data_dir,
        control_socket=Path(control) if control else Path(runtime or data_dir) / "control.sock",
        http=Http(**http),
        log=Log(**value["log"]),
        status=StatusServer(**status),
        api=Api(tokens=tokens, rate=value["api"]["rate"]),
        media=Media(**media),
        delivery=DeliverySettings(**value["delivery"]),
        capacity=Capacity(**value["journal"]),
        public_url=value["public_url"],
        language=value["language"],
        proxy=value["proxy"],
    )
