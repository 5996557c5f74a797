"""DingTalk: app robots, which hear and speak, and group robots, which only speak."""

from contextlib import AbstractAsyncContextManager

from bridge.driver import DriverSpec, Settings, Stage

from . import settings
from .conversations import address_of, addresses, form_of
from .opening import open_
from .schema import SCHEMA


def _stage(instance: Settings) -> AbstractAsyncContextManager[Stage]:
    from .stage import open_stage  # noqa: PLC0415  # the simulator is for demos, not for every start

    return open_stage(instance)


DRIVER = DriverSpec(
    platform="dingtalk",
    schema=SCHEMA,
    secrets=frozenset(
        {
            "app_secret",
            "signing_secret",
            "callback_token",
            "callback_aes_key",
            "outgoing_token",
            "webhook_url",
            "sign_secret",
        }
    ),
    addresses=addresses,
    form_of=form_of,
    address_of=address_of,
    open=open_,
    check=settings.check,
    listen=settings.listen,
    stage=_stage,
)
