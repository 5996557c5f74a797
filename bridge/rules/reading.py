"""rules.json → `RulesFile`. Everything wrong with it in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bridge.conditions import Kinds
from bridge.config import Known
from bridge.model import (
    DEFAULT_TEMPLATE,
    AttachmentMode,
    ConversationRef,
    InstanceId,
    Plan,
    ReactionMode,
    Replacement,
    TextFormat,
    UserId,
)
from bridge.phrases import Phrase, phrase
from bridge.problems import quoted
from bridge.problems.document import Document, Node
from bridge.problems.reader import Reader
from bridge.routing import KINDS_BY_DEFAULT, AnyOf, FromMessage, Router, Rule, Target
from bridge.rules import RulesFile
from bridge.rules.addresses import Address, AddressReader, Side
from bridge.rules.conditions import read_conditions
from bridge.rules.expectations import read_tests
from bridge.rules.patterns import replacement, template

FIELDS = (
    "id", "type", "channels", "from", "to", "when", "unless", "transform", "msg", "attachments",
    "reactions", "commands", "stop", "otherwise", "enabled", "description",
)  # fmt: skip
"""Every field of a rule."""

_FIELDS_OF = phrase("fields of a rule")
_TYPES = ("connect", "forward")
_FEWEST_CHANNELS = 2


def read_rules(
    document: Document, known: Mapping[InstanceId, Known] | None, reader: Reader
) -> RulesFile | None:
    """
    ``known`` are the instances of config.json, None if that could not be read.

    Problems go to ``reader``, which reads ``document``; None after any error.
    """
    assert document.root is not None
    return _Reading(document, reader, AddressReader(reader, known), known).read(document.root)


@dataclass(frozen=True, slots=True)
class _Msg:
    template: str | None = None
    format: TextFormat | None = None
    mention: tuple[UserId, ...] | None = None


@dataclass(slots=True)
class _Reading:
    document: Document
    reader: Reader
    addresses: AddressReader
    known: Mapping[InstanceId, Known] | None
    ids: dict[str, Node] = field(default_factory=dict)

    def read(self, root: Node) -> RulesFile | None:
        members = self.reader.members(
            root, phrase("the file"), phrase('write {{"rules": […]}} around the list of rules')
        )
        if members is None:
            return None
        right = self.reader.known(
            members,
            ("$schema", "rules", "tests"),
            phrase("the file"),
            required=("rules",),
            of=phrase("fields of the file"),
        )
        if schema := right.get("$schema"):
            self.reader.text(schema, quoted("$schema"))
        if "rules" not in right:
            self.reader.missing(root, phrase("the file"), "rules", phrase('add "rules": []'))
        nodes = self.reader.items(right["rules"], quoted("rules")) if "rules" in right else []
        rules = [rule for number, node in enumerate(nodes, 1) if (rule := self._rule(number, node))]
        if "rules" in right and right["rules"].value == []:
            self.reader.report(
                "W303",
                right["rules"],
                phrase("there is no rule: nothing will be relayed"),
                phrase("add one, for example from rules.json.example"),
                warning=True,
            )
        tests = read_tests(right["tests"], self.addresses, self.reader) if "tests" in right else ()
        if any(not problem.warning for problem in self.reader.problems):
            return None
        form_of = {id_: k.spec.form_of for id_, k in (self.known or {}).items() if k.spec}
        return RulesFile(
            router=Router.of(rules, form_of),
            tests=tests,
            file=self.document.file,
            source=self.document,
        )

    def _rule(self, number: int, node: Node) -> Rule | None:
        members = self.reader.members(node, phrase("rule #{number}", number=number))
        if members is None:
            return None
        before = len(self.reader.problems)
        named = members.get("id")
        id_ = named.value if named and isinstance(named.value, str) and named.value else f"#{number}"
        what = phrase("rule {id}", id=quoted(id_) if named else id_)
        fields = self.reader.known(members, FIELDS, what, required=_required(members), of=_FIELDS_OF)
        self._check_id(fields.get("id"), id_)
        enabled = self.reader.flag(fields, "enabled", default=True)
        if "description" in fields:
            self.reader.text(fields["description"], quoted("description"))
        sources, targets = self._ends(node, fields, what, warn=enabled)
        plan = self._plan(id_, fields)
        when = read_conditions(fields["when"], "when", self.reader) if "when" in fields else ()
        unless = read_conditions(fields["unless"], "unless", self.reader) if "unless" in fields else ()
        compiled = Rule(
            id=id_,
            sources=sources,
            targets=tuple(self._target(target, plan) for target in targets),
            kinds=next((c.test.kinds for c in when if isinstance(c.test, Kinds)), KINDS_BY_DEFAULT),
            when=when,
            unless=unless,
            stop=self.reader.flag(fields, "stop", default=False),
            otherwise=self.reader.flag(fields, "otherwise", default=False),
            enabled=enabled,
            file=self.document.file,
            line=self.document.line_of(node.span),
        )
        good = not any(not problem.warning for problem in self.reader.problems[before:])
        if good and enabled and self.known is not None:
            self._warn_of_echo(compiled, fields, what)
        return compiled if good else None

    def _check_id(self, node: Node | None, id_: str) -> None:
        if node is None:
            return
        text = self.reader.text(node, quoted("id"))
        if text is not None and not text.strip():
            self.reader.report(
                "E105",
                node,
                phrase("{what} is empty", what=quoted("id")),
                phrase("remove it, or write a value"),
            )
        elif text is not None and id_ in self.ids:
            self.reader.report(
                "E307",
                node,
                phrase("there are two rules called {id}", id=quoted(id_)),
                phrase(
                    'rename one of them, for example {id}, or leave "id" out',
                    id=quoted(self._free_id(id_)),
                ),
                second=self.ids[id_].span,
                second_label=phrase("the first one"),
            )
        else:
            self.ids[id_] = node

    def _free_id(self, id_: str) -> str:
        number = 2
        while f"{id_}-{number}" in self.ids:
            number += 1
        return f"{id_}-{number}"

    def _ends(
        self, node: Node, fields: Mapping[str, Node], what: Phrase, *, warn: bool
    ) -> tuple[tuple[ConversationRef | AnyOf, ...], list[Address]]:
        """What the rule hears, and where it sends."""
        type_ = fields.get("type")
        chosen = self.reader.choice(type_, quoted("type"), _TYPES) if type_ else None
        one_way = [name for name in ("from", "to") if name in fields]
        if chosen is None:
            chosen = "connect" if "channels" in fields else "forward" if one_way else ""
        if not chosen:
            self.reader.missing(
                node,
                what,
                "channels",
                phrase('add "channels" to connect conversations, or "from" and "to" for one way'),
            )
            return (), []
        other = "channels" if chosen == "connect" else "from"
        why = type_ if type_ and type_.key else fields.get(other)
        wrong = one_way if chosen == "connect" else [n for n in ("channels",) if n in fields]
        for name in wrong:
            self.reader.report(
                "E308",
                fields[name].name,
                phrase(
                    "{what} is of type {type}, which has no {name}",
                    what=what,
                    type=quoted(chosen),
                    name=quoted(name),
                ),
                phrase('"connect" has "channels"; "forward" has "from" and "to"; make two rules of it'),
                second=why,
                second_label=phrase("this says the type"),
            )
        if chosen == "connect":
            return self._channels(node, fields, what, warn=warn)
        for name in ("from", "to"):
            if name not in fields:
                self.reader.missing(
                    node, what, name, phrase('add "{name}": {{"instance": {{…}}}}', name=name)
                )
        block = self.addresses.block
        sources = block(fields["from"], "from", Side.SOURCE, warn=warn) if "from" in fields else []
        targets = block(fields["to"], "to", Side.TARGET, warn=warn) if "to" in fields else []
        return _heard(sources), targets

    def _channels(
        self, node: Node, fields: Mapping[str, Node], what: Phrase, *, warn: bool
    ) -> tuple[tuple[ConversationRef | AnyOf, ...], list[Address]]:
        if "channels" not in fields:
            self.reader.missing(node, what, "channels", phrase('add "channels": {{"instance": {{…}}}}'))
            return (), []
        before = len(self.reader.problems)
        channels = self.addresses.block(fields["channels"], "channels", Side.CHANNEL, warn=warn)
        clean = not any(not p.warning for p in self.reader.problems[before:])
        certain = clean and self.known is not None and not self._unsure(fields["channels"])
        if certain and len({address.where for address in channels}) < _FEWEST_CHANNELS:
            self.reader.report(
                "E310",
                fields["channels"].name,
                phrase("{what} connects one conversation with nothing", what=what),
                phrase("add a second conversation; two of one instance stand in a list […]"),
            )
        return _heard(channels), channels

    def _unsure(self, block: Node) -> bool:
        """An instance whose settings are wrong says nothing about its addresses."""
        names = block.value if isinstance(block.value, dict) else {}
        known = self.known or {}
        return any(known[InstanceId(n)].settings is None for n in names if InstanceId(n) in known)

    def _plan(self, id_: str, fields: Mapping[str, Node]) -> Plan:
        msg = self._msg(fields["msg"]) if "msg" in fields else _Msg()
        mode = None
        if "attachments" in fields:
            choices = [mode.value for mode in AttachmentMode]
            mode = self.reader.choice(fields["attachments"], quoted("attachments"), choices)
        said = None
        if "reactions" in fields:
            modes = [one.value for one in ReactionMode]
            said = self.reader.choice(fields["reactions"], quoted("reactions"), modes)
        return Plan(
            rule=id_,
            template=DEFAULT_TEMPLATE if msg.template is None else msg.template,
            attachments=AttachmentMode(mode) if mode else AttachmentMode.LINK,
            format=msg.format,
            transform=self._transform(fields["transform"]) if "transform" in fields else (),
            mention=msg.mention or (),
            reactions=ReactionMode(said) if said else ReactionMode.NATIVE,
            commands=self.reader.flag(fields, "commands", default=True),
        )

    def _target(self, address: Address, plan: Plan) -> Target:
        assert not isinstance(address.where, AnyOf)
        if address.msg is not None:
            own = self._msg(address.msg)
            plan = replace(
                plan,
                template=plan.template if own.template is None else own.template,
                format=own.format or plan.format,
                mention=plan.mention if own.mention is None else own.mention,
            )
        return Target(address.where, plan)

    def _msg(self, node: Node) -> _Msg:
        members = self.reader.members(
            node, quoted("msg"), phrase('write {{"msg_format": "{{user}}: {{msg}}"}}')
        )
        if members is None:
            return _Msg()
        right = self.reader.known(
            members,
            ("msg_format", "format", "mention"),
            phrase('"msg"'),
            of=phrase('fields of "msg"'),
        )
        format_ = None
        if "format" in right:
            choices = [format_.value for format_ in TextFormat]
            format_ = self.reader.choice(right["format"], quoted("format"), choices)
        return _Msg(
            template(right["msg_format"], self.reader) if "msg_format" in right else None,
            TextFormat(format_) if format_ else None,
            tuple(UserId(one) for one, _ in self.reader.texts(right["mention"], quoted("mention")))
            if "mention" in right
            else None,
        )

    def _transform(self, node: Node) -> tuple[Replacement, ...]:
        steps = []
        for item in self.reader.items(node, quoted("transform")):
            members = self.reader.members(
                item, quoted("transform"), phrase('write {{"replace": "pattern", "with": "text"}}')
            )
            if members is None:
                continue
            what = phrase("a step of {key}", key=quoted("transform"))
            names = ("replace", "with")
            right = self.reader.known(
                members, names, what, required=names, of=phrase('fields of a step of "transform"')
            )
            for name in names:
                if name not in right:
                    self.reader.missing(item, what, name)
            if len(right) == len(names):
                steps.append(replacement(right["replace"], right["with"], self.reader))
        return tuple(step for step in steps if step is not None)

    def _warn_of_echo(self, rule: Rule, fields: Mapping[str, Node], what: Phrase) -> None:
        only = rule.sources[0] if len(set(rule.sources)) == 1 else None
        if not rule.targets:  # the instance itself is wrong, which is told there
            return
        if only and "to" in fields and all(target.where == only for target in rule.targets):
            self.reader.report(
                "W302",
                fields["to"].name,
                phrase("{what} sends only to where its messages come from: nothing is sent", what=what),
                phrase("name another conversation"),
                second=fields.get("from"),
                warning=True,
            )


def _heard(addresses: list[Address]) -> tuple[ConversationRef | AnyOf, ...]:
    return tuple(address.where for address in addresses if not isinstance(address.where, FromMessage))


def _required(members: Mapping[str, Node]) -> tuple[str, ...]:
    """The fields without which this rule is none."""
    type_ = members.get("type")
    if type_ is not None and type_.value == "connect":
        return ("channels",)
    if (type_ is not None and type_.value == "forward") or members.keys() & {"from", "to"}:
        return ("from", "to")
    return () if "channels" in members else ("channels", "from", "to")
