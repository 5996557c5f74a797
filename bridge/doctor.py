"""
Live probes of configured accounts, each with what to do about it.

What a driver's `Finding` says is one sentence; behind its first colon stand details, as they are: an
error's words, an address. The sentence is what is translated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

from bridge.clock import Clock
from bridge.config import Config, Instance
from bridge.driver import Driver, Webhook
from bridge.errors import DeliveryError
from bridge.i18n import Speak
from bridge.instances import open_driver
from bridge.metrics import Metrics
from bridge.model import ConversationRef, Finding, Outgoing
from bridge.phrases import Phrase

TEST_TEXT = {
    "en": "A test of msgbridge: this conversation can be reached.",
    "zh": "msgbridge 测试：这个会话可以送达。",
}


async def examine(
    instance: Instance,
    config: Config,
    clock: Clock,
    metrics: Metrics,
    *,
    within: float = 30.0,
    send_test: bool = False,
) -> tuple[Finding, ...]:
    """
    All that can be found out about one account within so many seconds, or that it took longer.

    With ``send_test`` an account that has exactly one conversation posts a message there. Opens
    nothing that could take messages from a running daemon.
    """
    if not instance.enabled:
        return (Finding(ok=True, what='nothing was tried: it says "enabled": false'),)
    async with open_driver(instance, clock, metrics) as driver:
        findings = list(_callback(instance, config, driver))
        try:
            async with asyncio.timeout(within):
                findings += await driver.probe()
                if send_test:
                    findings += await _test(instance, driver)
        except TimeoutError:
            findings.append(
                Finding(
                    ok=False,
                    what=f"the platform did not answer in time: {within:.0f} s",
                    hint="look at firewalls and proxies between this machine and the platform",
                )
            )
        return tuple(findings)


def said(text: str, speak: Speak) -> str:
    """A finding's text in the reader's language, as far as it is known there."""
    whole = _spoken(text, speak)
    sentence, colon, detail = text.partition(": ")
    if whole != text or not colon:
        return whole
    return f"{_spoken(sentence, speak)}: {detail}"


def _spoken(text: str, speak: Speak) -> str:
    return speak(Phrase(text.replace("{", "{{").replace("}", "}}")))


def _callback(instance: Instance, config: Config, driver: Driver) -> Iterator[Finding]:
    """The address that the platform must call."""
    place = instance.listen
    if place is None or not isinstance(driver, Webhook):
        return
    public = config.global_.public_url.rstrip("/")
    if public:
        https = urlsplit(public).scheme == "https"
        yield Finding(
            ok=https,
            what=f"the callback address is this: {public}{place.path}",
            hint="" if https else "write https:// in public_url, and put a proxy with TLS in front",
        )
        return
    host = config.global_.http.host
    yield Finding(
        ok=True,
        what=f"the callback address is this: https://YOUR-HOST{place.path}",
        hint=f"it must lead to this machine's listener; set public_url to be told exactly: "
        f"{host}:{place.port}{place.path}",
    )


async def _test(instance: Instance, driver: Driver) -> tuple[Finding, ...]:
    """Only where there is no choice of a conversation, nobody is disturbed by mistake."""
    alone = [form for form in instance.spec.addresses(instance.settings) if not form.required]
    if not alone:
        return (
            Finding(
                ok=True,
                what="no test message was sent: this account has many conversations",
            ),
        )
    outgoing = Outgoing(
        destination=ConversationRef(instance.id, alone[0].conversation({})),
        text=TEST_TEXT.get(instance.language, TEST_TEXT["en"]),
        idempotency_key=f"doctor:{instance.id}",
    )
    try:
        await driver.send(outgoing)
    except DeliveryError as e:
        return (
            Finding(
                ok=False,
                what=f"the test message was not taken: {e}",
                hint="what the platform says is the place to look at",
            ),
        )
    return (Finding(ok=True, what="the test message was taken"),)
