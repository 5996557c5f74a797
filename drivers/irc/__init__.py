"""IRC: one connection to one network, under one nick."""

import json
from importlib.resources import files

from bridge.driver import DriverSpec

from . import settings
from .driver import open_

DRIVER = DriverSpec(
    platform="irc",
    schema=json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8")),
    secrets=frozenset({"server_password", "sasl_password", "nickserv_password", "channel_keys"}),
    addresses=lambda _settings: settings.ADDRESSES,
    form_of=settings.form_of,
    address_of=settings.address_of,
    open=open_,
    check=settings.check,
)
