"""Patterns and templates that a person wrote: right, or a problem with the caret on the wrong part."""

from __future__ import annotations

import re
from typing import cast

import re2

from bridge.conditions import Pattern
from bridge.model import Replacement
from bridge.phrases import Phrase, phrase
from bridge.problems import did_you_mean, listed, printable, quoted
from bridge.problems.document import Node
from bridge.problems.reader import Reader
from bridge.template import FIELDS, BadTemplate, compile_template
from bridge.transform import BadReplacement, compile_step

LONGEST_PATTERN = 4096
"""Characters; a longer pattern is better written as several rules."""

_LOOK_AROUND = re.compile(r"\(\?<?[=!]")
_BACK_REFERENCE = re.compile(r"\\[1-9]|\(\?P=\w*\)?|\\k[<{']\w*[>}']?")
_OTHER_PERL = re.compile(r"\(\?>|\(\?\(|[*+?}]\+")
_ESCAPED = re.compile(r"\\\\")
_ANY = re.compile(".", re.DOTALL)
_BRACKET = re.compile(r"\\.|[()\[\]]", re.DOTALL)
_UNCLOSED = ("missing )", "missing ]")
_SAID = {
    "missing )": phrase('a ")" is missing'),
    "unexpected )": phrase('there is a ")" too many'),
    "missing ]": phrase('a "]" is missing'),
    "no argument for repetition operator": phrase("there is nothing here to repeat"),
    "bad repetition operator": phrase("two signs of repetition stand side by side"),
    "invalid repetition size": phrase("a repetition may count to 1000, from the smaller to the larger"),
    "invalid escape sequence": phrase("this escape does not exist"),
    "invalid character class range": phrase("this class of characters does not exist"),
    "invalid character class": phrase("this class of characters does not exist"),
    "trailing \\": phrase("a backslash at the end escapes nothing"),
    "invalid named capture group": phrase("the name of this group is not right"),
    "pattern too large": phrase("it is too large when compiled: use smaller repetitions"),
}


def pattern(node: Node, key: str, reader: Reader) -> Pattern | None:
    """A compiled RE2 pattern, or None and a problem."""
    text = reader.text(node, quoted(key))
    if text is None:
        return None
    if len(text) > LONGEST_PATTERN:
        reader.report(
            "E305",
            node,
            phrase("this pattern is longer than {limit} characters", limit=LONGEST_PATTERN),
            phrase("split it into several rules"),
        )
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        return cast("Pattern", re2.compile(text, options))
    except re2.error as e:
        said = e.args[0].decode(errors="replace") if isinstance(e.args[0], bytes) else str(e)
    _report_pattern(node, text, said, reader)
    return None


def replacement(replace: Node, with_: Node, reader: Reader) -> Replacement | None:
    """One step of ``transform``."""
    compiled = pattern(replace, "replace", reader)
    text = reader.text(with_, quoted("with"))
    if compiled is None or text is None:
        return None
    try:
        compile_step(compiled.pattern, text)
    except BadReplacement as e:
        digit = e.said[1:].isascii() and e.said[1:].isdecimal()
        reader.report(
            "E306",
            reader.document.within(with_, e.at, len(e.said)),
            phrase("the pattern has no group {number}", number=e.said[1:])
            if digit
            else phrase("{said} means nothing in a replacement", said=printable(e.said)),
            phrase('put round brackets around the part of "replace" that you want here')
            if digit
            else phrase(
                "\\0 is the whole match, \\1 to \\9 are groups, \\\\ is a backslash; JSON doubles each \\"
            ),
        )
        return None
    return Replacement(compiled.pattern, text)


def template(node: Node, reader: Reader) -> str | None:
    """A ``msg_format``, or None and a problem."""
    text = reader.text(node, quoted("msg_format"))
    if text is None:
        return None
    try:
        compile_template(text)
    except BadTemplate as e:
        fields = phrase("fields of a template: {names}", names=listed(FIELDS))
        length = len(e.name) + 2 if e.name or text.startswith("{}", e.at) else 1
        where = reader.document.within(node, e.at, length)
        if length == 1:
            reader.report(
                "E304",
                where,
                phrase("a brace stands alone"),
                phrase("write {{{{ or }}}} for a brace in the text"),
                fields=fields,
            )
            return None
        close = did_you_mean(e.name, FIELDS)
        reader.report(
            "E304",
            where,
            phrase("{name} is not a field of a template", name=printable(f"{{{e.name}}}")),
            phrase("did you mean {name}?", name=f"{{{close}}}")
            if close
            else phrase("write {{{{ and }}}} for braces in the text"),
            fields=fields,
        )
        return None
    return text


def _unclosed(text: str) -> int | None:
    """Where the bracket stands that nothing closes: the last one, or a class of characters."""
    groups: list[int] = []
    begin = None
    for found in _BRACKET.finditer(text):
        sign, at = found.group(), found.start()
        if begin is not None:
            # A "]" right behind the "[" or "[^" belongs to the class.
            if sign == "]" and text[begin + 1 : at] not in ("", "^"):
                begin = None
        elif sign == "[":
            begin = at
        elif sign == "(":
            groups.append(at)
        elif sign == ")" and groups:
            groups.pop()
    if begin is not None:
        return begin
    return groups[-1] if groups else None


def _report_pattern(node: Node, text: str, said: str, reader: Reader) -> None:
    clear = _ESCAPED.sub("  ", text)
    message: Phrase
    if found := _LOOK_AROUND.search(clear):
        message = phrase("patterns have no look-around: {found}", found=found.group())
        hint = phrase(
            'say it with "when" and "unless": one condition for what must be there, one for what must not'
        )
    elif found := _BACK_REFERENCE.search(clear):
        message = phrase("patterns have no back-references: {found}", found=found.group())
        hint = phrase("write the repeated part out, or match it more loosely")
    else:
        found = _OTHER_PERL.search(clear)
        reason, _, part = said.partition(": ")
        if reason in _UNCLOSED and (at := _unclosed(text)) is not None:
            found = _ANY.match(text, at)
        if found is None and part and part != text and part in text:
            at = text.rindex(part) if reason.startswith("missing") else text.index(part)
            found = re.compile(re.escape(part)).match(text, at)
        known = _SAID.get(reason) or _SAID.get(said)
        message = phrase("not a pattern: {reason}", reason=known or reason)
        hint = phrase("the syntax is RE2's: https://github.com/google/re2/wiki/Syntax")
    where = reader.document.within(node, found.start(), len(found.group())) if found else node.span
    reader.report("E305", where, message, hint)
