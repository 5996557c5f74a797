"""
What a server's refusal means. Pure.

https://modern.ircdocs.horse/#numerics and https://ircv3.net/specs/extensions/standard-replies
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.errors import Broken, DeliveryError, Refused, Scope, Throttled, Transient
from bridge.wild import clean_name

_SHOWN = 200
_ABOUT_THE_TEXT = re.compile(
    r"\(\+[cCGBST]\b|colou?r|ctcp|censor|phrase|blocked|caps|repeat|spam|filter", re.IGNORECASE
)
_SECONDS = re.compile(r"(\d{1,4}) ?s(?:ec)?", re.IGNORECASE)
_TOO_OFTEN = re.compile(r"throttl|too (?:fast|many)|flood", re.IGNORECASE)
_BANNED = re.compile(r"[kgz]-?lined?|banned", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a numeric in place of a delivery means."""

    error: type[DeliveryError]
    reason: str
    advice: str = ""


OF_A_POST = {
    "401": Meaning(Transient, "no_such_nick", "nobody of that nick is online"),
    "402": Meaning(Transient, "no_such_server"),
    "403": Meaning(Broken, "no_such_channel", "is the channel's name right?"),
    "404": Meaning(Broken, "cannot_send", "the channel does not let us speak: give the bot voice"),
    "405": Meaning(Broken, "too_many_channels"),
    "407": Meaning(Refused, "too_many_targets"),
    "408": Meaning(Refused, "no_colours", 'set "formatting": false'),
    "411": Meaning(Refused, "no_recipient"),
    "412": Meaning(Refused, "no_text"),
    "413": Meaning(Broken, "cannot_send"),
    "415": Meaning(Refused, "bad_mask"),
    "417": Meaning(Refused, "line_too_long"),
    "442": Meaning(Transient, "not_in_channel"),
    "447": Meaning(Broken, "cannot_send"),
    "477": Meaning(Broken, "needs_account", "the channel takes registered nicks only: use SASL"),
    "486": Meaning(Broken, "needs_account", "that person takes registered nicks only: use SASL"),
    "489": Meaning(Broken, "cannot_send", "that takes TLS, or another status"),
    "492": Meaning(Refused, "no_ctcp"),
    "531": Meaning(Broken, "cannot_send", "that person does not take messages from us"),
    "716": Meaning(Broken, "cannot_send", "that person takes messages from acquaintances only"),
    "936": Meaning(Refused, "censored"),
    "937": Meaning(Refused, "censored"),
    "263": Meaning(Transient, "server_busy"),
    "439": Meaning(Throttled, "too_fast"),
    "707": Meaning(Throttled, "too_fast"),
    "FAIL": Meaning(Refused, "refused"),
}
"""By numeric. A 4xx that is not here is `UNKNOWN`."""

UNKNOWN = Meaning(Refused, "unknown_numeric")

OF_A_JOIN = {
    "403": Meaning(Broken, "no_such_channel", "is the channel's name right?"),
    "405": Meaning(Broken, "too_many_channels", "the server lets nobody into more"),
    "437": Meaning(Transient, "channel_unavailable"),
    "470": Meaning(Broken, "forwarded", "the server would put us into another channel"),
    "471": Meaning(Broken, "channel_full"),
    "473": Meaning(Broken, "invite_only", "invite the bot, or put it on the channel's invite list (+I)"),
    "474": Meaning(Broken, "banned", "somebody put a ban on the bot"),
    "475": Meaning(Broken, "bad_key", 'set the channel\'s key in "channel_keys"'),
    "476": Meaning(Broken, "bad_name"),
    "477": Meaning(Broken, "needs_account", "the channel takes registered nicks only: use SASL"),
    "479": Meaning(Broken, "bad_name"),
    "480": Meaning(Transient, "join_throttled"),
    "489": Meaning(Broken, "needs_tls", 'the channel takes TLS only: set "tls": true'),
    "520": Meaning(Broken, "opers_only"),
}


def of_a_post(numeric: str, said: str) -> DeliveryError:
    """The error that stands for a numeric (or ``FAIL``) about a message of ours."""
    meaning = OF_A_POST.get(numeric, UNKNOWN)
    if numeric == "404" and _ABOUT_THE_TEXT.search(said):
        return Refused("the server does not take this text there (404)", reason="content_refused")
    wait = None
    if meaning.error is Throttled and (found := _SECONDS.search(said)):
        wait = float(found[1])
    scope = Scope.INSTANCE if meaning.error is Throttled else Scope.CONVERSATION
    return meaning.error(
        _words(numeric, said, meaning.advice), reason=meaning.reason, retry_after=wait, scope=scope
    )


def of_a_join(channel: str, numeric: str, said: str) -> DeliveryError:
    """Why we are not in a channel."""
    meaning = OF_A_JOIN.get(numeric, UNKNOWN)
    error = Broken if meaning is UNKNOWN else meaning.error
    words = _words(numeric, said, meaning.advice)
    return error(f"cannot join {clean_name(channel)}: {words}", reason=meaning.reason)


def of_the_end(said: str) -> DeliveryError:
    """What the server says before it hangs up."""
    words = f"the server closed the connection: {shown(said)}"
    if _TOO_OFTEN.search(said):
        return Transient(words, reason="throttled", retry_after=60.0)
    if _BANNED.search(said):
        return Broken(words, reason="banned", scope=Scope.INSTANCE)
    return Transient(words, reason="closed")


def _words(numeric: str, said: str, advice: str) -> str:
    words = f"the server answered {numeric}: {shown(said)}"
    return f"{words} ({advice})" if advice else words


def shown(said: str) -> str:
    """A server's words, in a form and of a length that can be shown."""
    return clean_name(said)[:_SHOWN]
