"""The final text of a route, as `check` and `route` show it, by the code that renders for real."""

from __future__ import annotations

from collections.abc import Callable

from bridge import composing
from bridge.config import Config
from bridge.errors import Refused
from bridge.model import AttachmentMode, Envelope, Route, TextFormat
from bridge.render import Style, text_of


def previewer(config: Config) -> Callable[[Route, Envelope], str]:
    """
    Texts without a late mark, Markdown where it is asked for, as for a platform that knows it;
    attachments with a URL are listed below, as links are.
    """

    def preview(route: Route, envelope: Envelope) -> str:
        source = config.instances.get(envelope.source.instance)
        target = config.instances.get(route.destination.instance)
        style = Style(
            language=target.language if target else config.global_.language,
            late_after=config.global_.delivery.late_after,
        )
        platform = source.platform if source else ""
        try:
            text = text_of(envelope, route.plan, platform=platform, style=style)
        except Refused as e:  # for real it becomes a dead letter that says so
            return f"[{e}]"
        if route.plan.attachments is AttachmentMode.DROP:
            return text
        format_ = composing.format_of(envelope, route.plan, frozenset(TextFormat))
        urls = (attachment.url for attachment in envelope.message.attachments)
        links = [composing.link_line(url, format_) for url in urls if url]
        return composing.below(text, links, format_) if links else text

    return preview
