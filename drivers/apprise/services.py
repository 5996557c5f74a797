"""The library: one of its plugins for each URL. All of this blocks, so it runs in a thread."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.errors import DeliveryError, Indeterminate
from bridge.model import Outgoing, TextFormat

from .overheard import hush, overheard
from .wire import Form, Manner, failure, letter

if TYPE_CHECKING:
    from apprise import NotifyBase

_NEVER_PINGS = frozenset(
    "form forms gotify gotifys json jsons mailto mailtos ntfy ntfys syslog xml xmls".split()  # noqa: SIM905 (a row of names)
)
_OVER_HTTP = frozenset({"NotifyForm", "NotifyGotify", "NotifyJSON", "NotifyMattermost", "NotifyXML"})
"""Plugins whose host is a host (with others it may be a token), and speaks HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """
    One URL. ``front`` is the address of the server itself, without anything secret; empty where that
    cannot be told from the URL.
    """

    name: str
    manner: Manner
    front: str
    plugin: NotifyBase = field(repr=False)

    def post(self, outgoing: Outgoing) -> DeliveryError | None:
        """None once the service has taken it. Blocks for as long as the plugin likes; raises nothing."""
        from apprise import NotifyFormat, OverflowMode  # noqa: PLC0415  # loaded by `service_of`

        with overheard() as said:
            try:
                asked = Form.MARKDOWN if outgoing.format is TextFormat.MARKDOWN else Form.TEXT
                form = self.plugin.resolve_format(NotifyFormat(asked))
                sheet = letter(outgoing, Form(form.value), self.manner)
                taken = self.plugin.notify(
                    body=sheet.body, title=sheet.title, body_format=form, overflow=OverflowMode.SPLIT
                )
            except Exception as e:  # noqa: BLE001 (a hundred plugins; their errors may show the URL)
                what = f"{self.name}: its plugin failed ({type(e).__name__})"
                return Indeterminate(what, reason="plugin_failed")
        return None if taken else failure(self.name, said)


def is_installed() -> bool:
    """Nothing is imported."""
    return importlib.util.find_spec("apprise") is not None


def service_of(url: str) -> Service | None:
    """
    None where Apprise does not understand the URL. The first call loads the library: a quarter of a
    second, and some tens of megabytes.
    """
    hush()
    import apprise  # noqa: PLC0415  # who does not use it does not pay for it

    asset = apprise.AppriseAsset(
        app_id="msgbridge",
        app_desc="msgbridge",
        secure_logging=True,
        storage_mode=apprise.PersistentStoreMode.MEMORY,  # it writes no files of its own
    )
    plugin = apprise.Apprise.instantiate(url, asset=asset)
    if plugin is None:
        return None
    scheme = url.strip().partition("://")[0].lower()
    return Service(
        name=str(plugin.service_name),
        manner=Manner(
            limit=plugin.body_maxlen,
            has_titles=plugin.title_maxlen > 0,
            pings=scheme not in _NEVER_PINGS,
        ),
        front=_front(plugin),
        plugin=plugin,
    )


def _front(plugin: NotifyBase) -> str:
    if type(plugin).__name__ not in _OVER_HTTP or not plugin.verify_certificate:
        return ""
    port = f":{plugin.port}" if plugin.port else ""
    return f"{'https' if plugin.secure else 'http'}://{plugin.host}{port}/"
