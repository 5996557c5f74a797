"""The Telegram side: a group of the simulator, with Tanja in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from drivers.telegram.simulator import Simulator
from tests.conversation.long_text import long_text
from tests.conversation.side import Shown

CHAT = -1001234567890
_LONGEST = 4096
_TYPES = {
    "bold": "bold",
    "italic": "italic",
    "struck": "strikethrough",
    "code": "code",
    "link": "text_link",
}
_TAGS = {
    "bold": "b", "italic": "i", "strikethrough": "s", "code": "code", "pre": "pre", "text_link": "a",
    "blockquote": "quote",
}  # fmt: skip

Message = dict[str, Any]


class Telegram:
    name = "telegram"
    keeps = True

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._chat = simulator.chats.open(CHAT, "Team")
        self._reactions: dict[int, str] = {}

    def settings(self) -> tuple[str, dict[str, Any]]:
        return "telegram", {
            "token": self._simulator.token,
            "base_url": self._simulator.base_url,
            "max_rate": "1000/1s",
        }

    def address(self) -> dict[str, str]:
        return {"chat_id": str(CHAT)}

    # --- what Tanja does ---

    def _say(self, text: str = "", **more: object) -> int:
        self._simulator.chats.say(CHAT, text, who="Tanja", **more)
        return 1

    async def says(self, text: str) -> int:
        return self._say(text)

    async def says_formatted(self, *pieces: tuple[str, str]) -> int:
        text, entities = "", []
        for style, words in pieces:
            if style != "plain":
                where = {"offset": _units(text), "length": _units(words)}
                entities.append({"type": _TYPES[style], **where})
            if style == "link":
                entities[-1]["url"] = "https://example.com/a_b"
            text += words
        return self._say(text, entities=entities)

    async def shows_code(self, code: str, language: str) -> int:
        block = {"type": "pre", "offset": 0, "length": _units(code), "language": language}
        return self._say(code, entities=[block])

    async def quotes(self, quoted: str, text: str) -> int:
        quote = {"type": "blockquote", "offset": 0, "length": _units(quoted)}
        return self._say(f"{quoted}\n{text}", entities=[quote])

    async def sends_picture(self, name: str, content: bytes, caption: str) -> int:
        file_id = self._simulator.files.store(f"photos/{name}", content)
        photo = {**self._simulator.files.described(file_id), "width": 1, "height": 1}
        return self._say(photo=[photo], **({"caption": caption} if caption else {}))

    async def sends_file(self, name: str, content: bytes, caption: str) -> int:
        file_id = self._simulator.files.store(f"documents/{name}", content)
        described = self._simulator.files.described(file_id)
        document = {**described, "file_name": name, "mime_type": "text/plain"}
        return self._say(document=document, **({"caption": caption} if caption else {}))

    async def says_at_length(self) -> int:
        """No message of Telegram's is that long: its clients cut what somebody pastes."""
        pieces = _cut(long_text("Telegram"))
        for piece in pieces:
            self._say(piece)
        return len(pieces)

    async def replies(self, to: str, text: str) -> int:
        answered = {k: v for k, v in self._find(to).items() if k != "reply_to_message"}
        return self._say(text, reply_to_message=answered)

    async def edits(self, of: str, text: str) -> int:
        self._simulator.chats.say_again(self._find(of), text)
        return 1

    async def deletes(self, of: str) -> int:
        """Telegram tells no bot of it."""
        del self._chat.messages[self._find(of)["message_id"]]
        return 0

    async def reacts(self, to: str, emoji: str) -> int:
        number = self._find(to)["message_id"]
        self._simulator.chats.react(CHAT, number, "", emoji, who="Tanja")
        self._reactions[number] = emoji
        return 1

    def _find(self, words: str) -> Message:
        return next(one for one in self._chat.messages.values() if words in _text(one))

    # --- what she sees ---

    async def heard(self) -> list[Shown]:
        return [self._shown(one) for one in self._chat.messages.values()]

    def _shown(self, message: Message) -> Shown:
        number = message["message_id"]
        reactions = [f"{emoji} bridge" for emoji in self._chat.reactions.get(number, ())]
        if number in self._reactions:
            reactions.append(f"{self._reactions[number]} Tanja")
        who = message["from"]["first_name"]
        return Shown(
            "bridge" if who == "Bridge" else who,
            self._words(message),
            answers=_text(message.get("reply_to_message", {})),
            edited="edit_date" in message,
            reactions=reactions,
        )

    def _words(self, message: Message) -> str:
        text = _tagged(_text(message), message.get("entities", message.get("caption_entities", [])))
        for key, what in (("photo", "a picture"), ("document", "a file")):
            if key in message:
                file = message[key][-1] if key == "photo" else message[key]
                named = f" {file['file_name']}" if "file_name" in file else ""
                return f"[{what}{named}: {file['file_size']} bytes] {text}".rstrip()
        return text


def _text(message: Message) -> str:
    return str(message.get("text", message.get("caption", "")))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _tagged(text: str, entities: list[dict[str, Any]]) -> str:
    """The text with its entities as tags, in ‹› so that nobody takes them for typed ones."""
    raw = text.encode("utf-16-le")
    places: list[tuple[int, int, str]] = []
    for one in entities:
        tag, start, stop = (
            _TAGS.get(one["type"], one["type"]),
            one["offset"],
            one["offset"] + one["length"],
        )
        more = f" {one.get('url') or one.get('language')}" if one.keys() & {"url", "language"} else ""
        places += [(start, 1, f"‹{tag}{more}›"), (stop, 0, f"‹/{tag}›")]
    for at, _, tag in sorted(places, reverse=True):
        raw = raw[: 2 * at] + tag.encode("utf-16-le") + raw[2 * at :]
    return raw.decode("utf-16-le")


def _cut(text: str) -> list[str]:
    pieces = []
    while text:
        end = _LONGEST
        while _units(text[:end]) > _LONGEST:
            end -= 1
        if end < len(text):
            end = text.rindex(" ", 0, end) + 1
        pieces.append(text[:end].strip())
        text = text[end:]
    return pieces


@asynccontextmanager
async def telegram():
    async with Simulator() as simulator:
        yield Telegram(simulator)
