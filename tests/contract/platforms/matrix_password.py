"""Matrix with a password, in front of the same homeserver."""

from tests.contract.cases import SECRET, Case
from tests.contract.platforms.matrix import CONVERSATION, opener

_SETTINGS = {
    "homeserver_url": "https://matrix.example.com",
    "user_id": "@bridge:hs.test",
    "password": SECRET,
    "rooms": [CONVERSATION],
}

CASE = Case(settings=_SETTINGS, open=opener(_SETTINGS), conversation=CONVERSATION)
