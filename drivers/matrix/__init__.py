"""Matrix: one bot account on one homeserver."""

import json
from importlib.resources import files

from bridge.driver import DriverSpec

from . import settings
from .opening import open_

DRIVER = DriverSpec(
    platform="matrix",
    schema=json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8")),
    secrets=frozenset({"access_token", "password"}),
    addresses=lambda _settings: settings.ADDRESSES,
    form_of=settings.form_of,
    address_of=settings.address_of,
    open=open_,
    check=settings.check,
)
