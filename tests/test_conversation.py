"""People in four rooms of four platforms talk through one rule, and each reads a conversation."""

import asyncio
import difflib
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conversation.dingtalk import dingtalk
from tests.conversation.irc import irc
from tests.conversation.long_text import arrived, bare, long_text
from tests.conversation.matrix import matrix
from tests.conversation.play import Conversation, with_restarts, without_a_break
from tests.conversation.telegram import telegram
from tests.conversation.transcript import written

pytestmark = [pytest.mark.full, pytest.mark.real_time]

GOLDEN = Path(__file__).parent / "golden/conversation"
AUTHORS = {
    "dingtalk": ("李雷", "钉钉"),
    "telegram": ("Tanja", "Telegram"),
    "matrix": ("Max 马", "Matrix"),
}
"""Who says a long text, by the side, and the word that is in it alone."""


def played(play, folder):
    """The pages that people read, by side, and the texts on them as they are."""

    async def scenario():
        async with AsyncExitStack() as stack, asyncio.timeout(180):
            rooms = (dingtalk(), telegram(), matrix(folder / "synapse"), irc(folder / "inspircd"))
            sides = [await stack.enter_async_context(room) for room in rooms]
            (folder / "bridge").mkdir()
            await play(Conversation(folder / "bridge", sides))
            return {side.name: await side.heard() for side in sides}

    return asyncio.run(scenario())


@pytest.mark.parametrize("play", [without_a_break, with_restarts])
def test_everybody_reads_the_same_conversation(play, tmp_path):
    """
    Text, formatting, Chinese, emoji, code, quotes, pictures, files, answers, edits, recalls and
    reactions are on each side what a person there would call right, whether the bridge was restarted or
    not; of the long texts nothing is missing.
    """
    rooms = played(play, tmp_path)

    pages = {name: written(shown) for name, shown in rooms.items()}
    wrong = {name: _difference(name, page) for name, page in pages.items()}
    assert not any(wrong.values()), "\n".join(wrong.values())
    for side, (author, language) in AUTHORS.items():
        for room, shown in rooms.items():
            if room != side:
                texts = [one.text for one in shown]
                assert bare(long_text(language)) == arrived(texts, author, language), f"{side} on {room}"


def _difference(name, page):
    """Between the page and the one that was read and found right."""
    golden = GOLDEN / f"{name}.txt"
    wanted = golden.read_text(encoding="utf-8") if golden.exists() else ""
    lines = difflib.unified_diff(
        wanted.splitlines(keepends=True), page.splitlines(keepends=True), str(golden), "as it is now"
    )
    return "".join(lines)
