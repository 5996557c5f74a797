"""A generic JSON webhook, signed by Standard Webhooks: the way in and out for any script."""

import json
from importlib.resources import files

from bridge.driver import DriverSpec

from . import settings
from .driver import open_

DRIVER = DriverSpec(
    platform="webhook",
    schema=json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8")),
    secrets=frozenset({"url", "secret", "headers"}),
    addresses=lambda _settings: settings.ADDRESSES,
    form_of=lambda _conversation: settings.ADDRESSES[0].name,
    open=open_,
    check=settings.check,
    listen=settings.listen,
)
