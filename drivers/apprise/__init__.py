"""Everything that Apprise reaches: push services, SMS, mail and more than a hundred others; out only."""

import json
from importlib.resources import files

from bridge.driver import DriverSpec

from . import settings
from .driver import open_

DRIVER = DriverSpec(
    platform="apprise",
    schema=json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8")),
    secrets=frozenset({"urls"}),
    addresses=lambda _settings: settings.ADDRESSES,
    form_of=lambda _conversation: settings.ADDRESSES[0].name,
    open=open_,
    check=settings.check,
)
