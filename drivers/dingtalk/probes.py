"""
What ``doctor`` finds out about an app: its credentials, the clock, its robot, its permission to send.

Nothing is posted. A finding's text is one sentence; what stands behind its first colon is a detail.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from bridge.errors import Broken, DeliveryError, Refused
from bridge.model import Finding

from . import clock_skew, openapi
from .failures import failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.driver import Toolbox

    from .api import Api
    from .settings import AppRobot

STATUS_PATH = "/v1.0/robot/groupMessages/query"
SENDING = "qyapi_robot_sendmsg"
"""The permission without which a robot cannot post."""

_SCOPE = re.compile(r"required scopes: ([A-Za-z_.]+)")
_NO_SUCH = "msgbridge-doctor"
_APPLY = "https://open-dev.dingtalk.com/appscope/apply?content="


async def probe(api: Api, robot: AppRobot) -> tuple[Finding, ...]:
    """Never raises for what DingTalk does; the later findings need the first one to be fine."""
    try:
        await api.grant()
    except DeliveryError as e:
        return (
            Finding(
                ok=False,
                what=f"no access token: {e}",
                hint="compare app_key and app_secret with the page 凭证与基础信息 (Credentials) of the "
                "app, and see that api_base_url can be reached",
            ),
        )
    found = [Finding(ok=True, what="DingTalk grants an access token")]
    if skew := clock_skew.compare(api.date, api.now):
        found.append(skew)
    found.append(await _robot(api, robot))
    found.append(await _permission(api, robot))
    return tuple(found)


async def reach_gateway(toolbox: Toolbox, url: str) -> Finding:
    """
    Whether a Stream connection could be opened to ``url`` (with its ticket, which is not used): a
    second connection of the app would take messages away from the daemon's.
    """
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    try:
        await toolbox.request("GET", f"{scheme}://{parts.netloc}/", headers={})
    except DeliveryError as e:
        return Finding(
            ok=False,
            what=f"the Stream gateway cannot be reached: {parts.hostname}, {e}",
            hint="let this machine open connections to wss-open-connection.dingtalk.com and "
            "wss-open-connection-union.dingtalk.com, port 443",
        )
    return Finding(ok=True, what="DingTalk grants a Stream connection, and its gateway can be reached")


async def _robot(api: Api, robot: AppRobot) -> Finding:
    """Asks for a file that does not exist: the robot is looked at before the file."""
    body = {"downloadCode": _NO_SUCH, "robotCode": robot.robot_code}
    error = await _refusal(api, openapi.DOWNLOAD_PATH, body)
    if _is_missing_permission(error):
        return _ask_for(robot, error)
    if isinstance(error, Refused):
        return Finding(ok=True, what="DingTalk knows the robot")
    return Finding(
        ok=False,
        what=f"the robot could not be looked at: {error}",
        hint="compare robot_code with the page 机器人 (Robot) of the app, and see that the robot is "
        "published there",
    )


async def _permission(api: Api, robot: AppRobot) -> Finding:
    """Asks for the status of a message that does not exist; permissions are looked at before it."""
    body = {"processQueryKey": _NO_SUCH, "robotCode": robot.robot_code, "maxResults": 1}
    error = await _refusal(api, STATUS_PATH, body)
    if _is_missing_permission(error):
        return _ask_for(robot, error)
    if isinstance(error, Refused):
        return Finding(ok=True, what="the app has the permission to send")
    return Finding(
        ok=False,
        what=f"the permission to send could not be looked at: {error}",
        hint="try again later; the first message that is sent will tell",
    )


async def _refusal(api: Api, path: str, body: Mapping[str, object]) -> DeliveryError:
    """How DingTalk refuses a request that cannot succeed."""
    try:
        answer = await api.call(path, json.dumps(body).encode())
    except DeliveryError as e:
        return e
    if answer.status == 200:  # noqa: PLR2004 (HTTP's OK)
        return Refused("there is nothing of that name")
    return failure(answer.status, answer.headers, answer.body, now=api.now)


def _is_missing_permission(error: DeliveryError) -> bool:
    return isinstance(error, Broken) and error.reason == "permission_missing"


def _ask_for(robot: AppRobot, error: DeliveryError) -> Finding:
    named = _SCOPE.search(str(error))
    scope = named.group(1) if named else SENDING
    link = _APPLY + quote(f"{robot.app_key}#{scope}", safe="")
    return Finding(
        ok=False,
        what=f"a permission is missing: {error}",
        hint=f"ask for it on the page 权限管理 (Permissions) of the app, or here: {link}",
    )
