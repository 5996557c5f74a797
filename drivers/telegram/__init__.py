"""Telegram: a bot in groups, topics, channels and direct chats, over the Bot API."""

import json
from importlib import resources

from bridge.driver import DriverSpec

from . import settings
from .conversations import ADDRESSES, address_of, form_of
from .driver import open_

DRIVER = DriverSpec(
    platform="telegram",
    schema=json.loads(resources.files(__package__).joinpath("schema.json").read_text(encoding="utf-8")),
    secrets=frozenset({"token", "webhook_secret"}),
    addresses=lambda _settings: ADDRESSES,
    form_of=form_of,
    address_of=address_of,
    open=open_,
    check=settings.check,
    listen=settings.listen,
)
