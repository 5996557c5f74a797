"""
Signed DingTalk callbacks, as the platform posts them for an app robot in HTTP mode.

https://open.dingtalk.com/document/orgapp/receive-message
"""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass

from bench.wire import request

SIGNING_SECRET = "bench-signing-secret-0123456789"
ROBOT_CODE = "dingbench0000000001"
PATH = "/dingtalk/event"
SHARED_SIGNATURE = 32
"""Messages that share one signature; the bridge lets one vouch for at most 64."""


def signature(timestamp_ms: int) -> dict[str, str]:
    """The headers ``timestamp`` and ``sign``: HMAC-SHA256 of the timestamp, not of the body."""
    text = f"{timestamp_ms}\n{SIGNING_SECRET}".encode()
    digest = hmac.new(SIGNING_SECRET.encode(), text, hashlib.sha256).digest()
    return {"timestamp": str(timestamp_ms), "sign": base64.b64encode(digest).decode()}


@dataclass(frozen=True, slots=True)
class Callback:
    """One message that a person writes in a group where the robot is."""

    conversation: str
    message_id: str
    text: str

    def body(self) -> bytes:
        now = time.time_ns() // 1_000_000
        event = {
            "senderPlatform": "Mac",
            "conversationId": self.conversation,
            "atUsers": [{"dingtalkId": "$:LWCP_v1:$bench0000000000000001", "staffId": ""}],
            "chatbotCorpId": "dingbenchcorp00000001",
            "chatbotUserId": "$:LWCP_v1:$bench0000000000000001",
            "msgId": self.message_id,
            "senderNick": "测试用户",
            "isAdmin": False,
            "senderStaffId": "manager1001",
            "sessionWebhookExpiredTime": now + 5_400_000,
            "createAt": now,
            "senderCorpId": "dingbenchcorp00000001",
            "conversationType": "2",
            "senderId": "$:LWCP_v1:$benchsender000000000001",
            "conversationTitle": "压测群",
            "isInAtList": True,
            "sessionWebhook": "https://oapi.dingtalk.com/robot/sendBySession?session=0001",
            "robotCode": ROBOT_CODE,
            "msgtype": "text",
            "text": {"content": f" {self.text}"},
        }
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()

    def on_the_wire(self, port: int, signed: dict[str, str]) -> bytes:
        """The whole request for an ingress on ``port``."""
        headers = {"Content-Type": "application/json; charset=utf-8", **signed}
        return request(PATH, port, self.body(), headers)


def source(number: int) -> str:
    """The group where messages are written."""
    return f"cidSrc{number:06d}=="


def destination(number: int) -> str:
    """The group that a rule forwards them to."""
    return f"cidDst{number:06d}=="


def burst(port: int, run: str, count: int, *, groups: int, connections: int) -> list[bytes]:
    """
    ``count`` callbacks over ``groups`` conversations, round robin.

    Connection c of n sends every n-th of them, so its messages to one conversation have an order that
    can be checked: the text begins with conversation, connection and number. ``run`` keeps the
    message ids of two bursts apart. Signatures lie a few milliseconds apart in the past, each shared
    by `SHARED_SIGNATURE` messages.
    """
    now = time.time_ns() // 1_000_000
    requests = []
    signed: dict[str, str] = {}
    for i in range(count):
        if i % SHARED_SIGNATURE == 0:
            signed = signature(now - i // SHARED_SIGNATURE)
        text = f"{i % groups:06d} {i % connections:03d} {i:07d} build passed, 构建通过"
        callback = Callback(source(i % groups), f"msg{run}{i:07d}==", text)
        requests.append(callback.on_the_wire(port, signed))
    return requests
