"""The listening ports: opened and closed while the daemon runs, without losing what was received."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from bridge.config import Http
from bridge.errors import BridgeError
from bridge.ingress import Ingress, Mounts
from bridge.listening import Answer, listen


class CannotListen(BridgeError):
    """A port cannot be had; the message names it."""


@dataclass(frozen=True, slots=True)
class Door:
    """One open port. ``port`` is the real one, ``ingress`` says who is called on which path."""

    ingress: Ingress
    port: int
    opened: AsyncExitStack


@dataclass(slots=True, kw_only=True)
class Doors:
    """
    All ports on which platforms call. ``new_ingress`` makes one that answers 503 until its mounts
    are set. With ``any_port`` the configured ports only tell the doors apart.
    """

    http: Http
    any_port: bool
    new_ingress: Callable[[], Ingress]
    open: dict[int, Door] = field(default_factory=dict)

    async def prepare(self, ports: Iterable[int]) -> dict[int, Door]:
        """Open those that are not open yet. Raises `CannotListen`; none of them is open then."""
        opened: dict[int, Door] = {}
        try:
            for port in ports:
                if port not in self.open:
                    opened[port] = await self._open(port)
        except BaseException:
            await self.retire(opened.values())
            raise
        return opened

    def take(self, opened: Mapping[int, Door], mounts: Mapping[int, Mounts]) -> tuple[Door, ...]:
        """Swap who is called where, between two requests; the doors that are not needed any more."""
        self.open.update(opened)
        unused = [port for port in self.open if port not in mounts]
        old = tuple(self.open.pop(port) for port in unused)
        for port, paths in mounts.items():
            self.open[port].ingress.mount(paths)
        return old

    async def retire(self, old: Iterable[Door]) -> None:
        """Answer what was received there, then close."""
        for door in old:
            await door.opened.aclose()

    async def close(self) -> None:
        """All of them."""
        await self.retire(self.open.values())

    async def _open(self, port: int) -> Door:
        ingress = self.new_ingress()
        opened = AsyncExitStack()
        real = await opened.enter_async_context(
            open_port(ingress.answer, self.http.host, port, self.http, any_port=self.any_port)
        )
        return Door(ingress, real, opened)


@asynccontextmanager
async def open_port(
    answer: Answer, host: str, port: int, http: Http, *, any_port: bool = False
) -> AsyncIterator[int]:
    """`listen` with the limits of the configuration. Raises `CannotListen`."""
    async with AsyncExitStack() as stack:
        try:
            real = await stack.enter_async_context(
                listen(
                    answer,
                    host,
                    0 if any_port else port,
                    max_connections=http.max_connections,
                    header_timeout=http.header_timeout,
                )
            )
        except OSError as e:
            raise CannotListen(f"cannot listen on {host}:{port}: {e.strerror or e}") from e
        yield real
