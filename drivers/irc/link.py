"""The socket: TCP or TLS, lines in and bytes out, each within a time and a size."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import ssl
from typing import TYPE_CHECKING, Self

from bridge.errors import Broken, Scope, Transient

if TYPE_CHECKING:
    from types import TracebackType

    from .settings import Account

MAX_LINE = 16 << 10
"""Bytes; tags may have 8,191 and the rest 512. https://ircv3.net/specs/extensions/message-tags"""
_MAX_UNSENT = 1 << 20
_CONNECT_WITHIN = 15.0
_CLOSE_WITHIN = 1.0


class Link:
    """Made by `open`. One task reads, any may write."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, account: Account) -> Self:
        """Raises `Transient`, or `Broken` where an operator must change something."""
        context = tls_context(account) if account.tls else None
        where = f"{account.host}:{account.port}"
        try:
            async with asyncio.timeout(_CONNECT_WITHIN):
                reader, writer = await asyncio.open_connection(
                    account.host, account.port, ssl=context, limit=MAX_LINE
                )
        except ssl.SSLCertVerificationError as e:
            why = e.verify_message or "not good for this name"
            raise Broken(
                f"the certificate of {where} was not accepted: {why}",
                reason="certificate",
                scope=Scope.INSTANCE,
            ) from None
        except ssl.SSLError as e:
            raise Transient(f"no TLS with {where}: {e.reason or e}", reason="tls_failed") from None
        except TimeoutError:
            raise Transient(f"could not connect to {where}: timed out", reason="connect_failed") from None
        except OSError as e:
            # asyncio's own words repeat the address; a name that is not known has no errno of the system
            why = os.strerror(e.errno) if e.errno and e.errno > 0 else e.strerror or type(e).__name__
            raise Transient(f"could not connect to {where}: {why}", reason="connect_failed") from None
        link = cls(reader, writer)
        if account.tls_fingerprint and not link.has_fingerprint(account.tls_fingerprint):
            link.abort()
            raise Broken(
                f"the certificate of {where} does not have the tls_fingerprint of the settings",
                reason="certificate",
                scope=Scope.INSTANCE,
            )
        return link

    def has_fingerprint(self, wanted: str) -> bool:
        """Whether the peer's certificate has this SHA-256, in hex."""
        tls = self._writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls else None
        found = hashlib.sha256(certificate).hexdigest() if certificate else ""
        return hmac.compare_digest(found, wanted)

    @property
    def encryption(self) -> str:
        """Like ``TLSv1.3``; empty without."""
        tls = self._writer.get_extra_info("ssl_object")
        return (tls.version() or "") if tls else ""

    async def read(self, within: float) -> bytes | None:
        """
        The next line without its end, empty where nothing came in time; None at the end of all.

        Raises `Transient` for a line that is too long, or a connection that broke.
        """
        try:
            async with asyncio.timeout(within):
                line = await self._reader.readuntil(b"\n")
        except TimeoutError:
            return b""
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            raise Transient("the server sent a line that is no line of IRC", reason="bad_line") from None
        except (OSError, ssl.SSLError) as e:
            why = getattr(e, "strerror", None) or type(e).__name__
            raise Transient(f"the connection broke: {why}", reason="connection_lost") from None
        return line.rstrip(b"\r\n")

    def write(self, sent: bytes) -> None:
        """Never waits. A peer that takes nothing is cut off: what waits for it would grow for ever."""
        if self._writer.is_closing():
            return
        self._writer.write(sent)
        if self._writer.transport.get_write_buffer_size() > _MAX_UNSENT:
            self.abort()

    def abort(self) -> None:
        """Cut it."""
        self._writer.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye, and do not wait for long."""
        self.write(b"QUIT :msgbridge\r\n")
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError, ssl.SSLError):
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._writer.wait_closed()
        self.abort()


def tls_context(account: Account) -> ssl.SSLContext:
    """Raises `Broken` where a file of the settings cannot be used."""
    try:
        context = ssl.create_default_context(cafile=account.tls_ca_file or None)
        if account.tls_fingerprint or not account.tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if account.tls_cert_file:
            context.load_cert_chain(account.tls_cert_file, account.tls_key_file or None)
    except OSError as e:  # ssl.SSLError is one
        why = e.strerror or type(e).__name__
        raise Broken(
            f"tls_ca_file, tls_cert_file or tls_key_file cannot be used: {why}",
            reason="certificate_file",
            scope=Scope.INSTANCE,
        ) from None
    return context
