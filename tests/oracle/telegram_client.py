"""
aiogram, run by the Python of its own environment: a bot that asks for updates, answers, edits, deletes,
reacts, and moves pictures up and down. Prints what came of each step, one JSON object on a line.
"""

import asyncio
import json
import os
import sys
import typing
from pathlib import Path

from aiogram import Bot, Dispatcher, methods, types
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramAPIError

GROUP = int(os.environ["GROUP"])
PICTURE = bytes.fromhex(os.environ["PICTURE"])
OLD_WAYS = {"disable_web_page_preview", "reply_to_message_id", "allow_sending_without_reply"}
"""Which aiogram takes for those who still write them."""


def say(**said):
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def tell(step, call):
    try:
        answer = await call
    except TelegramAPIError as error:
        say(step=step, error=type(error).__name__, said=str(error)[:300])
        return None
    shown = answer.model_dump(mode="json", exclude_none=True) if hasattr(answer, "model_dump") else answer
    say(step=step, answer=shown if not isinstance(shown, bytes) else len(shown))
    return answer


def names(annotation):
    """The types of a member, as the documentation calls them."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return names(inner[0])
    if origin is list:
        return ["Array of " + " or ".join(names(inner[0]))]
    if origin is typing.Literal:
        return ["String"]
    if origin is not None:
        return sorted({name for one in inner if one is not type(None) for name in names(one)})
    if annotation is type(None):
        return []
    name = getattr(annotation, "__name__", str(annotation))
    if isinstance(annotation, type) and issubclass(annotation, str):
        return ["String"]
    plain = {"int": "Integer", "bool": "Boolean", "float": "Float", "Default": ""}
    plain.update(dict.fromkeys(("datetime", "timedelta", "DateTime"), "Integer"))
    return [found] if (found := plain.get(name, name)) else []


def members(model):
    return {
        field.alias or name: ("!" if field.is_required() else "") + "|".join(names(field.annotation))
        for name, field in model.model_fields.items()
        if name not in OLD_WAYS or not issubclass(model, methods.TelegramMethod)
    }


def specification():
    ours = json.loads(Path(os.environ["SPECIFICATION"]).read_text(encoding="utf-8"))
    for method, known in ours["methods"].items():
        model = members(getattr(methods, method[0].upper() + method[1:]))
        say(step="specification", of=method, differs=differences(known, model))
    for name, known in ours["types"].items():
        say(step="specification", of=name, differs=differences(known, members(getattr(types, name))))
    say(step="specification over", count=len(ours["methods"]) + len(ours["types"]))


def differences(ours, theirs):
    """What we have otherwise; that we lack a member is no difference, unless it is required."""
    wrong = {name: (kind, theirs.get(name)) for name, kind in ours.items() if theirs.get(name) != kind}
    lacking = [name for name, kind in theirs.items() if kind.startswith("!") and name not in ours]
    return [*map(str, wrong.items()), *lacking]


async def main():
    session = AiohttpSession(api=TelegramAPIServer.from_base(os.environ["BASE_URL"]))
    bot = Bot(os.environ["TOKEN"], session=session)
    dispatcher = Dispatcher()

    @dispatcher.message()
    async def on_message(message: types.Message):
        say(step="heard", text=message.text or "", chat=message.chat.id, who=message.from_user.full_name)
        if message.photo:
            file = await tell("get file", bot.get_file(message.photo[-1].file_id))
            content = await bot.download_file(file.file_path)
            say(step="down", same=content.read() == PICTURE)
            return
        answer = await tell("reply", message.reply("**not bold** 你好"))
        await tell("edit", answer.edit_text("<b>bold</b>", parse_mode=None))
        await tell("edit again", answer.edit_text("<b>bold</b>", parse_mode=None))
        await tell("react", message.react([types.ReactionTypeEmoji(emoji="👍")]))
        await tell("react oddly", message.react([types.ReactionTypeEmoji(emoji="🫠")]))
        await tell("delete", bot.delete_messages(GROUP, [answer.message_id]))
        picture = types.BufferedInputFile(PICTURE, "a.png")
        await tell("up", bot.send_photo(GROUP, picture, caption="look"))
        await tell("too long", bot.send_message(GROUP, "x" * 4097))
        await tell("nowhere", bot.send_message(-1, "x"))

    @dispatcher.edited_message()
    async def on_edit(message: types.Message):
        say(step="heard an edit", text=message.text)

    @dispatcher.message_reaction()
    async def on_reaction(reaction: types.MessageReactionUpdated):
        say(step="heard a reaction", emoji=[one.emoji for one in reaction.new_reaction])

    specification()
    await tell("me", bot.get_me())
    stranger = Bot("123456789:another-token-of-somebody", session=session)
    await tell("wrong token", stranger.get_me())
    await dispatcher.start_polling(bot, polling_timeout=5, handle_signals=False)


asyncio.run(main())
