"""The final text of a route, as `check` and `route` show it, by the code that renders for real."""

from __future__ import annotations

from collections.abc import Callable

from bridge.config import Config
from bridge.model import AttachmentMode, Envelope, Route
from bridge.render import Style, text_of


def previewer(config: Config) -> Callable[[Route, Envelope], str]:
    """Texts without a late mark; attachments with a URL are listed below, as links are."""

    def preview(route: Route, envelope: Envelope) -> str:
        source = config.instances.get(envelope.source.instance)
        target = config.instances.get(route.destination.instance)
        style = Style(
            language=target.language if target else config.global_.language,
            late_after=config.global_.delivery.late_after,
        )
        platform = source.platform if source else ""
        text = text_of(envelope, route.plan, platform=platform, style=style)
        if route.plan.attachments is AttachmentMode.DROP:
            return text
        links = [attachment.url for attachment in envelope.message.attachments if attachment.url]
        return "\n".join([text.rstrip(), *links]) if links else text

    return preview
