"""The app robot: out by the OpenAPI. The wire is in the modules beside this one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bridge.errors import Indeterminate, Transient
from bridge.model import Capabilities, Finding, Support, TextFormat

from . import callback, openapi, probes
from .api import Api
from .directory import Directory
from .outbox import Outbox
from .session import Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bridge.driver import Entry, Opened, Toolbox
    from bridge.model import ConversationId, InstanceId, MessageId, Outgoing, Receipt

    from .settings import AppRobot

_UNTITLED = {"zh": "消息", "en": "Message"}


class AppRobotDriver:
    """
    A `Driver` that is an `Editor`, a `Recaller`, a `Directory` and a `MediaSource` too: all of an app
    robot but the way in, which each kind adds (`http_robot`, `stream_robot`); with ``"receive": "none"``
    it only sends.
    """

    capabilities = Capabilities(
        max_text=openapi.MAX_TEXT,
        measure=openapi.measure,
        measure_markdown=openapi.measure_markdown,
        formats=frozenset({TextFormat.PLAIN, TextFormat.MARKDOWN}),
        attachments=Support.NATIVE,
        buttons=Support.NATIVE,
        edit=Support.NATIVE,
        recall=Support.NATIVE,
        raw=True,
    )

    def __init__(self, instance: InstanceId, robot: AppRobot, toolbox: Toolbox) -> None:
        self.instance = instance
        self._robot = robot
        self._toolbox = toolbox
        self._account = callback.Account(
            instance, robot.robot_code, robot.corp_id, robot.allowed_users, robot.language
        )
        self._encoder = openapi.Encoder(robot.robot_code, _UNTITLED.get(robot.language, "Message"))
        self._api = Api(robot, toolbox)
        self._directory = Directory(self._api, toolbox.clock, robot.app_key)
        self._sessions = Sessions((robot.api_base_url, robot.oapi_base_url))
        self._outbox = Outbox(robot, self._api, self._encoder, self._sessions, toolbox)

    # --- Driver ---

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Raises a `DeliveryError`."""
        return await self._outbox.send(outgoing)

    async def edit(self, message_ids: Sequence[MessageId], outgoing: Outgoing) -> Receipt:
        """Update a card; take back and post anew everything else. Raises a `DeliveryError`."""
        return await self._outbox.edit(message_ids, outgoing)

    async def recall(self, conversation: ConversationId, message_ids: Sequence[MessageId]) -> Receipt:
        """Within 24 hours. Raises a `DeliveryError`."""
        return await self._outbox.recall(conversation, message_ids)

    async def probe(self) -> Sequence[Finding]:
        """Credentials, clock, robot and permission, each proven anew."""
        return await probes.probe(self._api, self._robot)

    # --- Directory ---

    async def users(self) -> Sequence[Entry]:
        """Everybody whom the app may see. Raises a `DeliveryError`."""
        return await self._directory.users()

    async def conversations(self) -> Sequence[Entry]:
        """None: no documented call lists the groups that a robot is in."""
        return ()

    # --- MediaSource ---

    async def public_url(self, ref: str) -> str:
        """``ref`` is a ``downloadCode``. The URL is signed for minutes and holds no secret of ours."""
        try:
            answer = await self._api.call(openapi.DOWNLOAD_PATH, self._encoder.download(ref))
        except Indeterminate as e:  # asking twice does no harm
            raise Transient(str(e), reason=e.reason) from e
        return openapi.decode_download(
            answer.status, answer.headers, answer.body, now=self._toolbox.clock.now()
        )

    @asynccontextmanager
    async def open(self, ref: str) -> AsyncIterator[Opened]:
        """The file behind a ``downloadCode``."""
        async with self._toolbox.fetch(await self.public_url(ref)) as opened:
            yield opened
