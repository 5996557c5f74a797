"""A Telegram bot that asks for its updates, in front of the simulator: nobody calls us."""

from tests.contract.cases import Case
from tests.contract.platforms.telegram import CONVERSATION, TOKEN, opener

_SETTINGS = {"token": TOKEN}

CASE = Case(settings=_SETTINGS, open=opener(_SETTINGS), conversation=CONVERSATION)
