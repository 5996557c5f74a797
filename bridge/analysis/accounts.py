"""What the analysis knows of the accounts that rules name."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from bridge.config import Instance
from bridge.model import AddressForm, Capabilities, ConversationRef, EventKind, InstanceId
from bridge.routing import AnyOf, Rule

_PERSON = "user_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """
    What an instance can do, as its driver tells. ``emits`` are the kinds of events that ever come from
    it, empty for one that only sends; ``sends`` is false for one that only hears.
    """

    capabilities: Capabilities
    emits: frozenset[EventKind] = frozenset(EventKind)
    sends: bool = True


@dataclass(slots=True)
class Accounts:
    """``abilities`` may lack instances: nothing is said about their limits then."""

    instances: Mapping[InstanceId, Instance]
    abilities: Mapping[InstanceId, Ability] = field(default_factory=dict)
    _forms: dict[InstanceId, dict[str, AddressForm]] = field(default_factory=dict)

    def emits(self, id_: InstanceId) -> frozenset[EventKind]:
        """Nothing comes from an instance that is switched off."""
        instance = self.instances.get(id_)
        if instance is None or not instance.enabled:
            return frozenset()
        ability = self.abilities.get(id_)
        return ability.emits if ability else frozenset(EventKind)

    def heard(self, rule: Rule) -> Iterator[ConversationRef | AnyOf]:
        """The sources of a rule that anything ever comes from, each once."""
        return (source for source in dict.fromkeys(rule.sources) if self.emits(source.instance))

    def anywhere(self, ref: ConversationRef) -> AnyOf:
        """The wildcard that ``ref`` falls under."""
        return AnyOf(ref.instance, self.instances[ref.instance].spec.form_of(ref.conversation))

    def room(self, ref: ConversationRef) -> Hashable:
        """
        The conversation as its platform sees it: two accounts that name one id sit in one room.

        A chat with one person is a room of its own for every account, and so is the only conversation
        of an account that has just one.
        """
        form = self._form(ref)
        if form is None or not form.required or _PERSON in form.required:
            return ref
        return self.instances[ref.instance].platform, ref.conversation

    def _form(self, ref: ConversationRef) -> AddressForm | None:
        instance = self.instances[ref.instance]
        if ref.instance not in self._forms:
            forms = instance.spec.addresses(instance.settings)
            self._forms[ref.instance] = {form.name: form for form in forms}
        return self._forms[ref.instance].get(instance.spec.form_of(ref.conversation))
