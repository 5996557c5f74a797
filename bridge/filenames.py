"""What strangers call their files, made into bare names. Pure."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

LONGEST = 100
"""Characters of a file's name."""

_LOOKED_AT = 2000
_LONGEST_EXTENSION = 10
_SEPARATORS = re.compile(r"[/\\]")
_RESERVED = re.compile(r'[<>:"|?*]')
# https://www.rfc-editor.org/rfc/rfc6266: the extended form wins over the plain one.
_EXTENDED = re.compile(r"filename\*\s{0,9}=\s{0,9}(utf-8|iso-8859-1)'[^']{0,20}'([^;\s]+)", re.IGNORECASE)
_QUOTED = re.compile(r'filename\s{0,9}=\s{0,9}"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_BARE = re.compile(r'filename\s{0,9}=\s{0,9}([^;\s"]+)', re.IGNORECASE)


def safe_name(name: str) -> str:
    """
    ``name`` without folders, controls, direction marks and what file systems reserve, at most
    `LONGEST` characters with its extension kept; empty if nothing is left.
    """
    bare = _SEPARATORS.split(unicodedata.normalize("NFC", name[-_LOOKED_AT:]))[-1]
    bare = "".join(char for char in bare if char.isprintable())
    bare = _RESERVED.sub("_", bare).strip(" .")
    if len(bare) <= LONGEST:
        return bare
    stem, dot, extension = bare.rpartition(".")
    if not stem or len(extension) > _LONGEST_EXTENSION:
        return bare[:LONGEST].rstrip(" .")
    return stem[: LONGEST - 1 - len(extension)].rstrip(" .") + dot + extension


def name_in_disposition(header: str) -> str:
    """The safe name in a ``Content-Disposition`` header; empty if it has none."""
    header = header[:_LOOKED_AT]
    if match := _EXTENDED.search(header):
        return safe_name(unquote(match.group(2), encoding=match.group(1)))
    if match := _QUOTED.search(header):
        return safe_name(unquote(re.sub(r"\\(.)", r"\1", match.group(1))))
    if match := _BARE.search(header):
        return safe_name(unquote(match.group(1)))
    return ""


def name_in_path(path: str) -> str:
    """The safe name at the end of a URL's path, which is still percent-encoded."""
    return safe_name(unquote(path.rpartition("/")[2]))
