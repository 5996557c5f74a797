"""The app robot over Stream: it posts as every app robot, and messages come by `Stream`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from bridge.errors import DeliveryError
from bridge.model import Finding, InboundRequest
from bridge.wild import Wild

from . import callback, probes
from .driver import AppRobotDriver
from .events import normalize_event
from .stream import Stream
from .stream_frames import Kind
from .stream_link import QUIET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.driver import Emit, Toolbox
    from bridge.model import Inbound, InstanceId

    from .settings import AppRobot
    from .stream_frames import Frame

_NONE: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class StreamRobotDriver(AppRobotDriver):
    """A `Driver` that is a `Listener` too, and no `Webhook`. ``quiet`` as `QUIET`."""

    def __init__(
        self, instance: InstanceId, robot: AppRobot, toolbox: Toolbox, *, quiet: float = QUIET
    ) -> None:
        super().__init__(instance, robot, toolbox)
        self._stream = Stream(
            robot.app_key,
            robot.app_secret,
            robot.api_base_url,
            toolbox,
            self._normalize,
            quiet=quiet,
        )

    async def listen(self, emit: Emit) -> None:
        """Until cancelled; raises `JournalBroken` only."""
        await self._stream.listen(emit)

    async def probe(self) -> Sequence[Finding]:
        """Asks for an access token and for a Stream connection, which it does not open."""
        return (*await super().probe(), await self._probe_stream())

    def _normalize(self, frame: Frame) -> Inbound:
        """
        Raises `Malformed` and `Forbidden`. Nothing vouches for a message but the connection: it was
        opened by us, over TLS, with the app's secret.
        """
        body = frame.data.encode("utf-8", "replace")
        now = self._toolbox.clock.now()
        if frame.kind is Kind.EVENT:
            return normalize_event(frame.headers, Wild.parse(body), self._account, now)
        inbound = callback.normalize(
            InboundRequest("POST", "", _NONE, _NONE, body, "", now),
            self._account,
            keep=self._sessions.notice,
        )
        if inbound.ignored == "quota_exhausted":
            self._toolbox.report("quota_exhausted")
        return inbound

    async def _probe_stream(self) -> Finding:
        try:
            ticket = await self._stream.ticket()
        except DeliveryError as e:
            return Finding(
                ok=False,
                what=f"no Stream connection: {e}",
                hint="choose Stream mode on the robot's page in the console and publish the app; see "
                "that api_base_url can be reached",
            )
        return await probes.reach_gateway(self._toolbox, ticket.url)
