"""
What each refusal of the Bot API means to the bridge: the error table, as data. Pure.

https://core.telegram.org/bots/api#making-requests has the form of an answer and
https://core.telegram.org/bots/api#responseparameters what stands beside an error. Telegram tells its
refusals apart by words alone; those that are not here are refusals of the one message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Malformed,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.retry_after import retry_after
from bridge.wild import Wild, clean_name

from .updates import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bridge.exchange import Answer

_SHOWN = 200
_HERE, _ALL = Scope.CONVERSATION, Scope.INSTANCE
_OK, _TOO_MANY, _TROUBLE = 200, 429, 500
_NO_ANSWER_BEHIND = (502, 504)


class Migrated(Broken):
    """The group became a supergroup, and is to be called ``chat`` from now on."""

    def __init__(self, message: str, chat: str) -> None:
        super().__init__(message, reason="group_migrated")
        self.chat = chat


class NotModified(Refused):
    """It says already what it should say."""


class Gone(Refused):
    """There is no such message, or it can no longer be changed."""


class BadEntities(Refused):
    """It takes the words, but not how they are stressed."""


class Conflict(Transient):
    """Somebody else asks for this bot's updates, or a webhook takes them."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a refusal means, and what to do about it."""

    error: type[DeliveryError]
    reason: str
    advice: str = ""


# By what stands in the description, in small letters; the first that fits.
BAD_REQUESTS: Mapping[str, Meaning] = {
    "message is not modified": Meaning(NotModified, "not_modified"),
    "message to edit not found": Meaning(Gone, "unknown_message"),
    "message can't be edited": Meaning(Gone, "not_editable"),
    "no text in the message to edit": Meaning(Gone, "no_text"),
    "no caption in the message to edit": Meaning(Gone, "no_text"),
    "message to delete not found": Meaning(Gone, "unknown_message"),
    "message can't be deleted": Meaning(
        Refused, "too_old", "a bot can take back what is less than 48 hours old"
    ),
    "message to react not found": Meaning(Gone, "unknown_message"),
    "message to be replied not found": Meaning(Gone, "unknown_message"),
    "message identifier is not specified": Meaning(Gone, "unknown_message"),
    "message_id_invalid": Meaning(Gone, "unknown_message"),
    "reaction_invalid": Meaning(Refused, "unknown_emoji"),
    "reactions_too_many": Meaning(Refused, "too_many_reactions"),
    "chat not found": Meaning(Broken, "unknown_chat", "check chat_id, and that the bot is in the chat"),
    "user not found": Meaning(Broken, "unknown_chat", "that person must write to the bot first"),
    "peer_id_invalid": Meaning(Broken, "unknown_chat", "that person must write to the bot first"),
    "channel_private": Meaning(Broken, "not_in_chat", "put the bot into the chat again"),
    "chat_write_forbidden": Meaning(Broken, "muted", "let the bot write in this chat"),
    "chat_restricted": Meaning(Broken, "muted", "let the bot write in this chat"),
    "have no rights": Meaning(Broken, "muted", "let the bot write in this chat"),
    "rights to send text": Meaning(Broken, "muted", "let the bot write in this chat"),
    "rights to send": Meaning(Refused, "no_files_here", "let the bot send files in this chat"),
    "not enough rights": Meaning(Broken, "muted", "give the bot the right in this chat"),
    "need administrator rights": Meaning(Broken, "muted", "make the bot an administrator"),
    "topic_closed": Meaning(Broken, "topic_closed", "reopen the topic, or let the bot manage topics"),
    "topic_deleted": Meaning(Broken, "topic_gone", "the topic is gone: change topic_id in rules.json"),
    "message thread not found": Meaning(Broken, "topic_gone", "check topic_id in rules.json"),
    "group chat was deactivated": Meaning(Broken, "chat_gone", "the group is gone: change rules.json"),
    "entit": Meaning(BadEntities, "bad_entities"),
    "is too long": Meaning(Refused, "too_long"),
    "text is empty": Meaning(Refused, "empty"),
    "text must be non-empty": Meaning(Refused, "empty"),
    "file is too big": Meaning(Refused, "too_large", "Telegram gives bots files of up to 20 MB"),
    "wrong file": Meaning(Refused, "unknown_file"),
    "invalid file_id": Meaning(Refused, "unknown_file"),
    "temporarily unavailable": Meaning(Transient, "unavailable"),
}
_REFUSED = Meaning(Refused, "bad_request")
_BAD_TOKEN = Meaning(
    Broken, "bad_token", "is the token right? @BotFather has it; a revoked one is good no more"
)
_FORBIDDEN_HERE = Meaning(
    Broken, "forbidden", "unblock the bot, or put it into the chat again; nobody hears it before"
)
_NOT_TELEGRAM = Meaning(
    Broken, "not_telegram", "is base_url right? Is there a proxy, or a block, in between?"
)


def result(answer: Answer, *, now: datetime, secrets: Sequence[str]) -> Wild:
    """
    What a good answer holds; raises a `DeliveryError` for any other. Its message has none of
    ``secrets``, whatever was answered.
    """
    try:
        said = read(answer.body)
    except Malformed:
        said = Wild(None)
    if answer.status == _OK and _flag(said["ok"]):
        return said["result"]
    raise _failure(answer, said, now=now, secrets=secrets)


def _failure(answer: Answer, said: Wild, *, now: datetime, secrets: Sequence[str]) -> DeliveryError:
    status = answer.status
    described = shown(said["description"].text(), secrets) if said["description"].is_text else ""
    words = f"Telegram answered {status}" + (f": {described}" if described else "")
    if status in _NO_ANSWER_BEHIND:
        return Indeterminate(words, reason="gateway_timeout")
    if status >= _TROUBLE:
        return Transient(words, reason="server_error", retry_after=_wait(answer, said, now))
    if status == _TOO_MANY:
        # Nearly always the limit of one chat: https://core.telegram.org/bots/faq#broadcasting-to-users
        return Throttled(words, reason="flood", retry_after=_wait(answer, said, now), scope=_HERE)
    if status == _OK:
        return Indeterminate("Telegram's answer has no sense", reason="unknown_result")
    if said["ok"].missing:
        return _explained(_NOT_TELEGRAM, words, _ALL)
    if (chat := _number(said["parameters"]["migrate_to_chat_id"])) is not None:
        return Migrated(words, str(chat))
    return _refusal(status, described, words)


def _refusal(status: int, described: str, words: str) -> DeliveryError:
    match status:
        case 401 | 404:
            return _explained(_BAD_TOKEN, words, _ALL)
        case 403:
            return _explained(_FORBIDDEN_HERE, words, _HERE)
        case 409:
            return Conflict(words, reason="conflict")
        case 413:
            return Refused(words, reason="too_large")
    lowered = described.lower()
    meaning = next((one for said, one in BAD_REQUESTS.items() if said in lowered), _REFUSED)
    return _explained(meaning, words, _HERE)


def _explained(meaning: Meaning, words: str, scope: Scope) -> DeliveryError:
    message = f"{words} ({meaning.advice})" if meaning.advice else words
    return meaning.error(message, reason=meaning.reason, scope=scope)


def _wait(answer: Answer, said: Wild, now: datetime) -> float | None:
    """Seconds; Telegram says them in the answer, proxies in a header."""
    seconds = _number(said["parameters"]["retry_after"])
    return float(min(max(seconds, 0), 10**6)) if seconds is not None else retry_after(answer.headers, now)


def _number(wild: Wild) -> int | None:
    try:
        return wild.number()
    except Malformed:
        return None


def _flag(wild: Wild) -> bool:
    try:
        return wild.flag()
    except Malformed:
        return False


def shown(said: str, secrets: Sequence[str]) -> str:
    """A server's words, on one line, of a length that can be shown, without ``secrets``."""
    for secret in secrets:
        said = said.replace(secret, "…")
    return clean_name(said)[:_SHOWN]
