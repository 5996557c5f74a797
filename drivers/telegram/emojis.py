"""The emoji that Telegram takes as a reaction: https://core.telegram.org/bots/api#reactiontypeemoji"""

from __future__ import annotations

import re

_WRITTEN = (
    "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 "
    "🤡 🥱 🥴 😍 🐳 ❤\u200d🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 "
    "🖕 😈 😴 😭 🤓 👻 👨\u200d💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ "
    "💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷\u200d♂ 🤷 🤷\u200d♀ 😡 "
)
KNOWN = frozenset(_WRITTEN.split())
# Other platforms say how it is to be drawn, or in which skin.
_LOOKS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")


def known(emoji: str) -> str:
    """As Telegram writes it; empty for one that it does not take."""
    bare = _LOOKS.sub("", emoji)
    return bare if bare in KNOWN else ""
