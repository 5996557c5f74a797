"""
Bodies of robot callbacks as DingTalk sends them, for the simulator.

All ids are made up. Shapes: https://open.dingtalk.com/document/orgapp/receive-message
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ROBOT_USER = "$:LWCP_v1:$simbot00000000000000001"
_SESSION_SECONDS = 5400


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture inside a rich text, by its ``downloadCode``."""

    download_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """
    Where somebody writes, and who. An empty ``staff_id`` is somebody from outside.

    Each method makes one body: ``message_id`` is the platform's, ``at_ms`` milliseconds since 1970.
    """

    robot_code: str
    conversation_id: str = "cidSimGroup0000000001=="
    title: str = "仿真群"
    direct: bool = False
    staff_id: str = "manager1001"
    nick: str = "测试用户"
    corp_id: str = "dingsimcorp0000000001"

    def text(
        self, content: str, *, message_id: str, at_ms: int, mentioned: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """``mentioned`` are staff ids besides the robot. DingTalk leaves a blank where the @ was."""
        body = self._body("text", message_id, at_ms, mentioned)
        return {**body, "text": {"content": content if self.direct else f" {content}"}}

    def rich_text(self, *parts: str | Picture, message_id: str, at_ms: int) -> dict[str, Any]:
        items = [
            {"text": part} if isinstance(part, str) else {"type": "picture", **_codes(part.download_code)}
            for part in parts
        ]
        return {**self._body("richText", message_id, at_ms), "content": {"richText": items}}

    def picture(self, download_code: str, *, message_id: str, at_ms: int) -> dict[str, Any]:
        return {**self._body("picture", message_id, at_ms), "content": _codes(download_code)}

    def audio(
        self, download_code: str, recognition: str, *, message_id: str, at_ms: int
    ) -> dict[str, Any]:
        """Direct chats only, as all that follow. ``recognition`` is DingTalk's speech to text."""
        content = {"duration": 4000, "downloadCode": download_code, "recognition": recognition}
        return {**self._body("audio", message_id, at_ms), "content": content}

    def video(self, download_code: str, *, message_id: str, at_ms: int) -> dict[str, Any]:
        content = {"duration": "5", "videoType": "mp4", "downloadCode": download_code}
        return {**self._body("video", message_id, at_ms), "content": content}

    def file(self, download_code: str, name: str, *, message_id: str, at_ms: int) -> dict[str, Any]:
        content = {
            "spaceId": "2230000573",
            "fileName": name,
            "downloadCode": download_code,
            "fileId": "11700000848",
        }
        return {**self._body("file", message_id, at_ms), "content": content}

    def _body(
        self, msgtype: str, message_id: str, at_ms: int, mentioned: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "senderPlatform": "Mac",
            "conversationId": self.conversation_id,
            "chatbotCorpId": self.corp_id,
            "chatbotUserId": ROBOT_USER,
            "msgId": message_id,
            "senderNick": self.nick,
            "isAdmin": False,
            "sessionWebhookExpiredTime": at_ms + _SESSION_SECONDS * 1000,
            "createAt": at_ms,
            "senderCorpId": self.corp_id,
            "conversationType": "1" if self.direct else "2",
            "senderId": "$:LWCP_v1:$simsender0000000000001",
            "sessionWebhook": "https://oapi.dingtalk.com/robot/sendBySession?session=" + "0" * 32,
            "robotCode": self.robot_code,
            "msgtype": msgtype,
        }
        if self.staff_id:
            body["senderStaffId"] = self.staff_id
        if not self.direct:
            body["conversationTitle"] = self.title
            body["isInAtList"] = True
            body["atUsers"] = [
                {"dingtalkId": ROBOT_USER, "staffId": "", "unionId": ""},
                *({"dingtalkId": f"$:LWCP_v1:${user}", "staffId": user} for user in mentioned),
            ]
        return body


def _codes(download_code: str) -> dict[str, str]:
    return {"pictureDownloadCode": f"small-{download_code}", "downloadCode": download_code}
