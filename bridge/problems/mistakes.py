"""What is wrong with JSON that is none, in words, with the place and what to do."""

from __future__ import annotations

import re

from bridge.phrases import Phrase, phrase
from bridge.problems import quoted
from bridge.problems.document import BadSyntax, Node, Span

_TOKEN = re.compile(r'[^\s,:\[\]{}"]+')
_NUMBERLIKE = re.compile(r"[-+.]?[0-9]")
_NAME = re.compile(r"[\w$-]+")
_BAD_ESCAPE = re.compile(r'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})')
_LONE_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_ESCAPED = re.compile(r"\\\\")
# What an input method for Chinese, a word processor, or another language puts in JSON's place.
_FOREIGN = {"，": ",", "：": ":", "“": '"', "”": '"', "‘": '"', "’": '"', "'": '"', "｛": "{", "｝": "}",
            "【": "[", "】": "]", "；": ",", ";": ",", "=": ":", "\u3000": " ", "\xa0": " "}  # fmt: skip
_PYTHON = {"True": "true", "False": "false", "None": "null", "TRUE": "true", "FALSE": "false",
           "yes": "true", "no": "false", "on": "true", "off": "false", "undefined": "null"}  # fmt: skip
_CLOSING = {"{": "}", "[": "]"}


def _wrong(span: Span, message: Phrase, *hints: Phrase) -> BadSyntax:
    return BadSyntax("E003", span, message, *hints)


def _one(at: int) -> Span:
    return at, at + 1


def no_value(text: str, at: int, still_open: list[Span]) -> BadSyntax:
    """Something stands where a value must stand."""
    if known := _anywhere(text, at, still_open):
        return known
    if text[at] == "}" and still_open and text[still_open[-1][0]] == "[":
        return _mismatch(text, at, still_open[-1])
    if text[at] in ",]}":
        return _wrong(
            _one(at),
            phrase('a value is missing before "{found}"', found=text[at]),
            phrase('write a value, or remove the "," or ":" before it'),
        )
    token = _TOKEN.match(text, at)
    word = token.group() if token else text[at]
    span = (at, at + len(word))
    if word in _PYTHON:
        return _wrong(
            span,
            phrase("{found} is not JSON", found=quoted(word)),
            phrase("write {right}", right=_PYTHON[word]),
        )
    if word.lstrip("+-") in ("NaN", "Infinity", "inf", "nan"):
        return _wrong(
            span,
            phrase("{found} is not JSON", found=quoted(word)),
            phrase("write a number, or leave the field out"),
        )
    if _NUMBERLIKE.match(word):
        return _wrong(
            span,
            phrase("{found} is not a number that JSON knows", found=quoted(word)),
            phrase(
                'write it as 1, -1 or 0.5; an id, an address or a duration is a text: put it in "quotes"'
            ),
        )
    return _wrong(
        span,
        phrase("{found} is not a value", found=quoted(word)),
        phrase("a text stands in double quotes: {right}", right=quoted(word)),
    )


def no_key(text: str, at: int, still_open: list[Span]) -> BadSyntax:
    """Something stands where the name of a member must stand."""
    if known := _anywhere(text, at, still_open):
        return known
    if name := _NAME.match(text, at):
        return _wrong(
            name.span(),
            phrase("the name {found} has no quotes", found=quoted(name.group())),
            phrase('write "{name}"', name=name.group()),
        )
    return _wrong(
        _one(at),
        phrase("{found} stands where a name in quotes must stand", found=quoted(text[at])),
        phrase('members of an object are written "name": value'),
    )


def no_colon(text: str, at: int, key: Span) -> BadSyntax:
    if text[at : at + 1] in _FOREIGN:
        return _foreign(text, at)
    return _wrong(
        key,
        phrase('a ":" is missing after this name'),
        phrase('members of an object are written "name": value'),
    )


def no_comma(text: str, at: int, last: Node, still_open: list[Span]) -> BadSyntax:
    """Something stands behind a value that neither goes on nor ends."""
    if known := _anywhere(text, at, still_open):
        return known
    if text[at] in "}]":
        return _mismatch(text, at, still_open[-1])
    if text[at] == ":":
        return _wrong(
            _one(at),
            phrase('this ":" stands in a list'),
            phrase("members with names stand in an object: {{…}} in place of […]"),
        )
    if isinstance(last.value, str) and at == last.end and _NAME.match(text, at):
        # "first, "second": what looks like the end of this text is the beginning of the next one.
        return _wrong(
            last.span,
            phrase("this text has no closing quote"),
            phrase('add a " at its end; a line break inside a text is written \\n'),
        )
    return _wrong(
        (max(last.end - 1, last.start), last.end),
        phrase('a "," is missing after this'),
        phrase('add a "," here'),
    )


def _mismatch(text: str, at: int, begin: Span) -> BadSyntax:
    opened = text[begin[0]]
    return BadSyntax(
        "E003",
        _one(at),
        phrase('this "{found}" does not close "{opened}"', found=text[at], opened=opened),
        phrase('write "{right}" here, or add what is missing before it', right=_CLOSING[opened]),
        second=begin,
        second_label=phrase("opened here"),
    )


def trailing_comma(at: int) -> BadSyntax:
    return _wrong(
        _one(at),
        phrase('nothing follows this ","'),
        phrase("remove this comma"),
    )


def twice(key: str, span: Span, first: Span) -> BadSyntax:
    return BadSyntax(
        "E005",
        span,
        phrase("{key} stands here twice", key=quoted(key)),
        phrase("remove one of the two, or put both values into one list or object"),
        second=first,
        second_label=phrase("first here"),
    )


def behind_the_end(text: str, at: int, root: Node) -> BadSyntax:
    if known := _anywhere(text, at, []):
        return known
    return BadSyntax(
        "E003",
        _one(at),
        phrase("something follows the end of the file's value"),
        phrase("look for a bracket too many before it, or remove the rest"),
        second=(root.end - 1, root.end),
        second_label=phrase("it ended here"),
    )


def bad_string(text: str, start: int) -> BadSyntax:
    """A string begins here, but does not end on its line."""
    end = start + 1
    while end < len(text) and text[end] not in '"\r\n':
        if text[end] < " ":
            return _wrong(
                _one(end),
                phrase("a control character stands in a text"),
                phrase(
                    "write {right} in its place",
                    right="\\t" if text[end] == "\t" else f"\\u{ord(text[end]):04x}",
                ),
            )
        end += 2 if text[end] == "\\" else 1
    return _wrong(
        (start, min(end, len(text))),
        phrase("this text has no closing quote"),
        phrase('add a " at its end; a line break inside a text is written \\n'),
    )


def bad_escape(text: str, start: int, end: int) -> BadSyntax:
    raw = _ESCAPED.sub("  ", text[start:end])
    found = _BAD_ESCAPE.search(raw)
    at = start + (found.start() if found else 0)
    return _wrong(
        (at, at + 2),
        phrase(
            "{found} means nothing in a JSON text", found=quoted(text[at : at + 2]).replace("\\\\", "\\")
        ),
        phrase("a backslash is written twice, also in patterns: {right}", right="\\" + text[at : at + 2]),
    )


def lone_surrogate(text: str, start: int, end: int) -> BadSyntax:
    raw = _ESCAPED.sub("  ", text[start:end])
    for number, escape in enumerate(
        escapes := list(re.finditer(r"\\u([dD][89a-fA-F][0-9a-fA-F]{2})", raw))
    ):
        high = escape.group(1)[1] in "89abAB"
        before = escapes[number - 1] if number else None
        after = escapes[number + 1] if number + 1 < len(escapes) else None
        paired = (
            after is not None and after.start() == escape.end() and after.group(1)[1] in "cdefCDEF"
            if high
            else before is not None and before.end() == escape.start() and before.group(1)[1] in "89abAB"
        )
        if not paired:
            start, end = start + escape.start(), start + escape.end()
            break
    return BadSyntax(
        "E006",
        (start, end),
        phrase("half a character: {found} has no partner", found=text[start:end][:8]),
        phrase("write the character itself; the file is UTF-8"),
    )


def _anywhere(text: str, at: int, still_open: list[Span]) -> BadSyntax | None:
    """Mistakes that look the same wherever they stand."""
    if at >= len(text):
        return _ended(text, still_open)
    if text.startswith(("//", "/*", "#"), at):
        end = text.find("\n", at)
        return _wrong(
            (at, end if end >= 0 else len(text)),
            phrase("JSON has no comments"),
            phrase('remove it, use "description", or name the file .yaml: there # begins a comment'),
        )
    return _foreign(text, at) if text[at] in _FOREIGN else None


def _ended(text: str, still_open: list[Span]) -> BadSyntax:
    if not still_open:
        return _wrong((0, 0), phrase("the file is empty"), phrase("the smallest good file is {{}}"))
    begin = still_open[-1]
    end = len(text.rstrip())
    return BadSyntax(
        "E003",
        (max(end - 1, 0), end),
        phrase('the file ends, but a "{opened}" is still open', opened=text[begin[0]]),
        phrase('add the missing "{right}"', right=_CLOSING[text[begin[0]]]),
        second=begin,
        second_label=phrase("opened here"),
    )


def _foreign(text: str, at: int) -> BadSyntax:
    return _wrong(
        _one(at),
        phrase("{found} is not a sign of JSON", found=quoted(text[at])),
        phrase(
            "write {right} in its place",
            right=_FOREIGN[text[at]] if _FOREIGN[text[at]] != " " else quoted(" "),
        ),
    )
