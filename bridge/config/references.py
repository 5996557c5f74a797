"""Secrets that stand elsewhere: ``{"env": …}``, ``{"file": …}``, ``{"credential": …}``."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.phrases import Phrase, phrase
from bridge.problems import quoted

KEYS = ("env", "file", "credential")
MAX_SECRET = 64 << 10
"""Bytes of a file that is read as a secret."""


class Unresolved(Exception):
    """The value is not there; ``code``, ``message`` and ``hint`` say why and what to do."""

    def __init__(self, code: str, message: Phrase, hint: Phrase) -> None:
        super().__init__(str(message))
        self.code = code
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class References:
    """Where references lead: the environment, and files relative to the folder of config.json."""

    environ: Mapping[str, str]
    folder: Path

    def resolve(self, kind: str, name: str) -> str:
        """The value behind one of `KEYS`. Raises `Unresolved`."""
        if kind == "env":
            return self._from_environment(name)
        if kind == "file":
            return self._from_file(self.folder / name)
        folder = self.environ.get("CREDENTIALS_DIRECTORY", "")
        if not folder or "/" in name or name in (".", ".."):
            raise Unresolved(
                "E206",
                phrase("there is no credential {name}", name=quoted(name)),
                phrase("add LoadCredential={name}:/path to the systemd unit", name=name),
            )
        return self._from_file(Path(folder) / name)

    def _from_environment(self, name: str) -> str:
        value = self.environ.get(name)
        if value is None:
            raise Unresolved(
                "E205",
                phrase("the environment variable {name} is not set", name=name),
                phrase('export {name}=… before the start, or use {{"file": "…"}}', name=name),
            )
        if not value:
            raise Unresolved(
                "E205",
                phrase("the environment variable {name} is empty", name=name),
                phrase('export {name}=… before the start, or use {{"file": "…"}}', name=name),
            )
        return value

    def _from_file(self, path: Path) -> str:
        try:
            content = _read(path)
        except (OSError, ValueError) as e:
            reason = (isinstance(e, OSError) and e.strerror) or str(e)
            raise Unresolved(
                "E206",
                phrase("the file {path} cannot be read: {reason}", path=str(path), reason=reason),
                phrase("create it, and let the user of the daemon read it"),
            ) from None
        text = content.removesuffix("\n").removesuffix("\r")
        if not text:
            raise Unresolved(
                "E206",
                phrase("the file {path} is empty", path=str(path)),
                phrase("write the secret into it, on one line"),
            )
        return text


def _read(path: Path) -> str:
    # Without O_NONBLOCK a named pipe that nobody writes to would hold the start for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(MAX_SECRET + 1)
    if len(content) > MAX_SECRET:
        raise ValueError(f"it is longer than {MAX_SECRET} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
