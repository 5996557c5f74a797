"""DingTalk's app robot over Stream, in front of the simulator: nobody calls us."""

from tests.contract.cases import SECRET, Case
from tests.contract.platforms.dingtalk import CONVERSATION, opener

_SETTINGS = {
    "app_key": "dingsimappkey0000001",
    "app_secret": SECRET,
    "receive": "stream",
    "allowed_users": "*",
}

CASE = Case(settings=_SETTINGS, open=opener(_SETTINGS), conversation=CONVERSATION)
