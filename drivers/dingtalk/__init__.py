"""DingTalk: an app robot that is called over HTTP and posts through the OpenAPI."""

import json
from contextlib import AbstractAsyncContextManager
from importlib.resources import files

from bridge.driver import DriverSpec, Settings, Stage

from . import settings
from .conversations import ADDRESSES, form_of
from .driver import open_


def _stage(instance: Settings) -> AbstractAsyncContextManager[Stage]:
    from .stage import open_stage  # noqa: PLC0415  # the simulator is for demos, not for every start

    return open_stage(instance)


DRIVER = DriverSpec(
    platform="dingtalk",
    schema=json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8")),
    secrets=frozenset({"app_secret", "signing_secret"}),
    addresses=lambda _settings: ADDRESSES,
    form_of=form_of,
    open=open_,
    check=settings.check,
    listen=settings.listen,
    stage=_stage,
)
