"""
Single mistakes, made on purpose in two good files: where the caret must stand and what must be advised
is known by whoever makes the mistake.

Texts are cut with patterns of our own, never with the scanner that is on trial.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILES = {
    name: (Path(__file__).parent / f"golden/desk/{name}.json").read_text(encoding="utf-8")
    for name in ("config", "rules")
}
_TOKEN = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"(?P<colon>\s*:)?')
_FREE = {"dt_main", "dt_stream", "dt_alerts", "ci", "from", "to", "if"}
"""Names that are the operator's own, or too short to be a slip of anything."""


@dataclass(frozen=True)
class Mistake:
    """``advice`` must stand in the hints or the list of names, in every language."""

    name: str
    file: str
    text: str
    at: int
    advice: str
    also_at: tuple[int, ...] = ()

    @property
    def places(self) -> set[tuple[int, int]]:
        """Line and column, from 1."""
        return {
            (self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at))
            for at in (self.at, *self.also_at)
        }


def put(file: str, start: int, end: int, new: str) -> str:
    return FILES[file][:start] + new + FILES[file][end:]


def keys(file: str) -> Iterator[tuple[str, int, int]]:
    """Every key, and where its quotes begin and end."""
    for token in _TOKEN.finditer(FILES[file]):
        if token["colon"]:
            yield token["text"], token.start(), token.end("text") + 1


def find(file: str, marked: str) -> tuple[int, int]:
    """Where the part between « and » stands in the one place that looks like ``marked``."""
    before, _, rest = marked.partition("«")
    part, _, after = rest.partition("»")
    whole = before + part + after
    assert 1 == FILES[file].count(whole), (file, marked, FILES[file].count(whole))
    start = FILES[file].index(whole) + len(before)
    return start, start + len(part)


def misspelt(word: str, chance: random.Random) -> str:
    """One slip of a finger: a letter left out, doubled, changed, or two of them swapped."""
    at = chance.randrange(1, len(word) - 1)
    return {
        "left out": word[:at] + word[at + 1 :],
        "doubled": word[:at] + word[at] + word[at:],
        "changed": word[:at] + chance.choice("xqzw") + word[at + 1 :],
        "swapped": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    }[chance.choice(["left out", "doubled", "changed", "swapped"])]


def misspelt_keys(chance: random.Random) -> Iterator[Mistake]:
    for file in FILES:
        for key, start, end in keys(file):
            if key in _FREE or len(key) < 4 or key.startswith("$"):
                continue
            wrong = misspelt(key, chance)
            if wrong != key:
                yield Mistake(
                    f"key {key} as {wrong}", file, put(file, start, end, f'"{wrong}"'), start, f'"{key}"'
                )


def misspelt_instances(chance: random.Random) -> Iterator[Mistake]:
    for key, start, end in keys("rules"):
        if key.startswith("dt_"):
            wrong = misspelt(key, chance)
            if wrong not in ("dt_main", key):
                yield Mistake(
                    f"instance {key} as {wrong}",
                    "rules",
                    put("rules", start, end, f'"{wrong}"'),
                    start,
                    f'"{key}"',
                )
    for name in ("dt_alerts", "ci"):
        start, end = find("rules", f'{{"to": «"{name}"»')
        yield Mistake(
            f"expected at {name}x", "rules", put("rules", start, end, f'"{name}x"'), start, f'"{name}"'
        )


def duplicate_keys(chance: random.Random) -> Iterator[Mistake]:
    """A whole line of one member is there twice; the second one is wrong."""
    for file, text in FILES.items():
        lines = text.splitlines(keepends=True)
        for number, line in enumerate(lines):
            if not re.fullmatch(
                r'\s+"[\w$]+": ("[^"]*"|\d+|true|false|\{[^{}]*\}|\[[^\[\]{}]*\]),\n', line
            ):
                continue
            doubled = "".join([*lines[: number + 1], line, *lines[number + 1 :]])
            at = sum(map(len, lines[: number + 1])) + line.index('"')
            yield Mistake(f"{line.strip()} twice", file, doubled, at, "")
    del chance


def missing_commas(chance: random.Random) -> Iterator[Mistake]:
    """The caret is under the end of what the comma must follow."""
    for file, text in FILES.items():
        ends = [m.start() for m in re.finditer(r"[\]}\"\d],\n", text)]
        for end in chance.sample(ends, 14):
            yield Mistake(f"no comma at {end}", file, put(file, end + 1, end + 2, ""), end, '","')


def trailing_commas(chance: random.Random) -> Iterator[Mistake]:
    for file, text in FILES.items():
        ends = [m.start() + 1 for m in re.finditer(r"[\"\d}\]]\n\s*[}\]]", text)]
        for end in chance.sample(ends, min(8, len(ends))):
            yield Mistake(f"a comma at {end}", file, put(file, end, end, ","), end, "")


def bad_signs(chance: random.Random) -> Iterator[Mistake]:
    """What an input method, an editor or another language puts in JSON's place."""
    for file, text in FILES.items():
        commas = [m.start() for m in re.finditer(r",\n", text)]
        colons = [m.start() - 1 for m in re.finditer(r"(?<=\":) ", text)]
        strings = [t.span() for t in _TOKEN.finditer(text) if not t["colon"] and "\\" not in t["text"]]
        for at in chance.sample(commas, 3):
            yield Mistake("a Chinese comma", file, put(file, at, at + 1, "，"), at, ",")
            yield Mistake("a semicolon", file, put(file, at, at + 1, ";"), at, ",")
            yield Mistake("a comment", file, put(file, at + 1, at + 1, " // here"), at + 2, ".yaml")
        for at in chance.sample(colons, 3):
            yield Mistake("a Chinese colon", file, put(file, at, at + 1, "："), at, ":")
            yield Mistake("an equals sign", file, put(file, at, at + 1, " ="), at + 1, ":")
        for start, end in chance.sample(strings, 3):
            word = text[start + 1 : end - 1]
            yield Mistake("curly quotes", file, put(file, start, end, f"“{word}”"), start, '"')
            yield Mistake("single quotes", file, put(file, start, end, f"'{word}'"), start, '"')
            yield Mistake("no closing quote", file, put(file, end - 1, end, ""), start, '"')
        for key, start, end in chance.sample(list(keys(file)), 3):
            yield Mistake("a name without quotes", file, put(file, start, end, key), start, f'"{key}"')
            yield Mistake("no colon", file, put(file, end, end + 1, ""), start, ":")


def wrong_types(chance: random.Random) -> Iterator[Mistake]:
    """What stands there is of another kind; the advice is how to write it."""
    del chance
    for file, marked, new, advice in [
        ("config", '"listen_port": «8082»', '"8082"', "8082"),
        ("config", '"port": «8089»', '"8089"', "8089"),
        ("config", '"listen_port": «8083»', "[8083]", "8083"),
        ("config", '"enabled": «true»', '"yes"', "true"),
        ("config", '"enabled": «true»', '"true"', "true"),
        ("config", '"enabled": «true»', "1", "true"),
        ("config", '"log": «{"level": "info", "format": "auto"}»', '"info"', "{"),
        ("config", '"app_key": «"dingmain000000"»', "12345", '"12345"'),
        ("config", '"keyword": «"告警"»', '["告警"]', '"alert"'),
        ("config", '"trusted_proxies": «["127.0.0.1"]»', '"127.0.0.1"', "["),
        ("config", '"allowed_users": «["manager1001", "user1002"]»', "1001", "manager1001"),
        ("rules", '"stop": «true»', '"true"', "true"),
        ("rules", '"enabled": «true»', '"on"', "true"),
        ("rules", '"enabled": «true»', "null", "true"),
        ("rules", '"direct": «false»', '"no"', "false"),
        ("rules", '"transform": «[{"replace": "token=\\\\S+", "with": "token=…"}]»', '{"replace": "a", "with": "b"}', "["),
        ("rules", '"senders": «{"exclude": ["bot-ci"]}»', '["bot-ci"]', '"exclude"'),
        ("rules", '"hours": «{"from": "09:00", "to": "18:00", "time_zone": "Asia/Shanghai", "days": ["mon", "fri"]}»', '"09:00-18:00"', '"time_zone"'),
        ("rules", '"msg": «{"msg_format": "{user}: {msg} ({time})"}»', '"{user}: {msg}"', '"msg_format"'),
        ("rules", '"id": «"answer-in-person"»', "7", '"7"'),
        ("rules", '"to": «{"dt_alerts": {}, "ci": {}}»', '["dt_alerts", "ci"]', "{"),
        ("rules", '"user": «"Li"»', "5", '"5"'),
        ("rules", '"text_matches": «"构建失败|build (failed|broken)"»', "5", '"5"'),
        ("rules", '"dt_alerts": «{}», "ci": {}', '"default"', "{"),
    ]:  # fmt: skip
        start, end = find(file, marked)
        yield Mistake(f"{new} for {marked}", file, put(file, start, end, new), start, advice)


def missing_keys(chance: random.Random) -> Iterator[Mistake]:
    """The caret is under the name of what they are missing from, or its bracket; the advice names them."""
    del chance
    for file, gone, where, name in [
        ("config", '      "app_key": "dingmain000000",\n', '«"dt_main"»', "app_key"),
        ("config", '      "app_secret": {"env": "DT_APP_SECRET"},\n      "robot_code"', '«"dt_main"»', "app_secret"),
        ("config", '      "app_key": "dingstream0000",\n', '«"dt_stream"»', "app_key"),
        ("rules", '      "from": {"ci": {"conversation": "ask"}},\n', '«{»\n      "id": "answer-in-person"', "from"),
        ("rules", '      "to": {"dt_alerts": {}, "ci": {}},\n', '«{»\n      "id": "failures-to-ops"', "to"),
        ("rules", ', "with": "token=…"', '"transform": [«{»', "with"),
        ("rules", '"replace": "token=\\\\S+", ', '"transform": [«{»', "replace"),
        ("rules", ', "time_zone": "Asia/Shanghai"', '«"hours"»', "time_zone"),
        ("rules", '"from": "09:00", ', '«"hours"»', "from"),
        ("rules", '"to": "dt_alerts", ', '"expect": [\n        «{»', "to"),
        ("rules", '"user_id": "manager1001"', '"dt_main": «{»"user_id"', "open_conversation_id"),
        ("rules", '"open_conversation_id": "cidOps=="', '"dt_main": «{»"open_conversation_id": "cidOps', "open_conversation_id"),
        ("rules", '"from": {"dt_main": {"open_conversation_id": "cidOps=="}},\n', '«"given"»', "from"),
    ]:  # fmt: skip
        at, _ = find(file, where)
        start, end = find(file, f"«{gone}»")
        if gone.endswith('"robot_code"'):
            end -= len('      "robot_code"')
        yield Mistake(
            f"no {name} in {where}",
            file,
            put(file, start, end, ""),
            at if at < start else at - (end - start),
            name,
        )


def wrong_values(chance: random.Random) -> Iterator[Mistake]:
    del chance
    for file, marked, new, shift, advice in [
        ("config", '"give_up_after": «"24h"»', '"24 hours"', 0, '"15s"'),
        ("config", '"late_after": «"2m"»', '"soon"', 0, '"5m"'),
        ("config", '"body_timeout": «"5s"»', '"0s"', 0, '"15s"'),
        ("config", '"max_body": «"256KiB"»', '"256 kilo"', 0, '"256KiB"'),
        ("config", '"max_file": «"20MB"»', '"20 MBs"', 0, '"20MB"'),
        ("config", '"max_rate": «"20/1m"»', '"20"', 0, '"20/1m"'),
        ("config", '"max_rate": «"20/1m"»', '"20/minute"', 0, '"20/1m"'),
        ("config", '"trusted_proxies": [«"127.0.0.1"»]', '"127.0.0.300"', 0, '"10.0.0.0/8"'),
        ("config", '"level": «"info"»', '"inof"', 0, '"info"'),
        ("config", '"level": «"info"»', '"verbose"', 0, "debug"),
        ("config", '"language": «"zh"»', '"chinese"', 0, "zh"),
        ("config", '"language": «"zh"»', '"zh_CN"', 0, '"zh"'),
        ("config", '"receive": «"stream"»', '"streaming"', 0, '"stream"'),
        ("config", '"on_lost_answer": «"hold"»', '"holds"', 0, '"hold"'),
        ("config", '"method": «"POST"»', '"post"', 0, '"POST"'),
        ("config", '"method": «"POST"»', '"GET"', 0, "POST"),
        ("config", '"port": «8089»', "80890", 0, "65535"),
        ("config", '"listen_port": «8082»', "0", 0, "1"),
        ("config", '"listen_path": «"/dingtalk/event"»', '"dingtalk/event"', 0, '"/dingtalk/event"'),
        ("config", '"listen_port": «8082»', "8089", 0, '"listen_port"'),
        ("config", '"public_url": «"https://bridge.example.com"»', '"bridge.example.com"', 0, "https://"),
        ("config", '"url": «"https://example.com/in"»', '"example.com/in"', 0, "https://"),
        ("config", '"url": «"https://example.com/in"»', '"http://example.com/in"', 0, "https://"),
        ("config", '"robot_code": «"dingmain000000"»', '"dingmain000000 "', 15, ""),
        ("config", '"app_key": «"dingstream0000"»', '" dingstream0000"', 1, ""),
        ("config", '"app_key": «"dingstream0000"»', '""', 0, "dingxxxxxxxxxx"),
        ("config", '"sign_secret": {"env": «"ALERTS_SECRET"»}', '"ALERT_SECRET"', 0, "ALERT_SECRET=…"),
        ("config", '"sign_secret": {«"env"»: "ALERTS_SECRET"}', '"evn"', 0, '"env"'),
        ("config", '"sign_secret": «{»"env": "ALERTS_SECRET"}', '{"file": "x", ', 0, '"env"'),
        ("config", '"signature_window": «"5m"»', '"2h"', 0, "1h"),
        ("config", '«"dingtalk"»: {', '"dingding"', 0, "dingtalk"),
        ("config", '«"webhook"»: {', '"webhooks"', 0, '"webhook"'),
        ("config", '«"dt_stream"»: {', '"dt stream"', 0, "-"),
        ("rules", '"type": «"connect"»', '"conect"', 0, '"connect"'),
        ("rules", '"type": «"forward"»', '"copy"', 0, "forward"),
        ("rules", '"attachments": «"link"»', '"links"', 0, '"link"'),
        ("rules", '"format": «"plain"»', '"markdwn"', 0, '"markdown"'),
        ("rules", '"kinds": ["message", «"edit"»]', '"edits"', 0, '"edit"'),
        ("rules", '"kinds": [«"message"», "edit"]', '"mesage"', 0, '"message"'),
        ("rules", '"days": [«"mon"», "fri"]', '"monday"', 0, '"mon"'),
        ("rules", '"from": «"09:00"»', '"9:00"', 0, '"09:00"'),
        ("rules", '"to": «"18:00"»', '"25:00"', 0, '"09:00"'),
        ("rules", '"to": «"18:00"»', '"09:00"', 0, '"24:00"'),
        ("rules", '"time_zone": «"Asia/Shanghai"»', '"Asia/Shanghia"', 0, '"Asia/Shanghai"'),
        ("rules", '"time_zone": «"Asia/Shanghai"»', '"CST-8"', 0, '"Asia/Shanghai"'),
        ("rules", '"at": «"2026-01-05T10:00:00+08:00"»', '"2026-01-05T10:00:00"', 0, "+08:00"),
        ("rules", '"kind": «"message"»', '"massage"', 0, '"message"'),
        ("rules", '"id": «"answer-in-person"»', '"team-room"', 0, '"team-room-2"'),
        ("rules", '"id": «"answer-in-person"»', '""', 0, ""),
        # addresses
        ("rules", '«{"open_conversation_id": "cidTeamAAAA=="}»', "{}", 0, '"open_conversation_id"'),
        ("rules", '{"open_conversation_id": «"cidTeamAAAA=="»}', '"*"', 0, ""),
        ("rules", '{"open_conversation_id": «"cidTeamAAAA=="»}', '""', 0, ""),
        ("rules", '{"open_conversation_id": «"cidTeamAAAA=="»}', '" cidTeamAAAA=="', 0, ""),
        ("rules", '«{»"open_conversation_id": "cidTeamAAAA=="}', '{"user_id": "u", ', 0, '"user_id"'),
        ("rules", '{"user_id": «"manager1001"»}', '"*"', 0, "{conversation}"),
        ("rules", '{"user_id": «"{user_id}"»}', '"{userid}"', 1, "{user_id}"),
        ("rules", '{"user_id": «"{user_id}"»}', '"{sender}"', 1, "{user_id}"),
        ("rules", '{"open_conversation_id": «"cidOps=="»}', '"*"', 0, ""),
        ("rules", '"dt_stream": {«"open_conversation_id"»: "*"}', '"chat_id"', 0, "open_conversation_id"),
        ("rules", '«"from": {"ci"»: {"conversation": "ask"}}', '"from": {"cj"', 9, '"ci"'),
        # patterns
        ("rules", '"text_matches": «"构建失败|build (failed|broken)"»', '"失败(?!已知)"', 3, '"unless"'),
        ("rules", '"text_matches": «"构建失败|build (failed|broken)"»', '"build (failed"', 7, ""),
        ("rules", '"text_matches": «"构建失败|build (failed|broken)"»', '"*failed"', 1, ""),
        ("rules", '"text_matches": «"构建失败|build (failed|broken)"»', '"[a-"', 1, ""),
        ("rules", '"text_matches": «"构建失败|build (failed|broken)"»', '"(a)\\\\1"', 4, ""),
        ("rules", '"text_matches": «"构建失败|build (failed|broken)"»', '"失败\\d+"', 3, "\\\\"),
        ("rules", '"replace": «"token=\\\\S+"»', '"token=(\\\\S+"', 7, ""),
        ("rules", '"with": «"token=…"»', '"token=\\\\1"', 7, '"replace"'),
        # templates
        ("rules", '"msg_format": «"{user}: {msg} ({time})"»', '"{usr}: {msg}"', 1, "{user}"),
        ("rules", '"msg_format": «"{user}: {msg} ({time})"»', '"{user}: {message}"', 9, "{msg}"),
        ("rules", '"msg_format": «"{user}: {msg} ({time})"»', '"【{titel}】{msg}"', 2, "{title}"),
        ("rules", '"msg_format": «"{user}: {msg} ({time})"»', '"{user: {msg}"', 1, "{{"),
        ("rules", '"msg_format": «"{user}: {msg} ({time})"»', '"{} {msg}"', 1, "user"),
        ("rules", '"msg_format": «"{user}: {msg} ({time})"»', '"\\u4f60 {nikname}"', 8, "{nickname}"),
    ]:  # fmt: skip
        start, end = find(file, marked)
        yield Mistake(f"{new} for {marked}", file, put(file, start, end, new), start + shift, advice)


def others(chance: random.Random) -> Iterator[Mistake]:
    """Two places at once, brackets, and words of other languages."""
    del chance
    for marked, new, at, advice in [
        ('"enabled": «true»', "True", 0, "true"),
        ('"port": «8089»', "08089", 0, ""),
        ('"allowed_users": «"*"»', "*", 0, '"'),
        ('"keyword": «"告警"»', "告警", 0, '"'),
    ]:
        start, end = find("config", marked)
        yield Mistake(f"{new} for {marked}", "config", put("config", start, end, new), start + at, advice)
    start, end = find("config", '"listen_port": «8083»,')
    text = put("config", start, end, '8082, "listen_path": "/dingtalk/event"')
    yield Mistake(
        "one port and path",
        "config",
        text,
        text.index('"/dingtalk/event"', start),
        '"/dingtalk/event/ci"',
    )
    start, end = find("config", '«"ci"»: {')
    yield Mistake(
        "one name twice", "config", put("config", start, end, '"dt_main"'), start, '"dt_main_webhook"'
    )
    for file, text in FILES.items():
        end = len(text.rstrip())
        last = text[: end - 1].rstrip()
        yield Mistake("never closed", file, last + "\n", len(last) - 1, "}")
        yield Mistake("closed once too often", file, text[:end] + "}\n", end, "")
    start, end = find("rules", '"unless": {"text_contains": ["#private", "#私聊"«]»}')
    yield Mistake("closed by the wrong bracket", "rules", put("rules", start, end, "}"), start, "]")


MAKERS = (
    misspelt_keys, misspelt_instances, duplicate_keys, missing_commas, trailing_commas, bad_signs, wrong_types,
    missing_keys, wrong_values, others,
)  # fmt: skip


def mistakes(seed: int) -> list[Mistake]:
    """The same for the same seed; none is made twice."""
    chance = random.Random(seed)
    made = {(m.file, m.text): m for make in MAKERS for m in make(chance)}
    return list(made.values())
