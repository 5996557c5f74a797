"""What became of the promises: pure, so that the judge can be judged."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.platform import Post


@dataclass(slots=True)
class Sent:
    """
    A message that a sender wrote. ``answered`` by HTTP 200 makes it an obligation; without an answer
    it may arrive or not.
    """

    conversation: str
    number: int
    text: str
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts; everything but ``promised``, ``arrived`` and ``doubled`` must be 0."""

    promised: int
    arrived: int
    lost: int
    altered: int
    spurious: int
    disordered: int
    doubled: int
    doubled_too_often: int

    @property
    def kept(self) -> bool:
        """Every promise was kept."""
        broken = self.lost, self.altered, self.spurious, self.disordered, self.doubled_too_often
        return not any(broken)


def key_of(text: str) -> str:
    """The first word of a text names the message."""
    return text.partition(" ")[0]


def judge(
    sent: Mapping[str, Sent],
    posts: Sequence[Post],
    *,
    kills: Iterable[float] = (),
    lost_answers: Mapping[str, int] | None = None,
) -> Verdict:
    """
    Hold what arrived against what was sent (by key).

    A message may arrive twice once for each conversation after each kill (monotonic seconds, stamped
    when the dead daemon's last bytes had been read), and once for each answer that the platform kept
    to itself (``lost_answers`` by conversation).
    """
    stamps = sorted(kills)
    altered = spurious = disordered = doubled = 0
    seen: set[str] = set()
    last: dict[str, int] = {}
    repeats: dict[str, Counter[int]] = defaultdict(Counter)
    for post in posts:
        message = sent.get(key_of(post.text))
        if message is None:
            spurious += 1
        elif (message.text, message.conversation) != (post.text, post.conversation):
            altered += 1
        elif post.text in seen:
            doubled += 1
            repeats[post.conversation][bisect_right(stamps, post.at)] += 1
        else:
            seen.add(post.text)
            disordered += message.number < last.get(post.conversation, -1)
            last[post.conversation] = max(message.number, last.get(post.conversation, -1))
    promised = [message for message in sent.values() if message.answered]
    return Verdict(
        promised=len(promised),
        arrived=len(seen),
        lost=sum(message.text not in seen for message in promised),
        altered=altered,
        spurious=spurious,
        disordered=disordered,
        doubled=doubled,
        doubled_too_often=sum(
            _too_often(counts, (lost_answers or {}).get(conversation, 0))
            for conversation, counts in repeats.items()
        ),
    )


def _too_often(repeats: Counter[int], lost_answers: int) -> int:
    """Repeats beyond one for each kill (index 0 is before the first) and one for each lost answer."""
    excess = sum(count - (1 if kills_before else 0) for kills_before, count in repeats.items())
    return max(0, excess - lost_answers)
