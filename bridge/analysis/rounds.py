"""
Routes that lead round: a message could come back, by other rules, to where it was.

Conversations and rules are the nodes of one graph, so that many sources and many targets of a rule
cost their sum and not their product. One rule alone is no round, for a message never goes back to
where it came from: a ``connect`` is a star around its rule. A round therefore has two rules or more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from bridge.analysis.accounts import Accounts
from bridge.analysis.strong import strong_components
from bridge.model import ConversationRef
from bridge.routing import AnyOf, FromMessage, Rule


@dataclass(frozen=True, slots=True)
class Round:
    """
    From the first of ``places`` by the first of ``rules`` (numbers) to the next, and from the last one
    by the last rule back to the first. ``shared``: on the way one account posts where another hears.
    """

    places: tuple[str, ...]
    rules: tuple[int, ...]
    shared: tuple[ConversationRef, ConversationRef] | None = None

    @property
    def steps(self) -> frozenset[tuple[int, str]]:
        """Every rule with the place that it leads to."""
        ahead = (*self.places[1:], self.places[0])
        return frozenset(zip(self.rules, ahead, strict=True))


def find_rounds(rules: Iterable[Rule], accounts: Accounts) -> tuple[Round, ...]:
    """
    One round, the shortest that was found, of every knot of routes; first come those of the first
    rules. Conditions are not looked at: whether they can be met together nobody can say.
    """
    return tuple(sorted(_Graph.of(rules, accounts).rounds(), key=lambda found: min(found.rules)))


def find_answers(rules: Iterable[Rule], accounts: Accounts) -> Iterator[tuple[int, int]]:
    """Numbers of rule and target where ``{conversation}`` or ``{user_id}`` leads back to its source."""
    for number, rule in enumerate(rules):
        if not rule.enabled:
            continue
        for at, target in enumerate(rule.targets):
            if isinstance(target.where, FromMessage) and _hears(rule, target.where, accounts):
                yield number, at


def find_shared(rules: Iterable[Rule], accounts: Accounts) -> Iterator[tuple[int, int, ConversationRef]]:
    """Numbers of rule and target, and its source: one conversation, but under another account."""
    for number, rule in enumerate(rules):
        if not rule.enabled:
            continue
        heard: dict[Hashable, ConversationRef] = {}
        for source in accounts.heard(rule):
            if isinstance(source, ConversationRef):
                heard.setdefault(accounts.room(source), source)
        for at, target in enumerate(rule.targets):
            if isinstance(target.where, ConversationRef):
                source = heard.get(accounts.room(target.where), target.where)
                if source.instance != target.where.instance:
                    yield number, at, source
                    break


def _hears(rule: Rule, where: FromMessage, accounts: Accounts) -> bool:
    wild = AnyOf(where.instance, where.form.name)
    return any(
        source == wild or (isinstance(source, ConversationRef) and accounts.anywhere(source) == wild)
        for source in accounts.heard(rule)
    )


@dataclass(slots=True)
class _Graph:
    """
    Nodes are numbers: ``ahead`` are the nodes behind each. ``rule_of`` says which are rules, ``wild``
    which are wildcards, ``made`` which are addresses made from a message; all others are conversations,
    ``members`` by the wildcard that they fall under. Of each rule ``heard`` are the sources and ``sent``
    the targets, ``wilds`` and ``makes`` what is no single conversation among them.
    """

    accounts: Accounts
    rules: tuple[Rule, ...] = ()
    ahead: list[list[int]] = field(default_factory=list)
    number: dict[Hashable, int] = field(default_factory=dict)
    rule_of: dict[int, int] = field(default_factory=dict)
    wild: dict[int, AnyOf] = field(default_factory=dict)
    made: dict[int, AnyOf] = field(default_factory=dict)
    members: dict[AnyOf, dict[int, None]] = field(default_factory=dict)
    heard: dict[int, set[int]] = field(default_factory=dict)
    sent: dict[int, set[int]] = field(default_factory=dict)
    wilds: dict[int, list[AnyOf]] = field(default_factory=dict)
    makes: dict[int, list[AnyOf]] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Iterable[Rule], accounts: Accounts) -> _Graph:
        graph = cls(accounts, tuple(rules))
        for index, rule in enumerate(graph.rules):
            if rule.enabled:
                graph._add(index, rule)
        graph._join()
        return graph

    def _node(self, key: Hashable) -> int:
        if key not in self.number:
            self.number[key] = len(self.ahead)
            self.ahead.append([])
        return self.number[key]

    def _place(self, where: ConversationRef | AnyOf | FromMessage) -> int:
        if isinstance(where, ConversationRef):
            node = self._node(("conversation", self.accounts.room(where)))
            self.members.setdefault(self.accounts.anywhere(where), {})[node] = None
            return node
        if isinstance(where, AnyOf):
            node = self._node(("wild", where))
            self.wild[node] = where
            return node
        form = AnyOf(where.instance, where.form.name)
        node = self._node(("made", form))
        self.made[node] = form
        return node

    def _add(self, index: int, rule: Rule) -> None:
        own = self._node(("rule", index))
        self.rule_of[own] = index
        self.heard[own] = {self._place(source) for source in self.accounts.heard(rule)}
        for node in sorted(self.heard[own]):
            self.ahead[node].append(own)
        self.ahead[own] += dict.fromkeys(self._place(target.where) for target in rule.targets)
        self.sent[own] = set(self.ahead[own])
        self.wilds[own] = [self.wild[node] for node in sorted(self.heard[own]) if node in self.wild]
        self.makes[own] = [self.made[node] for node in self.ahead[own] if node in self.made]

    def _join(self) -> None:
        """A wildcard hears each of its conversations; a made address may be any of its form."""
        for node, form in self.wild.items():
            for member in self.members.get(form, ()):
                self.ahead[member].append(node)
        for node, form in self.made.items():
            wild = self.number.get(("wild", form))
            self.ahead[node] += self.members.get(form, {})
            self.ahead[node] += () if wild is None else (wild,)

    def rounds(self) -> Iterator[Round]:
        for knot in strong_components(self.ahead):
            rules = sorted((node for node in knot if node in self.rule_of), key=self.rule_of.__getitem__)
            if (path := self._round(rules, set(knot))) is not None:
                yield self._told(path)

    def _round(self, rules: list[int], knot: set[int]) -> list[int] | None:
        """Nodes that lead round through two rules or more; from the last one back to the first."""
        for rule in rules:
            for place in self.ahead[rule]:
                if place in knot and not self._back(rule, place):
                    return self._path(place, rule, knot)
        for rule in rules:
            for place in self._listened(rule, knot):
                if not self._sends(rule, place):
                    return self._path(rule, place, knot)
        return self._loop(rules, knot)

    def _back(self, rule: int, place: int) -> bool:
        """Does the rule hear the very place that it sends to?"""
        heard = self.heard[rule]
        if place in self.made:
            members = self.members.get(self.made[place], {})
            wild = self.number.get(("wild", self.made[place]))
            return wild in heard or any(node in members for node in heard)
        return place in heard or any(place in self.members.get(wild, ()) for wild in self.wilds[rule])

    def _sends(self, rule: int, place: int) -> bool:
        made = self.makes[rule]
        return place in self.sent[rule] or any(place in self.members.get(form, ()) for form in made)

    def _listened(self, rule: int, knot: set[int]) -> Iterator[int]:
        for node in sorted(self.heard[rule] & knot):
            if node in self.wild:
                yield from (member for member in self.members.get(self.wild[node], ()) if member in knot)
            else:
                yield node

    def _loop(self, rules: list[int], knot: set[int]) -> list[int] | None:
        """All routes go both ways: a round is an edge between two nodes that are connected already."""
        root = {node: node for node in knot}

        def top(node: int) -> int:
            while root[node] != node:
                root[node] = root[root[node]]
                node = root[node]
            return node

        tree: dict[int, list[int]] = {node: [] for node in knot}
        for rule in rules:
            for place in self.ahead[rule]:
                if place not in knot:
                    continue
                if top(rule) == top(place):
                    return _shortest(tree, place, rule)
                root[top(rule)] = top(place)
                tree[rule].append(place)
                tree[place].append(rule)
        return None

    def _path(self, start: int, end: int, knot: set[int]) -> list[int]:
        within = {node: [after for after in self.ahead[node] if after in knot] for node in knot}
        return _shortest(within, start, end)

    def _told(self, path: list[int]) -> Round:
        """The nodes of a round, which may begin anywhere, as places and rules from the first rule on."""
        first = min(
            (at for at, node in enumerate(path) if node in self.rule_of),
            key=lambda at: self.rule_of[path[at]],
        )
        path = [*path[first:], *path[:first]]
        hops = [at for at, node in enumerate(path) if node in self.rule_of]
        numbers = tuple(self.rule_of[path[at]] for at in hops)
        ahead = [path[at + 1] for at in hops]
        names = [self._name(number, node) for number, node in zip(numbers, ahead, strict=True)]
        return Round((names[-1], *names[:-1]), numbers, self._shared(numbers, ahead))

    def _name(self, number: int, node: int) -> str:
        """As the rule writes the place that it sends to."""
        targets = self.rules[number].targets
        return next(str(target.where) for target in targets if self._place(target.where) == node)

    def _shared(
        self, numbers: tuple[int, ...], ahead: list[int]
    ) -> tuple[ConversationRef, ConversationRef] | None:
        """Where one account posts and only another one hears."""
        for number, following, node in zip(numbers, (*numbers[1:], numbers[0]), ahead, strict=True):
            posted = self._at(node, (target.where for target in self.rules[number].targets))
            heard = self._at(node, self.rules[following].sources)
            if posted and heard and not {p.instance for p in posted} & {h.instance for h in heard}:
                return posted[0], heard[0]
        return None

    def _at(
        self, node: int, where: Iterable[ConversationRef | AnyOf | FromMessage]
    ) -> list[ConversationRef]:
        refs = (ref for ref in where if isinstance(ref, ConversationRef))
        return [ref for ref in refs if self._place(ref) == node]


def _shortest(ahead: dict[int, list[int]], start: int, end: int) -> list[int]:
    """Breadth first; there is a way."""
    came: dict[int, int] = {start: start}
    waiting = deque([start])
    while end not in came:
        node = waiting.popleft()
        for after in ahead[node]:
            if after not in came:
                came[after] = node
                waiting.append(after)
    path = [end]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]
