"""DingTalk: an app robot that is called over HTTP and posts through the OpenAPI."""

import json
from importlib.resources import files

from bridge.driver import DriverSpec

from . import settings
from .conversations import ADDRESSES, form_of
from .driver import open_

DRIVER = DriverSpec(
    platform="dingtalk",
    schema=json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8")),
    secrets=frozenset({"app_secret", "signing_secret"}),
    addresses=lambda _settings: ADDRESSES,
    form_of=form_of,
    open=open_,
    check=settings.check,
    listen=settings.listen,
)
