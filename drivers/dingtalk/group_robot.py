"""The group robot: an account that only posts, into the one group that its webhook belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.errors import DeliveryError
from bridge.model import Capabilities, Finding, RateLimit, Support, TextFormat

from . import clock_skew, robot_send
from .markdown import in_dialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.driver import Toolbox
    from bridge.model import InstanceId, Outgoing, Receipt

    from .group_settings import GroupRobot

# 20 messages in any minute, or it is blocked for ten:
# https://open.dingtalk.com/document/robots/custom-robot-access
LIMIT = RateLimit(20, 60.0)


class GroupRobotDriver:
    """A `Driver`, and nothing else: DingTalk never calls it, and gives no id to recall by."""

    def __init__(self, instance: InstanceId, robot: GroupRobot, toolbox: Toolbox) -> None:
        self.instance = instance
        self._robot = robot
        self._toolbox = toolbox
        self._wording = robot_send.WORDINGS.get(robot.language, robot_send.Wording())
        self.capabilities = Capabilities(
            max_text=robot_send.max_text(robot.keyword),
            measure=robot_send.measure,
            measure_markdown=robot_send.measure_markdown,
            formats=frozenset({TextFormat.PLAIN, TextFormat.MARKDOWN}),
            mention=Support.NATIVE,
            buttons=Support.NATIVE,
            rate_limit=LIMIT,
        )

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Post once. Raises a `DeliveryError`. The receipt has no id: DingTalk gives none."""
        outgoing = in_dialect(outgoing, robot_send.measure, self.capabilities.max_text)
        posted = robot_send.encode(outgoing, self._wording, keyword=self._robot.keyword)
        now = self._toolbox.clock.now()
        url = robot_send.signed(self._robot.webhook_url, self._robot.sign_secret, now)
        answer = await self._toolbox.request("POST", url, body=posted.body, headers=robot_send.HEADERS)
        robot_send.decode(answer.status, answer.headers, answer.body, now=now)
        return posted.receipt

    async def probe(self) -> Sequence[Finding]:
        """Reaches the webhook's host and compares clocks. The token only a post can prove."""
        parts = urlsplit(self._robot.webhook_url)
        try:
            answer = await self._toolbox.request("HEAD", f"{parts.scheme}://{parts.netloc}/", headers={})
        except DeliveryError as e:
            return (
                Finding(
                    ok=False,
                    what=f"the webhook's host cannot be reached: {e}",
                    hint="compare the host in webhook_url with the robot's settings, and see that a "
                    "firewall or proxy lets it through",
                ),
            )
        reached = Finding(
            ok=True,
            what="the webhook's host can be reached; whether it knows the token only a message shows",
        )
        skew = clock_skew.compare(answer.headers.get("Date", ""), self._toolbox.clock.now())
        return (reached, skew) if skew is not None and self._robot.sign_secret else (reached,)
