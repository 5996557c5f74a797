"""
The robot's OpenAPI on the wire: requests as bytes, answers as values or errors. Pure.

https://open.dingtalk.com/document/orgapp/obtain-the-access_token-of-an-internal-app,
https://open.dingtalk.com/document/orgapp/the-robot-sends-a-group-message,
https://open.dingtalk.com/document/orgapp/chatbots-send-one-on-one-chat-messages-in-batches,
https://open.dingtalk.com/document/orgapp/download-the-file-content-of-the-robot-receiving-message
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted  # what json.dumps makes of a text
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.model import MessageId, Outgoing, Receipt, TextFormat

from . import conversations
from .failures import MINUTE, code_of, failure, read, success
from .markdown import growth
from .message_templates import MAX_PARAM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

TOKEN_PATH = "/v1.0/oauth2/accessToken"  # noqa: S105 (a path, not a password)
GROUP_PATH = "/v1.0/robot/groupMessages/send"
PERSON_PATH = "/v1.0/robot/oToMessages/batchSend"
DOWNLOAD_PATH = "/v1.0/robot/messageFiles/download"

HEADERS = {
    "accept": "application/json",
    "content-type": "application/json; charset=utf-8",
}
TOKEN_HEADER = "x-acs-dingtalk-access-token"  # noqa: S105 (a header's name)

_TITLE_CHARACTERS = 64
_BYTES_PER_CHARACTER = 6  # at worst: \u0001
MAX_TEXT = MAX_PARAM - len('{"title":"","text":""}') - _TITLE_CHARACTERS * _BYTES_PER_CHARACTER
"""What is left of `MAX_PARAM` for a text, by `measure`, whatever the title."""

_MAX_LIFETIME = 86_400
_MAX_URL = 4096
_TOKEN = re.compile("[!-~]{1,1024}").fullmatch
_MARKUP = "#>*-+_~` \t"


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token and how long it is good for, in seconds."""

    token: str
    lifetime: float


def measure(text: str) -> int:
    """Bytes that ``text`` takes inside ``msgParam``: UTF-8, and JSON's escapes."""
    return len(_quoted(text).encode("utf-8", "replace")) - 2


def measure_markdown(text: str) -> int:
    """As `measure`, of a text that will be in DingTalk's dialect."""
    return measure(text) + growth(text)


def title_of(outgoing: Outgoing, fallback: str) -> str:
    """
    The preview that stands in the list of chats. Never empty, or DingTalk refuses the message: the
    first line of the text that says something, or ``fallback``.
    """
    lines = (outgoing.title, *outgoing.text.splitlines())
    said = (line.strip().lstrip(_MARKUP)[:_TITLE_CHARACTERS].rstrip() for line in lines)
    return next((line for line in said if line), fallback)


class Encoder:
    """Writes the requests of one robot; what is the same in all of them is written once."""

    __slots__ = ("_fallback_title", "_robot")

    def __init__(self, robot_code: str, fallback_title: str) -> None:
        self._robot = f',"robotCode":{_quoted(robot_code)}'
        self._fallback_title = fallback_title

    def send(self, outgoing: Outgoing) -> tuple[str, bytes]:
        """
        The path and the body of one post, keys in the order of the official SDK.

        Raises `Refused` for the direct chat of somebody whose staff id is not known.
        """
        if outgoing.format is TextFormat.MARKDOWN:
            title = _quoted(title_of(outgoing, self._fallback_title))
            key, param = "sampleMarkdown", f'{{"title":{title},"text":{_quoted(outgoing.text)}}}'
        else:
            key, param = "sampleText", f'{{"content":{_quoted(outgoing.text)}}}'
        return self.post(outgoing.destination.conversation, key, param)

    def post(self, conversation: str, msg_key: str, param: str) -> tuple[str, bytes]:
        """As `send`, of a template with its parameters, which are JSON."""
        message = f'{{"msgKey":"{msg_key}","msgParam":{_quoted(param)}'
        if not conversations.is_direct(conversation):
            body = f'{message},"openConversationId":{_quoted(conversation)}{self._robot}}}'
            return GROUP_PATH, body.encode("utf-8", "replace")
        if staff_id := conversations.staff_id(conversation):
            body = f'{message}{self._robot},"userIds":[{_quoted(staff_id)}]}}'
            return PERSON_PATH, body.encode("utf-8", "replace")
        raise Refused(
            "DingTalk lets a robot write only to members of its organization: this person wrote from "
            "outside, or before the app was published",
            reason="not_a_member",
        )

    def download(self, ref: str) -> bytes:
        body = f'{{"downloadCode":{_quoted(ref)}{self._robot}}}'
        return body.encode("utf-8", "replace")


def encode_token_request(app_key: str, app_secret: str) -> bytes:
    body = f'{{"appKey":{_quoted(app_key)},"appSecret":{_quoted(app_secret)}}}'
    return body.encode("utf-8", "replace")


def token_is_refused(status: int, body: bytes) -> bool:
    """Whether a new access token could mend it."""
    if status < 400:  # noqa: PLR2004 (where HTTP's errors begin)
        return False
    return code_of(read(body) or {}) == "InvalidAuthentication"


def decode_sent(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Receipt:
    """
    The receipt in a good answer to a post; a `DeliveryError` for any other.

    An answer to a message for one person can be 200 and name that person as not reached.
    """
    answer = success(status, body)
    if answer is None:
        raise failure(status, headers, body, now=now)
    if answer.get("invalidStaffIdList"):
        raise Broken(
            "DingTalk knows no such person in this organization: check user_id, and the app's visible "
            "range",
            reason="unknown_person",
        )
    if answer.get("flowControlledStaffIdList"):
        raise Throttled(
            "DingTalk limits how much this person gets", reason="person_limit", retry_after=MINUTE
        )
    if answer.get("filteredStaffIdList"):
        raise Refused("DingTalk filtered the message out", reason="filtered")
    key = answer.get("processQueryKey")
    if not isinstance(key, str) or not key:
        raise Indeterminate("DingTalk answered 200 without a processQueryKey", reason="unknown_result")
    return Receipt(MessageId(key))


def decode_token(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Grant:
    """
    Raises `Broken` for the whole instance, `Throttled` or `Transient`: a token that we did not get
    says nothing about the message, and nothing was sent.
    """
    answer = success(status, body)
    if answer is None:
        raise _for_all(failure(status, headers, body, now=now))
    token, lifetime = answer.get("accessToken"), answer.get("expireIn")
    if not isinstance(token, str) or not _TOKEN(token):
        raise Transient("DingTalk answered 200 without an access token", reason="bad_answer")
    if type(lifetime) is not int or lifetime < 1:
        raise Transient("DingTalk's access token has no lifetime", reason="bad_answer")
    return Grant(token, min(lifetime, _MAX_LIFETIME))


def _for_all(error: DeliveryError) -> DeliveryError:
    """A token is for every conversation, so what was said about one message holds for all."""
    wider = {Indeterminate: Transient, Refused: Broken}.get(type(error), type(error))
    return wider(str(error), reason=error.reason, retry_after=error.retry_after, scope=Scope.INSTANCE)


def decode_download(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
    """The URL of a file; `Refused` for a code that cannot be opened (any more)."""
    answer = success(status, body)
    if answer is None:
        error = failure(status, headers, body, now=now)
        if isinstance(error, Indeterminate):
            raise Transient(str(error), reason=error.reason) from None
        raise error
    url = answer.get("downloadUrl")
    if not isinstance(url, str) or not _is_web_url(url):
        raise Refused("DingTalk gave no URL for the file", reason="bad_answer")
    return url


def _is_web_url(url: str) -> bool:
    if len(url) > _MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
