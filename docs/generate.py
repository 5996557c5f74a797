"""
Writes ``docs/reference.md`` and ``docs/reference.zh.md``: every key of both files, from the schemas;
into ``docs/security.md`` and its Chinese the table of hostile input, from the tests; and
``docs/platforms.md`` and its Chinese, from the contract tests.

``make docs`` runs it. Chinese descriptions stand in ``reference.zh.json``, by their English; after a
change of a schema put the new ones there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bridge.config.schemas import common_schema, config_schema, rules_schema  # noqa: E402 # found above
from bridge.registry import installed  # noqa: E402 # found above

Schema = Mapping[str, Any]

WORDS = {
    "en": {
        "title": "Every key of both files",
        "other": "[中文](reference.zh.md)",
        "made": "Made from the schemas by `make docs`; do not edit. The schemas themselves: "
        "`msgbridge schema --write .`, so that your editor completes and checks both files.",
        "values": 'A **duration** is `"90s"`, `"5m"`, `"24h"`, `"7d"` or a number of seconds; a **size** is '
        '`"20MB"`, `"256KiB"` or a number of bytes. Every text of config.json may be a reference instead: '
        '`{"env": "NAME"}`, `{"file": "path"}` or `{"credential": "name"}`. A key in **bold** is required. '
        "`secret` marks what is masked wherever the bridge writes something. YAML (`.yaml`, `.yml`) with the "
        "same content works too.",
        "head": "| key | what it is | default | example |",
        "common": "Every instance of every platform",
        "required": "required",
        "config": "config.json",
        "rules": "rules.json",
    },
    "zh": {
        "title": "两个文件的全部字段",
        "other": "[English](reference.md)",
        "made": "由 `make docs` 根据 schema 生成，请勿手工修改。schema 本身：`msgbridge schema --write .`，"
        "编辑器就能补全并检查这两个文件。",
        "values": '**时长**写作 `"90s"`、`"5m"`、`"24h"`、`"7d"` 或秒数；**大小**写作 `"20MB"`、`"256KiB"` 或字节数。'
        'config.json 里的任何文本都可以改写成引用：`{"env": "名字"}`、`{"file": "路径"}` 或 `{"credential": "名字"}`。'
        "**加粗**的字段必填。标有 `secret` 的值，凡是桥要写出来的地方都会被遮住。内容相同的 YAML（`.yaml`、`.yml`）也可以。",
        "head": "| 字段 | 含义 | 默认值 | 例子 |",
        "common": "每个平台的每个实例都有",
        "required": "必填",
        "config": "config.json",
        "rules": "rules.json",
    },
}


@dataclass(frozen=True, slots=True)
class Section:
    """One table; ``key`` is the heading in WORDS, or ``title`` the heading itself."""

    title: str
    schema: Schema
    root: Schema
    secrets: frozenset[str] = frozenset()
    key: str = ""


def config_sections() -> Iterator[Section]:
    registry = installed()
    specs = [registry.load(name) for name in registry.names]
    root = config_schema(specs)
    plain = json.loads((HERE.parent / "bridge/schemas/config.schema.json").read_text("utf-8"))
    yield Section('"global"', plain["$defs"]["global"], root)
    yield Section("", common_schema(), root, key="common")
    for spec in specs:
        yield Section(f'"{spec.platform}": {{ … }}', spec.schema, root, spec.secrets)


def rules_sections() -> Iterator[Section]:
    root = rules_schema()
    defs = root["$defs"]
    yield Section("rules.json", {"description": root["description"]}, root)
    yield Section('"rules": [ … ]', defs["rule"], root)
    yield Section('"when", "unless"', defs["conditions"], root)
    yield Section('"msg"', defs["msg"], root)
    yield Section('"tests": [ … ]', defs["test"], root)


def page(language: str, chinese: Mapping[str, str], missing: list[str]) -> str:
    """The page in ``en`` or ``zh``; descriptions without Chinese are added to ``missing``."""
    words = WORDS[language]

    def say(description: str) -> str:
        if language == "en" or not description:
            return description
        if description not in chinese:
            missing.append(description)
        return chinese.get(description, description)

    lines = [f"# {words['title']}", "", words["other"], "", words["made"], "", words["values"]]
    for title, sections in (("config", config_sections()), ("rules", rules_sections())):
        lines += ["", f"## {words[title]}"]
        for section in sections:
            rows = list(_rows(section.schema, section.root, ""))
            if section.title != title + ".json":
                heading = words[section.key] if section.key else f"`{section.title}`"
                lines += ["", f"### {heading}"]
            if section.schema.get("description"):
                lines += ["", say(section.schema["description"])]
            if rows:
                lines += ["", words["head"], "|---|---|---|---|"]
            for path, schema, required in rows:
                lines.append(_line(path, schema, section, say, required=words["required"] * required))
    return "\n".join(lines) + "\n"


def _rows(schema: Schema, root: Schema, prefix: str) -> Iterator[tuple[str, Schema, bool]]:
    for name, written in schema.get("properties", {}).items():
        if name == "$schema" or not isinstance(written, Mapping):
            continue
        inner = _resolved(written, root)
        path = f"{prefix}{name}"
        yield path, inner, name in schema.get("required", ())
        if "$ref" in written and "properties" in inner:
            continue  # has a table of its own
        yield from _rows(inner, root, f"{path}.")
        if "properties" in inner.get("items", {}):
            yield from _rows(inner["items"], root, f"{path}[].")


def _resolved(schema: Schema, root: Schema) -> Schema:
    """What ``$ref`` points to, and what stands beside it; the latter wins."""
    if "$ref" not in schema:
        return schema
    target = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _line(
    path: str, schema: Schema, section: Section, say: Callable[[str], str], *, required: str
) -> str:
    what = say(schema.get("description", ""))
    if choices := [one for one in schema.get("enum", ()) if one is not None]:
        what += f" ({', '.join(f'`{_json(one)}`' for one in choices)})"
    if path in section.secrets:
        what += " `secret`"
    name = f"**`{path}`**" if required else f"`{path}`"
    default = required or ("" if schema.get("default") in (None, {}) else f"`{_json(schema['default'])}`")
    example = f"`{_json(schema['examples'][0])}`" if schema.get("examples") else ""
    return f"| {name} | {_cell(what)} | {_cell(default)} | {_cell(example)} |"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def pages() -> tuple[dict[Path, str], list[str]]:
    """Each page with its text, and the descriptions that have no Chinese."""
    missing: list[str] = []
    chinese = json.loads((HERE / "reference.zh.json").read_text("utf-8"))
    return {
        HERE / "reference.md": page("en", chinese, missing),
        HERE / "reference.zh.md": page("zh", chinese, missing),
    }, missing


def security_pages() -> dict[Path, str]:
    """Each page with its table as the tests have it now."""
    from tests.hostile.classes import SHOWN  # noqa: PLC0415  # only those who write pages need it
    from tests.hostile.table import with_table  # noqa: PLC0415  # as above

    named = ((HERE / "security.md", "en"), (HERE / "security.zh.md", "zh"))
    return {file: with_table(file.read_text("utf-8"), SHOWN, language) for file, language in named}


def platform_pages() -> dict[Path, str]:
    """What crosses between which platforms, as the drivers claim it in the contract tests."""
    from tests.contract.crossing import accounts, page  # noqa: PLC0415  # as above

    known = accounts()
    return {HERE / "platforms.md": page("en", known), HERE / "platforms.zh.md": page("zh", known)}


if __name__ == "__main__":
    written, untranslated = pages()
    written |= security_pages() | platform_pages()
    for file, text in written.items():
        file.write_text(text, encoding="utf-8")
    for description in untranslated:
        sys.stderr.write(f"docs/reference.zh.json has no Chinese for: {description}\n")
    sys.exit(bool(untranslated))
