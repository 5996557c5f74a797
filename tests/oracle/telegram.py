"""aiogram: a bot of somebody else's on the simulated Telegram; and its models as a witness of the Bot API."""

import asyncio
import sys

from drivers.dingtalk.simulator import Simulator as DingTalk
from drivers.telegram.simulator import Simulator
from tests.drivers.telegram.bot_api import FILE
from tests.drivers.telegram.pair import GROUP, PNG
from tests.oracle.client import client
from tests.oracle.sheet import FAILS, Row, Sheet

ANSWERS = {
    "me": ("knows itself", lambda said: said["answer"]["username"] == "bridge_bot"),
    "wrong token": (
        "understands that its token is wrong",
        lambda said: said["error"] == "TelegramUnauthorizedError",
    ),
    "heard": ("hears what people say", lambda said: said["text"] == "hello" and said["who"] == "Ada"),
    "reply": (
        "replies",
        lambda said: said["answer"]["reply_to_message"]["text"] == "hello",
    ),
    "edit": ("edits what it said", lambda said: said["answer"]["text"] == "<b>bold</b>"),
    "edit again": (
        "understands that nothing was changed",
        lambda said: "message is not modified" in said["said"],
    ),
    "react": ("reacts", lambda said: said["answer"] is True),
    "react oddly": (
        "understands that there is no such reaction",
        lambda said: "REACTION_INVALID" in said["said"],
    ),
    "delete": ("takes it back", lambda said: said["answer"] is True),
    "up": (
        "posts a picture with a caption",
        lambda said: said["answer"]["photo"][0]["file_id"] and said["answer"]["caption"] == "look",
    ),
    "too long": (
        "understands that a text is too long",
        lambda said: "message is too long" in said["said"],
    ),
    "nowhere": (
        "understands that there is no such chat",
        lambda said: "chat not found" in said["said"],
    ),
    "heard an edit": ("hears an edit", lambda said: said["text"] == "hello!"),
    "heard a reaction": ("hears a reaction", lambda said: said["emoji"] == ["❤"]),
    "get file": ("finds a file", lambda said: said["answer"]["file_path"] == "photos/a.png"),
    "down": ("downloads it, byte by byte", lambda said: said["same"]),
}


async def telegram(name: str, dingtalk: DingTalk) -> list[Row]:
    """``dingtalk`` is what the other oracles talk to; the sheet alone has a use for it."""
    sheet = Sheet("aiogram", dingtalk)
    async with Simulator() as simulator:
        simulator.chats.open(GROUP, "Team")
        async with client(
            name,
            "telegram_client.py",
            BASE_URL=simulator.base_url,
            TOKEN=simulator.token,
            GROUP=str(GROUP),
            PICTURE=PNG.hex(),
            SPECIFICATION=str(FILE),
        ) as bot:

            async def agrees() -> bool:
                over = await bot.tells(step="specification over")
                told = [one for one in bot._said if one.get("step") == "specification"]
                differing = [one for one in told if one["differs"]]
                sys.stderr.write("".join(f"{one}\n" for one in differing))
                return over is not None and len(told) == over["count"] and not differing

            await sheet.check("its models and bot_api.json say the same", agrees())
            async with asyncio.timeout(20):
                while not simulator.queue.polls:
                    await asyncio.sleep(0.05)
            said = simulator.chats.say(GROUP, "hello")
            await bot.tells(step="nowhere")
            simulator.chats.say_again(said, "hello!")
            simulator.chats.react(GROUP, said["message_id"], "", "❤")
            picture = simulator.files.store("photos/a.png", PNG)
            size = {**simulator.files.described(picture), "width": 9, "height": 9}
            simulator.chats.say(GROUP, photo=[size])
            for step, (what, right) in ANSWERS.items():
                told = await bot.tells(step=step)

                async def proof(told=told, right=right) -> bool:
                    try:
                        return told is not None and bool(right(told))
                    except (KeyError, TypeError, IndexError):
                        return False

                await sheet.check(what, proof())
                if sheet.rows[-1][2] == FAILS:
                    sys.stderr.write(f"{step}: {told}\n" + "".join(bot.log[-20:]))
            posted = simulator.chats.posted(GROUP)

            async def arrived() -> bool:
                return ["look"] == [one.get("caption") for one in posted] and (
                    simulator.chats.by_id[GROUP].reactions[said["message_id"]] == ["👍"]
                )

            await sheet.check("what it posted stands there, and nothing else", arrived())
    return sheet.rows
