"""Every exception of the bridge, as one tree. What a caller must do next is told by the type alone."""

from enum import StrEnum


class BridgeError(Exception):
    """Anything that the bridge raises on purpose."""


class ConfigError(BridgeError):
    """An operator must change a file."""


class JournalError(BridgeError):
    """The journal cannot keep what it is given. Nothing was promised to anybody."""


class JournalFull(JournalError):
    """The high-water mark is reached, or the disk is full; ``retry_after`` in seconds."""

    def __init__(self, message: str, *, retry_after: float = 30.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class JournalBroken(JournalError):
    """The storage failed (EIO, a failed fsync, damage): stop accepting, exit 74."""


class IngressError(BridgeError):
    """A peer sent what we will not take; ``status`` is the HTTP answer."""

    status = 400


class Malformed(IngressError):
    """Not what the platform sends."""

    status = 400


class Unverified(IngressError):
    """Who sent it is not proven."""

    status = 401


class Forbidden(IngressError):
    """Proven, but meant for somebody else."""

    status = 403


class Unsupported(IngressError):
    """Understood and acknowledged, but nothing that a bridge can carry; ``reason`` is a metric label."""

    status = 200

    def __init__(self, message: str, *, reason: str = "unsupported") -> None:
        super().__init__(message)
        self.reason = reason


class Scope(StrEnum):
    """How much of an instance an error speaks of."""

    CONVERSATION = "conversation"
    INSTANCE = "instance"


class DeliveryError(BridgeError):
    """
    A driver could not deliver.

    ``reason`` is a closed word fit for a metric label; the message is for people and holds no secret.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        retry_after: float | None = None,
        scope: Scope = Scope.CONVERSATION,
    ) -> None:
        super().__init__(message)
        self.reason = reason or type(self).__name__.lower()
        self.retry_after = retry_after
        self.scope = scope


class Transient(DeliveryError):
    """Nothing was sent; try again, after ``retry_after`` seconds if the platform names them."""


class Throttled(DeliveryError):
    """The platform asks for patience. Never counts as an attempt; pauses ``scope``."""


class Refused(DeliveryError):
    """The platform will never take this message; the lane goes on."""


class Broken(DeliveryError):
    """An operator is needed (token revoked, robot removed): ``scope`` is suspended, its messages wait."""


class Indeterminate(DeliveryError):
    """The request left, the answer never came: it may have been delivered."""
