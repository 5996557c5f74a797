"""What goes round is stopped; people who repeat themselves and each other are not."""

import random
import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from bridge.loop_guard import QUIET, LoopGuard
from bridge.metrics import Metrics
from bridge.model import Attachment, AttachmentKind
from tests.builders import a_delivery, a_message, a_sender, an_envelope
from tests.clock import FakeClock


def named(sender: str, text: str) -> str:
    return f"{sender}: {text}"


def bare(_sender: str, text: str) -> str:
    return text


@dataclass
class Bridge:
    """One daemon: what it takes from which room to which other, and what it makes of the texts."""

    name: str
    routes: list[tuple[str, str]]
    makes: Callable[[str, str], str]
    guard: LoopGuard
    stopped: Counter = field(default_factory=Counter)


class World:
    """Rooms where everybody hears everybody else, and bridges between them. A hop takes ``hop`` seconds."""

    def __init__(self, *, hop: float = 0.05) -> None:
        self.clock = FakeClock()
        self.hop = hop
        self.bridges: list[Bridge] = []
        self.posts: list[tuple[str, str, str]] = []
        self._on_the_way: deque[tuple[str, str, str]] = deque()
        self._seq = 0

    def bridge(self, *routes: tuple[str, str], makes: Callable[[str, str], str] = named) -> Bridge:
        made = Bridge(
            f"bridge{len(self.bridges) + 1}",
            list(routes),
            makes,
            LoopGuard(self.clock, Metrics("1")),
        )
        self.bridges.append(made)
        return made

    def says(self, room: str, who: str, text: str) -> int:
        """Somebody writes; how many posts the bridges made of it until they came to rest."""
        before = len(self.posts)
        self._on_the_way.append((room, who, text))
        while self._on_the_way and len(self.posts) < before + 500:
            self._hear(*self._on_the_way.popleft())
        self._on_the_way.clear()
        return len(self.posts) - before

    def _hear(self, room: str, who: str, text: str) -> None:
        self.clock.advance(self.hop)
        for bridge in self.bridges:
            targets = [to for source, to in bridge.routes if source == room]
            if who == bridge.name or not targets:
                continue
            self._seq += 10
            envelope = an_envelope(
                id=f"m{self._seq}",
                at=f"chat/{room}",
                sender=a_sender(who),
                message=a_message(text, id=f"m{self._seq}"),
            )
            deliveries = [
                a_delivery(seq=self._seq + n, envelope=envelope, to=f"chat/{to}")
                for n, to in enumerate(targets)
            ]
            urgent = bridge.guard.is_urgent(envelope.source)
            if urgent:
                bridge.guard.look(envelope, deliveries)
            for delivery, to in zip(deliveries, targets, strict=True):
                if bridge.guard.stopped(delivery.seq):
                    bridge.stopped[who] += 1
                else:
                    post = to, bridge.name, bridge.makes(who, text)
                    self.posts.append(post)
                    self._on_the_way.append(post)
            if not urgent:  # as the acceptor does: a moment later, when they have been sent
                bridge.guard.look(envelope, deliveries)


def both_ways(a: str, b: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (a, b), (b, a)


TEXT = "the build of Tuesday has failed, who looks?"
CHANGES = {
    "with names": named,
    "bare": bare,
    "names behind": lambda sender, text: f"{text} (said {sender})",
    "names around": lambda sender, text: f"[{sender}] {text} (relayed)",
    "one more at the end": lambda _, text: text + "!",
    "one more in front": lambda _, text: ">" + text,
    "one more in the middle": lambda _, text: text.replace("o", "oo", 1),
    "a change everywhere": lambda _, text: text.replace("e", "e."),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("hop", [0.01, 8.0])
def test_two_bridges_between_the_same_rooms_come_to_rest(change, hop) -> None:
    """
    Both carry what the other one posts; each message costs at most ten posts, the first ones most.
    """
    world = World(hop=hop)
    world.bridge(*both_ways("a", "b"), makes=CHANGES[change])
    world.bridge(*both_ways("a", "b"), makes=CHANGES[change])

    assert world.says("a", "ada", TEXT) <= 10
    assert world.says("b", "bob", "something else, and quite as long as that") <= 10


@pytest.mark.parametrize("change", ["with names", "bare", "one more at the end"])
def test_a_ring_of_three_comes_to_rest(change) -> None:
    """
    Each bridge carries both ways between two of three rooms.
    """
    world = World()
    for a, b in ("ab", "bc", "ca"):
        world.bridge(*both_ways(a, b), makes=CHANGES[change])

    first = world.says("a", "ada", TEXT)
    later = [world.says("b", "bob", f"{TEXT} and this is number {n}") for n in range(5)]

    assert first <= 20
    assert max(later) <= 20
    assert sum(sum(bridge.stopped.values()) for bridge in world.bridges) > 0


def test_a_ring_that_goes_one_way_is_told_by_the_words_in_front() -> None:
    """
    No bridge of it ever posts where it hears, so that only the growing of a text shows the ring, and
    each looks when it has sent: three posts more than where it looks before.
    """
    world = World()
    for a, b in ("ab", "bc", "ca"):
        world.bridge((a, b))

    assert world.says("a", "ada", TEXT) <= 13


def test_while_it_is_known_a_loop_is_stopped_at_its_first_turn() -> None:
    """
    What others say, and what the other bridge says of its own, passes all the time.
    """
    world = World()
    one = world.bridge(*both_ways("a", "b"))
    two = world.bridge(*both_ways("a", "b"))
    world.says("a", "ada", TEXT)
    stopped = one.stopped.total() + two.stopped.total()

    costs = [world.says("a", "ada", f"{n} bottles of beer are on the wall") for n in range(20)]

    assert stopped >= 2
    assert max(costs) <= 4
    assert all(
        ("b", "bridge1", f"ada: {n} bottles of beer are on the wall") in world.posts for n in range(20)
    )
    world.bridges.remove(two)
    assert world.says("a", "bridge2", "I am only a bridge, but I have news of my own") == 1


def test_after_a_quiet_while_a_sender_is_like_everybody_again() -> None:
    """
    The other bridge was ended: what its account repeats once is carried as before.
    """
    world = World()
    world.bridge(*both_ways("a", "b"))
    two = world.bridge(*both_ways("a", "b"))
    world.says("a", "ada", TEXT)
    world.bridges.remove(two)

    world.says("a", "ada", "has it been mended by now, does anybody know?")
    early = world.says("b", "bridge2", "has it been mended by now, does anybody know?")
    world.clock.advance(QUIET + 1)
    world.says("a", "ada", "and is it really all over now?")
    late = world.says("b", "bridge2", "and is it really all over now?")

    assert (early, late) == (0, 1)


LITTLE = ["ok", "+1", "收到", "好的", "👍", "哈哈哈哈哈", "666", "thanks!", "?", "1"]


@pytest.mark.parametrize("makes", [named, bare], ids=["with names", "bare"])
def test_people_who_say_little_all_day_are_never_stopped(makes) -> None:
    """
    Twelve people in two rooms who say the same few words for ten hours, sometimes in a burst.
    """
    chance = random.Random(8)
    world = World(hop=0.01)
    bridge = world.bridge(*both_ways("a", "b"), makes=makes)
    for _ in range(4000):
        world.clock.advance(chance.choice([0.5, 2, 5, 10, 30]))
        world.says(chance.choice("ab"), chance.choice("klmnopqrstuv"), chance.choice(LITTLE))

    assert not bridge.stopped
    assert len(world.posts) == 4000


def test_two_people_who_play_ping_pong_with_ok_have_nine_tries() -> None:
    """
    Alone, to and fro within seconds: that far nobody takes it.
    """
    world = World()
    bridge = world.bridge(*both_ways("a", "b"), makes=bare)
    for _ in range(9):
        world.says("a", "ada", "ok")
        world.clock.advance(1.5)
        world.says("b", "bob", "ok")
        world.clock.advance(1.5)

    assert not bridge.stopped


@pytest.mark.parametrize("pause", [0.0, 1.0, 10.0, 60.0])
def test_a_program_that_repeats_its_line_is_never_stopped(pause) -> None:
    """
    However often: nobody brings it back to it.
    """
    world = World(hop=0.01)
    bridge = world.bridge(*both_ways("a", "b"), makes=bare)
    for _ in range(500):
        world.says("a", "monitor", "disk /var on web1 is at 91 percent, look at it")
        world.clock.advance(pause)

    assert not bridge.stopped


def test_one_list_that_everybody_signs_is_never_stopped() -> None:
    """
    In many groups people copy a list and put their name below: each text holds all of the last.
    """
    world = World()
    bridge = world.bridge(*both_ways("a", "b"))
    text = "周五聚餐报名接龙\n1. 张三"
    for n in range(2, 30):
        text += f"\n{n}. 第{n}位同事"
        world.says("ab"[n % 2], f"person{n % 15}", text)
        world.clock.advance(20)

    assert not bridge.stopped


def test_a_bot_that_answers_with_the_question_is_never_stopped() -> None:
    """
    The same question again and again, from the other room, and the same answer.
    """
    world = World()
    bridge = world.bridge(*both_ways("a", "b"))
    for _ in range(30):
        world.says("a", "ada", "!status of the production cluster")
        world.clock.advance(1.0)
        world.says("b", "helper", "ada: !status of the production cluster: all is well")
        world.clock.advance(4.0)

    assert not bridge.stopped


def test_a_program_in_both_rooms_with_its_own_cadence_is_not_stopped() -> None:
    """
    The same alert goes to both rooms once every two minutes, and is carried to the other one too.
    """
    world = World()
    bridge = world.bridge(*both_ways("a", "b"), makes=bare)
    for _ in range(50):
        for room in "ab":
            world.says(room, "monitor", "disk /var on web1 is at 91 percent, look at it")
        world.clock.advance(120.0)

    assert not bridge.stopped


def test_chatter_about_one_thing_is_not_stopped() -> None:
    """
    Sentences out of the same words, all the time, by the same six people.
    """
    words = re.findall(
        "[^ ]+",
        "the build deploy failed again on staging after merge somebody please look at log of web1 and "
        "database migration was not run because timeout in pipeline so I restart it now ok thanks fine "
        "works for me which version did you use there is a new release candidate since this morning",
    )
    chance = random.Random(4)
    world = World(hop=0.01)
    bridge = world.bridge(*both_ways("a", "b"))
    for _ in range(5000):
        text = " ".join(chance.choices(words, k=chance.randint(3, 14)))
        world.says(chance.choice("ab"), chance.choice("klmnop"), text)
        world.clock.advance(chance.choice([0.2, 1, 4]))

    assert not bridge.stopped


def test_two_accounts_in_one_room_are_one_room() -> None:
    """
    One account posts there and the other hears it: where the platform names the room the same.
    """
    clock = FakeClock()
    guard = LoopGuard(clock, Metrics("1"), room_of=lambda ref: ref.conversation)
    text, stopped = TEXT, []
    for n in range(8):
        envelope = an_envelope(text, id=f"m{n}", at="hears/room", user="Robot" if n else "Ada")
        delivery = a_delivery(seq=n + 1, envelope=envelope, to="speaks/room")
        guard.look(envelope, [delivery])
        stopped.append(bool(guard.stopped(n + 1)))
        text = f"Robot: {text}"

    assert stopped.index(True) <= 4


def test_files_without_a_word_go_round_no_longer_than_words() -> None:
    """
    They are known by their names and sizes.
    """
    clock = FakeClock()
    guard = LoopGuard(clock, Metrics("1"))
    picture = Attachment(AttachmentKind.IMAGE, filename="architecture-draft.png", size=18_733)
    stopped = []
    for n in range(12):
        here, there = ("chat/a", "chat/b") if n % 2 == 0 else ("chat/b", "chat/a")
        message = a_message("", id=f"m{n}", attachments=(picture,))
        envelope = an_envelope(id=f"m{n}", at=here, user="Robot", message=message)
        guard.look(envelope, [a_delivery(seq=n + 1, envelope=envelope, to=there)])
        stopped.append(bool(guard.stopped(n + 1)))

    assert 0 < stopped.index(True) <= 6


def test_what_is_remembered_is_bounded() -> None:
    """
    By time and by number, whatever comes in: a minute later next to nothing is left.
    """
    clock = FakeClock()
    guard = LoopGuard(clock, Metrics("1"))
    for n in range(20_000):
        envelope = an_envelope(f"text number {n} of very many", id=f"m{n}", at=f"here/{n % 9000}")
        guard.look(envelope, [a_delivery(seq=n + 1, envelope=envelope, to=f"there/{n % 7000}")])
    most = len(guard._all), len(guard._rooms)
    clock.advance(61.0)
    guard.look(envelope, [a_delivery(seq=n + 2, envelope=envelope)])

    assert most[0] <= 8192
    assert most[1] <= 2 * 8192
    assert len(guard._all) == 1
    assert len(guard._rooms) == len(guard._by_ref) == 2


def test_texts_of_strangers_cannot_make_it_slow() -> None:
    """
    A text that is compared closely is short, and a long one costs no more than its ends.
    """
    clock = FakeClock()
    guard = LoopGuard(clock, Metrics("1"))
    huge = "ab" * 500_000
    for n in range(20):
        here, there = ("chat/a", "chat/b") if n % 2 else ("chat/b", "chat/a")
        envelope = an_envelope(huge, id=f"m{n}", at=here, user="Robot")
        guard.look(envelope, [a_delivery(seq=n + 1, envelope=envelope, to=there)])

    assert max(len(said.start) + len(said.end) for said in guard._all) <= 480
