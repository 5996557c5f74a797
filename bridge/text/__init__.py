"""Message text: what it says and how it is stressed, in the forms that platforms take."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bridge.text.escape import BREAK, escape
from bridge.text.flavour import NEUTRAL, Flavour
from bridge.text.markdown_in import read_markdown
from bridge.text.markdown_out import write_markdown
from bridge.text.plain import lines, write_plain
from bridge.text.split import split

if TYPE_CHECKING:
    from bridge.text.html_in import read_html
    from bridge.text.html_out import MATRIX, TELEGRAM, write_html
    from bridge.text.spans import Span, SpanKind, flatten, from_spans

__all__ = [
    "BREAK",
    "MATRIX",
    "NEUTRAL",
    "TELEGRAM",
    "Flavour",
    "Span",
    "SpanKind",
    "escape",
    "flatten",
    "from_spans",
    "lines",
    "read_html",
    "read_markdown",
    "split",
    "write_html",
    "write_markdown",
    "write_plain",
]

_FOR_SOME = {
    "read_html": "html_in",
    **dict.fromkeys(("MATRIX", "TELEGRAM", "write_html"), "html_out"),
    **dict.fromkeys(("Span", "SpanKind", "flatten", "from_spans"), "spans"),
}
"""What only some platforms need is imported when one asks for it."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 (whatever it is that is asked for)
    if name not in _FOR_SOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FOR_SOME[name]}"), name)
