"""Message text: what must happen to it before a platform takes it."""

from bridge.text.split import split

__all__ = ["split"]
