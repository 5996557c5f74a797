"""What an app robot posts, changes and takes back: which way it goes, and in how many posts."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bridge.errors import Broken, DeliveryError, Indeterminate, Refused, Transient
from bridge.model import MessageId, Receipt, TextFormat

from . import cards, conversations, openapi, posts, recall, robot_send, webhook_failures
from .markdown import in_dialect
from .media import Uploads
from .persons import Persons

if TYPE_CHECKING:
    from bridge.driver import Toolbox
    from bridge.model import ConversationId, Outgoing

    from .api import Api
    from .openapi import Encoder
    from .posts import Post
    from .session import Sessions
    from .settings import AppRobot

_PATIENCE = 15.0
_MOST_UNFINISHED = 256
_MOST_COMPANIONS = 8192
_MOST_GONE = 8192
_WITHDRAWN = {"en": "(withdrawn)", "zh": "（已撤回）"}
_EDITED = {"en": "[edited]", "zh": "[已编辑]"}


@dataclass(slots=True)
class _Unfinished:
    """A message of several posts: what they are, and the ids of those that are out."""

    posts: list[Post]
    notes: tuple[str, ...]
    keys: list[MessageId] = field(default_factory=list)


class Outbox:
    """
    One app robot's way out.

    A message with files is several posts. If one of them fails, the next attempt goes on with it: so
    long as the process lives, nothing is posted twice.
    """

    def __init__(
        self, robot: AppRobot, api: Api, encoder: Encoder, sessions: Sessions, toolbox: Toolbox
    ) -> None:
        self._robot = robot
        self._api = api
        self._encoder = encoder
        self._sessions = sessions
        self._toolbox = toolbox
        self._uploads = Uploads(api, toolbox, robot.app_key)
        self._persons = Persons(api, robot.app_key)
        self._wording = robot_send.WORDINGS.get(robot.language, robot_send.Wording())
        self._unfinished: OrderedDict[str, _Unfinished] = OrderedDict()
        self._companions: OrderedDict[MessageId, tuple[MessageId, ...]] = OrderedDict()
        self._gone: OrderedDict[MessageId, None] = OrderedDict()

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Raises a `DeliveryError`. The receipt's id is that of the first post."""
        outgoing = await self._addressed(in_dialect(outgoing, openapi.measure, openapi.MAX_TEXT))
        if values := self._card_values(outgoing):
            return await self._send_card(outgoing, values)
        if self._wants_session(outgoing) and (receipt := await self._send_by_session(outgoing)):
            return receipt
        try:
            return await self._send_by_api(outgoing)
        except Broken as e:
            if e.reason != "permission_missing" or self._robot.send_via == "openapi":
                raise
            receipt = await self._send_by_session(outgoing)
            if receipt is None:
                raise
            return receipt

    async def recall(self, conversation: ConversationId, message_ids: Sequence[MessageId]) -> Receipt:
        """
        Raises `Refused` where nothing could be taken back; what was left is in the notes. What is known
        to be gone is not asked for again: DingTalk would call it a failure.
        """
        conversation = await self._persons.known(conversation)
        notes: list[str] = []
        ids = self._all_of(message_ids)
        for track in filter(None, map(cards.track_of, ids)):
            await self._update_card(track, self._withdrawn)
            notes.append("a card cannot be taken back: its text was, and its buttons")
        keys = [one for one in ids if not cards.track_of(one) and one not in self._gone]
        left: list[MessageId] = []
        for at in range(0, len(keys), recall.MOST_KEYS):
            asked = keys[at : at + recall.MOST_KEYS]
            stayed = await self._recall(conversation, asked)
            left += stayed
            self._remember_gone(set(asked) - set(stayed))
        if keys and len(left) == len(keys):
            raise Refused(
                "DingTalk took nothing back: it does so within 24 hours, and once", reason="not_recalled"
            )
        if left:
            notes.append(f"{len(left)} of {len(keys)} posts could not be taken back")
        return Receipt(notes=tuple(notes))

    async def edit(self, message_ids: Sequence[MessageId], outgoing: Outgoing) -> Receipt:
        """A card is updated; all else is taken back and posted anew, marked, under a new id."""
        track = cards.track_of(message_ids[0]) if len(message_ids) == 1 else ""
        written = in_dialect(outgoing, openapi.measure, openapi.MAX_TEXT)
        if track and (values := cards.variables(written, self._wording)):
            await self._update_card(track, values)
            return Receipt(message_ids[0])
        notes: tuple[str, ...] = ()
        try:
            if message_ids:
                notes = (await self.recall(outgoing.destination.conversation, message_ids)).notes
        except Refused as e:
            notes = (f"the earlier message stays: {e}",)
        receipt = await self.send(self._marked(outgoing))
        return replace(receipt, notes=(*notes, *receipt.notes))

    def _marked(self, outgoing: Outgoing) -> Outgoing:
        """It stands below what was said since: readers are told why, where there is room."""
        word = _EDITED.get(self._robot.language, _EDITED["en"])
        gap = "\n\n" if outgoing.format is TextFormat.MARKDOWN else " "
        text = f"{word}{gap}{outgoing.text}"
        fits = openapi.measure(text) <= openapi.MAX_TEXT
        return replace(outgoing, text=text) if fits and outgoing.text.strip() else outgoing

    async def _addressed(self, outgoing: Outgoing) -> Outgoing:
        """To a person by staff id, whatever the rule calls them."""
        destination = outgoing.destination
        conversation = await self._persons.known(destination.conversation)
        if conversation == destination.conversation:
            return outgoing
        return replace(outgoing, destination=destination._replace(conversation=conversation))

    # --- by the OpenAPI ---

    async def _send_by_api(self, outgoing: Outgoing) -> Receipt:
        if not (outgoing.attachments or outgoing.buttons or outgoing.mentions or outgoing.raw):
            said = posts.text_post(outgoing, self._wording)
            return Receipt(await self._post(outgoing, said))
        key = outgoing.idempotency_key
        work = self._unfinished.get(key)
        if work is None:
            work = self._unfinished[key] = await self._prepare(outgoing)
            while len(self._unfinished) > _MOST_UNFINISHED:
                self._unfinished.popitem(last=False)
        try:
            while len(work.keys) < len(work.posts):
                work.keys.append(await self._post(outgoing, work.posts[len(work.keys)]))
        except DeliveryError:
            if not work.keys:  # nothing is out, so nothing needs to be remembered
                self._unfinished.pop(key, None)
            raise
        self._unfinished.pop(key, None)
        first, *others = work.keys
        if others:
            self._companions[first] = tuple(others)
            while len(self._companions) > _MOST_COMPANIONS:
                self._companions.popitem(last=False)
        return Receipt(first, work.notes)

    async def _prepare(self, outgoing: Outgoing) -> _Unfinished:
        """Files are uploaded first: one that cannot be becomes a link, and the text says where it is."""
        files: list[Post] = []
        links: list[str] = []
        notes: list[str] = []
        deadline = asyncio.get_running_loop().time() + self._patience
        for attachment in outgoing.attachments:
            try:
                async with asyncio.timeout_at(deadline):
                    files.append(await self._uploads.post_of(attachment))
            except (DeliveryError, TimeoutError) as e:
                links.append(attachment.url)
                notes.append(f"an attachment went out as a link: {str(e) or 'it took too long'}")
        if outgoing.mentions:
            notes.append("nobody was pinged: DingTalk's API cannot, and there is no live session")
        linked = outgoing
        if links:
            linked = replace(outgoing, text="\n".join(filter(None, (outgoing.text.rstrip(), *links))))
        message, left_out = posts.compose(linked, self._wording)
        said = [message]
        if links and not message.fits:
            message, left_out = posts.compose(outgoing, self._wording)
            said = [message, posts.text_post(replace(outgoing, text="\n".join(links)), self._wording)]
        if not outgoing.text.strip() and not links and not outgoing.buttons and files:
            said = []
        return _Unfinished([*said, *files], (*left_out, *notes))

    @property
    def _patience(self) -> float:
        """Seconds for all files of a message: as long as one exchange, for the posts need time too."""
        return self._toolbox.http.timeout.total or _PATIENCE

    async def _post(self, outgoing: Outgoing, post: Post) -> MessageId:
        path, body = self._encoder.post(outgoing.destination.conversation, post.msg_key, post.param)
        answer = await self._api.call(path, body)
        receipt = openapi.decode_sent(answer.status, answer.headers, answer.body, now=self._api.now)
        assert receipt.message_id is not None
        return receipt.message_id

    # --- by a session webhook ---

    def _wants_session(self, outgoing: Outgoing) -> bool:
        conversation = outgoing.destination.conversation
        if outgoing.attachments or outgoing.raw or self._robot.send_via == "openapi":
            return False
        if self._robot.send_via == "auto" and not outgoing.mentions:
            out_of_reach = conversations.is_direct(conversation)
            if not out_of_reach or conversations.staff_id(conversation):
                return False
        return bool(self._sessions.current(conversation, self._api.now))

    async def _send_by_session(self, outgoing: Outgoing) -> Receipt | None:
        """None where there is no session (any more). Nothing of ours goes with it but the message."""
        conversation = outgoing.destination.conversation
        url = self._sessions.current(conversation, self._api.now)
        if not url or outgoing.attachments or outgoing.raw:
            return None
        posted = robot_send.encode(outgoing, self._wording)
        answer = await self._toolbox.request("POST", url, body=posted.body, headers=robot_send.HEADERS)
        if webhook_failures.session_is_over(answer.body):
            self._sessions.forget(conversation)
            self._toolbox.report("session_ended")
            return None
        robot_send.decode(answer.status, answer.headers, answer.body, now=self._api.now)
        return posted.receipt

    # --- cards ---

    def _card_values(self, outgoing: Outgoing) -> dict[str, str] | None:
        if not self._robot.card_template_id or outgoing.attachments or outgoing.raw:
            return None
        if not any(map(robot_send.opens, outgoing.buttons)):
            return None
        return cards.variables(outgoing, self._wording)

    async def _send_card(self, outgoing: Outgoing, values: dict[str, str]) -> Receipt:
        track = cards.track_id(outgoing.idempotency_key)
        body = cards.encode_new(
            outgoing.destination.conversation,
            self._robot.robot_code,
            self._robot.card_template_id,
            track,
            values,
        )
        answer = await self._api.call(cards.CREATE_PATH, body)
        cards.decode_new(answer.status, answer.headers, answer.body, now=self._api.now)
        left = sum(not robot_send.opens(button) for button in outgoing.buttons)
        notes = (f"{left} buttons left out: DingTalk can open no URL of theirs",) if left else ()
        return Receipt(cards.message_id(track), notes)

    async def _update_card(self, track: str, values: dict[str, str]) -> None:
        body = cards.encode_update(track, values)
        try:
            answer = await self._api.call(cards.UPDATE_PATH, body, method="PUT")
            cards.decode_update(answer.status, answer.headers, answer.body, now=self._api.now)
        except Indeterminate as e:  # the same update twice does no harm
            raise Transient(str(e), reason=e.reason) from e

    @property
    def _withdrawn(self) -> dict[str, str]:
        word = _WITHDRAWN.get(self._robot.language, _WITHDRAWN["en"])
        return {"title": word, "text": word, "buttons": "[]"}

    # --- recall ---

    def _all_of(self, message_ids: Sequence[MessageId]) -> list[MessageId]:
        """Every post of these messages."""
        return [key for one in message_ids for key in (one, *self._companions.get(one, ()))]

    def _remember_gone(self, keys: set[MessageId]) -> None:
        self._gone.update(dict.fromkeys(keys))
        while len(self._gone) > _MOST_GONE:
            self._gone.popitem(last=False)

    async def _recall(
        self, conversation: ConversationId, keys: Sequence[MessageId]
    ) -> Sequence[MessageId]:
        path, body = recall.encode(conversation, self._robot.robot_code, keys)
        try:
            answer = await self._api.call(path, body)
            return recall.decode(answer.status, answer.headers, answer.body, keys, now=self._api.now)
        except Indeterminate as e:  # asking twice does no harm
            raise Transient(str(e), reason=e.reason) from e
