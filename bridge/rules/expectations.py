"""The ``tests`` block: messages, and what must become of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from bridge.model import (
    Attachment,
    AttachmentKind,
    ConversationRef,
    Envelope,
    EventId,
    EventKind,
    InstanceId,
    Message,
    MessageId,
    Route,
    Sender,
    UserId,
)
from bridge.phrases import Phrase, phrase
from bridge.problems import Problem, listed, quoted
from bridge.problems.document import Node
from bridge.problems.reader import Reader
from bridge.rules import Expectation, RulesFile, RuleTest
from bridge.rules.addresses import AddressReader, Side

WHEN = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
"""The time of a test's message that names none: a Monday, noon in UTC."""

TextOf = Callable[[Route, Envelope], str]
"""The text that a route makes of a message, as it will be posted."""

_GIVEN = (
    "from", "user", "user_id", "username", "text", "title", "kind", "direct", "mentions_bot",
    "attachments", "at",
)  # fmt: skip
_GIVEN_OF = phrase('fields of "given"')


def read_tests(node: Node, addresses: AddressReader, reader: Reader) -> tuple[RuleTest, ...]:
    """Every test that is right."""
    tests = (
        _test(number, item, addresses, reader)
        for number, item in enumerate(reader.items(node, quoted("tests")), 1)
    )
    return tuple(test for test in tests if test is not None)


def run_tests(rules: RulesFile, text_of: TextOf) -> tuple[Problem, ...]:
    """One problem (E401) for each test that does not come out as expected."""
    failed = (_failure(test, rules, text_of) for test in rules.tests)
    return tuple(problem for problem in failed if problem is not None)


def _failure(test: RuleTest, rules: RulesFile, text_of: TextOf) -> Problem | None:
    left = {route: text_of(route, test.envelope) for route in rules.router.route(test.envelope)}
    for expected in test.expect:
        met = next((route for route in left if _meets(route, left[route], expected)), None)
        if met is None:
            return _missed(test, expected, left)
        del left[met]
    if not left:
        return None
    return Problem(
        place=test.place,
        code="E401",
        message=phrase("test {name}: a message goes where none is expected", name=quoted(test.name)),
        hints=(*_came(left), *_how_to_see(test.envelope)),
    )


def _missed(test: RuleTest, expected: Expectation, left: dict[Route, str]) -> Problem:
    near = {route: text for route, text in left.items() if route.destination.instance == expected.to}
    if near and expected.text is not None:
        message = phrase(
            "test {name}: the text for {to} is not {text}",
            name=quoted(test.name),
            to=expected.to,
            text=quoted(expected.text),
        )
    else:
        message = phrase("test {name}: nothing goes to {to}", name=quoted(test.name), to=expected.to)
    return Problem(
        place=expected.place,
        code="E401",
        message=message,
        hints=(*_came(near or left), *_how_to_see(test.envelope)),
    )


def _came(routes: dict[Route, str]) -> Iterator[Phrase]:
    for route, text in routes.items():
        yield phrase(
            "it goes to {to} with {text} (rule {rule})",
            to=str(route.destination),
            text=quoted(text),
            rule=quoted(route.plan.rule),
        )


def _how_to_see(envelope: Envelope) -> Iterator[Phrase]:
    yield phrase(
        "see every rule's answer: msgbridge route --from '{source}' --user '{user}' --text '…'",
        source=str(envelope.source),
        user=envelope.sender.display_name,
    )


def _meets(route: Route, text: str, expected: Expectation) -> bool:
    destination = route.destination
    return (
        destination.instance == expected.to
        and expected.conversation in (None, destination.conversation)
        and expected.text in (None, text)
    )


def _test(number: int, node: Node, addresses: AddressReader, reader: Reader) -> RuleTest | None:
    what = phrase("test #{number}", number=number)
    members = reader.members(node, what)
    if members is None:
        return None
    required = ("given", "expect")
    right = reader.known(
        members, ("name", *required), what, required=required, of=phrase("fields of a test")
    )
    for name in required:
        if name not in right:
            reader.missing(node, what, name)
    if len(right.keys() & set(required)) < len(required):
        return None
    named = reader.text(right["name"], quoted("name")) if "name" in right else None
    envelope = _given(right["given"], number, addresses, reader)
    expect = [
        _expectation(item, addresses, reader) for item in reader.items(right["expect"], quoted("expect"))
    ]
    if envelope is None:
        return None
    return RuleTest(
        name=named or f"#{number}",
        envelope=envelope,
        expect=tuple(expectation for expectation in expect if expectation is not None),
        place=reader.document.place(right["name"].span if "name" in right else node.opening),
    )


def _expectation(node: Node, addresses: AddressReader, reader: Reader) -> Expectation | None:
    what = phrase("an expectation")
    members = reader.members(node, what, phrase('write {{"to": "instance", "text": "…"}}'))
    if members is None:
        return None
    right = reader.known(
        members,
        ("to", "conversation", "text"),
        what,
        required=("to",),
        of=phrase("fields of an expectation"),
    )
    texts = {name: reader.text(inner, quoted(name)) for name, inner in right.items()}
    if "to" not in right:
        reader.missing(node, what, "to")
        return None
    to = texts["to"]
    if to is None or not addresses.knows(InstanceId(to), Node(to, right["to"].start, right["to"].end)):
        return None
    return Expectation(
        to=InstanceId(to),
        place=reader.document.place(right["text"].span if "text" in right else right["to"].span),
        conversation=texts.get("conversation"),
        text=texts.get("text"),
    )


def _given(node: Node, number: int, addresses: AddressReader, reader: Reader) -> Envelope | None:
    members = reader.members(node, quoted("given"))
    if members is None:
        return None
    what = phrase("{key}", key=quoted("given"))
    right = reader.known(members, _GIVEN, what, required=("from",), of=_GIVEN_OF)
    if "from" not in right:
        reader.missing(node, what, "from", phrase('add "{name}": {{"instance": {{…}}}}', name="from"))
        return None
    source = _source(right["from"], addresses, reader)
    texts = {
        name: reader.text(right[name], quoted(name)) or ""
        for name in ("user", "user_id", "username", "text", "title")
        if name in right
    }
    kind = EventKind.MESSAGE
    if "kind" in right:
        chosen = reader.choice(right["kind"], quoted("kind"), [kind.value for kind in EventKind])
        kind = EventKind(chosen or kind)
    at = _at(right["at"], reader) if "at" in right else WHEN
    attachments = _attachments(right["attachments"], reader) if "attachments" in right else ()
    direct = reader.flag(right, "direct", default=False)
    mentions_bot = reader.flag(right, "mentions_bot", default=False)
    if source is None:
        return None
    user = texts.get("user", "") or texts.get("username", "") or texts.get("user_id", "") or "user"
    id_ = f"test-{number}"
    return Envelope(
        id=EventId(id_),
        kind=kind,
        source=source,
        sender=Sender(
            UserId(texts.get("user_id") or user), display_name=user, username=texts.get("username", "")
        ),
        message=Message(MessageId(id_), text=texts.get("text", ""), attachments=attachments),
        occurred_at=at,
        received_at=at,
        conversation_title=texts.get("title", ""),
        direct=direct,
        mentions_bot=mentions_bot,
    )


def _source(node: Node, addresses: AddressReader, reader: Reader) -> ConversationRef | None:
    before = len(reader.problems)
    found = addresses.block(node, "from", Side.GIVEN, warn=False)
    if len(found) == 1 and isinstance(found[0].where, ConversationRef):
        return found[0].where
    if len(found) > 1 and len(reader.problems) == before:
        reader.report(
            "E312",
            node,
            phrase("a test's message comes from one conversation: here are {names}", names=len(found)),
            phrase("make a test for each: {places}", places=listed(address.where for address in found)),
        )
    return None


def _at(node: Node, reader: Reader) -> datetime:
    text = reader.text(node, quoted("at"))
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        at = None
    if at is not None and at.tzinfo is not None:
        return at.astimezone(UTC)
    if text is not None:
        reader.report(
            "E312",
            node,
            phrase("{found} is not a moment", found=quoted(text)),
            phrase('write it with its time zone, like "2026-01-05T09:30:00+08:00"'),
        )
    return WHEN


def _attachments(node: Node, reader: Reader) -> tuple[Attachment, ...]:
    found = []
    for item in reader.items(node, quoted("attachments")):
        members = reader.members(
            item, quoted("attachments"), phrase('write {{"kind": "image", "url": "…"}}')
        )
        if members is None:
            continue
        what = phrase("an attachment")
        right = reader.known(
            members,
            ("kind", "url", "filename"),
            what,
            required=("kind",),
            of=phrase("fields of an attachment"),
        )
        if "kind" not in right:
            reader.missing(item, what, "kind")
            continue
        kind = reader.choice(right["kind"], quoted("kind"), [kind.value for kind in AttachmentKind])
        url, filename = (
            reader.text(right[name], quoted(name)) or "" if name in right else ""
            for name in ("url", "filename")
        )
        if kind is not None:
            found.append(Attachment(AttachmentKind(kind), url=url, filename=filename))
    return tuple(found)
