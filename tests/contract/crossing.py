"""
What crosses between which platforms, as docs/platforms.md shows it.

Nothing of it is written by hand: what an account can do is asked of the driver that its contract case
opens, and what comes in is read from the platform's wire files. ``make docs`` writes the pages.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.driver import Listener, MediaSource, Webhook
from bridge.model import AttachmentKind, Capabilities, EventKind, Support, TextFormat
from tests.builders import an_outgoing
from tests.contract.cases import ROOT, WIRE_FILES, Behaviour, case_of, platform_of

CASES = ROOT / "tests/contract/platforms"
_SIGNS = {"reply": "↩", "edit": "✎", "recall": "✂", "reaction": "☺", "files": "📎"}


@dataclass(frozen=True, slots=True)
class Heard:
    """What comes in: ``how`` is webhook or connection, ``shown`` are names of `_IN` and `_SIGNS`."""

    how: str
    shown: frozenset[str]


@dataclass(frozen=True, slots=True)
class Account:
    """One kind of account. ``gives_ids``: what is posted there can be found again."""

    kind: str
    able: Capabilities
    gives_ids: bool
    heard: Heard | None

    @property
    def name(self) -> str:
        platform, _, kind = self.kind.partition("_")
        folder = platform_of(self.kind)
        return f"[{platform}](../drivers/{folder}/README.md) {kind.replace('_', ' ')}".strip()


# --- the facts --------------------------------------------------------------------------------------


def accounts() -> list[Account]:
    """Every kind of account that has a contract case, by name."""
    kinds = sorted(path.stem for path in CASES.glob("*.py"))
    return [asyncio.run(_account(kind)) for kind in kinds]


async def _account(kind: str) -> Account:
    case = case_of(kind)
    async with case.open(Behaviour.FINE) as stage:
        driver = stage.driver
        receipt = await driver.send(an_outgoing(to=str(case.destination), key="d1:1"))
        how = "webhook" if isinstance(driver, Webhook) else "connection"
        hears = isinstance(driver, Webhook | Listener)
        heard = Heard(how, _shown(kind, files=isinstance(driver, MediaSource))) if hears else None
        return Account(kind, driver.capabilities, receipt.message_id is not None, heard)


def _shown(kind: str, *, files: bool) -> frozenset[str]:
    """What the wire files of the platform show to come in."""
    shown = {"files"} if files else set()
    for path in (WIRE_FILES / platform_of(kind) / "inbound").glob("*.expected.json"):
        for key, value in _members(json.loads(path.read_text(encoding="utf-8"))):
            match key, value:
                case "kind", str() if value in set(EventKind):
                    shown.add(value)
                case "kind", str() if value in set(AttachmentKind):
                    shown.add("files")
                case "format", str():
                    shown.add(value)
                case "quote", {"id": str()}:
                    shown.add("reply")
                case "mentions", [_, *_]:
                    shown.add("mention")
    return frozenset(shown)


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _members(inner)


def unit(measure: Callable[[str], int]) -> str:
    """What a measure counts, by what it says of some samples: a key of the words below."""
    one = measure("x")
    cost = tuple((measure("x" + sample) - one) for sample in ("é", "你", "😀", '"'))
    return {
        (1, 1, 1, 1): "characters",
        (1, 1, 2, 1): "utf-16",
        (2, 3, 4, 1): "utf-8",
        (2, 3, 4, 2): "json",
    }.get(cost, "own")


def crosses(source: Account, target: Account) -> frozenset[str]:
    """What arrives at ``target`` as what it was at ``source``: names of `_SIGNS`."""
    if source.heard is None:
        return frozenset()
    able = target.able
    native = {
        "reply": able.reply,
        "edit": able.edit,
        "recall": able.recall,
        "reaction": able.reaction,
        "files": able.attachments,
    }
    return frozenset(
        name
        for name in source.heard.shown
        if native.get(name) is Support.NATIVE and (target.gives_ids or name == "files")
    )


# --- the page ---------------------------------------------------------------------------------------

_OUT = ("reply", "edit", "recall", "reaction", "attachments", "mention", "buttons")
_IN = ("markdown", "reply", "edit", "recall", "reaction", "files", "mention")

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "What crosses between which platforms",
        "other": "[中文](platforms.zh.md)",
        "made": "Made by `make docs` from what the drivers claim and the contract tests prove; do not edit. "
        "What a platform itself takes, and how, stands in the README of its driver.",
        "out": "What each takes",
        "out head": "account | text | longest post | reply | edit | recall | reaction | attachments | mention "
        "| buttons | gives an id",
        "out said": "✓: as the platform's own. Where there is something else, that is what it becomes; a longer text "
        "becomes several posts, in order. A mention pings only whom a rule names, and only where there is a ✓; "
        "what people type pings nobody. Where no id is given, what was posted cannot be found again: there is "
        "nothing to answer, to change or to take back; some platforms give one only under conditions that their "
        "README names, and here stands what the servers of the tests do. Attachments are links unless a rule wants `upload`.",
        "in": "What comes in",
        "in head": "account | how | Markdown | reply | edit | recall | reaction | attachments | mention",
        "in said": "By the wire files that the tests read. Accounts that are not here only send.",
        "pairs": "From each to each",
        "pairs said": "What arrives as what it was: {signs}. Text always does, in the best form that the other side "
        "has; all else as the first table says.",
        "from": "from ↓ to →",
        "signs": "↩ replies, ✎ edits, ✂ recalls, ☺ reactions, 📎 files (by `upload`)",
        "comma": ", ",
        "plain": "plain",
        "markdown": "Markdown",
        "characters": "characters",
        "utf-16": "UTF-16 units",
        "utf-8": "bytes",
        "json": "bytes in JSON",
        "own": "by its own count",
        "one line": "one line",
        "reply": "a quoted line",
        "edit": "a new, marked message",
        "recall": "–",
        "reaction": "– (or said, by rule)",
        "attachments": "a link",
        "mention": "plain `@name`",
        "buttons": "lines with links",
        "webhook": "it calls us",
        "connection": "over our connection",
    },
    "zh": {
        "title": "平台之间能带过去什么",
        "other": "[English](platforms.md)",
        "made": "由 `make docs` 根据各驱动的声明和契约测试生成，请勿手工修改。平台本身收什么、怎样收，见各驱动的 README（英文）。",
        "out": "各平台能收什么",
        "out head": "账号 | 文本 | 单条上限 | 回复 | 编辑 | 撤回 | 表情回应 | 附件 | 提及 | 按钮 | 返回 id",
        "out said": "✓：用平台自己的形式。写着别的，就是会变成的样子；更长的文本会按顺序拆成多条。只有规则点名的人会被提醒，"
        "而且只在有 ✓ 的地方；用户输入的文字不会提醒任何人。不返回 id 的地方，发出的消息再也找不回来：无法回复、修改或撤回；"
        "有的平台要满足 README 里写的条件才返回 id，这里写的是测试服务器的情况。"
        "附件默认是链接，规则写 `upload` 才上传。",
        "in": "能收进来什么",
        "in head": "账号 | 方式 | Markdown | 回复 | 编辑 | 撤回 | 表情回应 | 附件 | 提及",
        "in said": "依据测试所读的报文文件。没有列出的账号只发不收。",
        "pairs": "从哪里到哪里",
        "pairs said": "能原样到达的：{signs}。文本总能到达，用对方最好的形式；其余见第一张表。",
        "from": "从 ↓ 到 →",
        "signs": "↩ 回复，✎ 编辑，✂ 撤回，☺ 表情回应，📎 文件（需 `upload`）",
        "comma": "、",
        "plain": "纯文本",
        "markdown": "Markdown",
        "characters": "字符",
        "utf-16": "UTF-16 单元",
        "utf-8": "字节",
        "json": "JSON 中的字节",
        "own": "自有算法",
        "one line": "单行",
        "reply": "引用一行",
        "edit": "带标记的新消息",
        "recall": "–",
        "reaction": "–（或按规则说一句）",
        "attachments": "链接",
        "mention": "普通的 `@名字`",
        "buttons": "带链接的几行",
        "webhook": "对方调用我们",
        "connection": "走我们的连接",
    },
}


def page(language: str, known: Sequence[Account]) -> str:
    """The page in ``en`` or ``zh``."""
    words = WORDS[language]
    hearing = [one for one in known if one.heard]
    names = [one.name for one in known]
    pairs = [[source.name, *(_signs(source, to) for to in known)] for source in hearing]
    blocks = [
        f"# {words['title']}",
        words["other"],
        words["made"],
        f"## {words['out']}",
        _table(words["out head"].split(" | "), [_out(one, words) for one in known]),
        words["out said"],
        f"## {words['in']}",
        _table(words["in head"].split(" | "), [_in(one, words) for one in hearing]),
        words["in said"],
        f"## {words['pairs']}",
        words["pairs said"].format(signs=words["signs"]),
        _table([words["from"], *names], pairs),
    ]
    return "\n\n".join(blocks) + "\n"


def _out(account: Account, words: Mapping[str, str]) -> list[str]:
    able = account.able
    longest = f"{able.max_text:,} {words[unit(able.measure)]}"
    return [
        account.name,
        words["comma"].join(words[one] for one in TextFormat if one in able.formats),
        f"{longest}{words['comma']}{words['one line']}" if able.one_line else longest,
        *(_support(getattr(able, name), words[name]) for name in _OUT),
        "✓" if account.gives_ids else "–",
    ]


def _support(support: Support, instead: str) -> str:
    match support:
        case Support.NATIVE:
            return "✓"
        case Support.FALLBACK:
            return instead
    return instead if instead.startswith("–") else "–"


def _in(account: Account, words: Mapping[str, str]) -> list[str]:
    assert account.heard is not None
    shown = account.heard.shown
    return [account.name, words[account.heard.how], *("✓" if name in shown else "–" for name in _IN)]


def _signs(source: Account, target: Account) -> str:
    found = crosses(source, target)
    return " ".join(sign for name, sign in _SIGNS.items() if name in found) or "–"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
