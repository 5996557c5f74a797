"""Who listens where: one port and path belongs to one instance, the status port to none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.config import StatusServer
from bridge.driver import Listen
from bridge.model import InstanceId
from bridge.phrases import phrase
from bridge.problems import quoted
from bridge.problems.document import Node
from bridge.problems.reader import Reader


@dataclass(frozen=True, slots=True)
class Listener:
    """An instance that is called, and its node in config.json."""

    instance: InstanceId
    listen: Listen
    node: Node
    members: Mapping[str, Node]

    def place(self, key: str) -> Node:
        """Where ``key`` was written; the instance where it was left to its default."""
        return self.members.get(key, self.node)


def check_listeners(
    listeners: Sequence[Listener], status: StatusServer, global_: Node, reader: Reader
) -> None:
    """``global_`` is where the status server's port stands, or should."""
    taken: dict[Listen, Listener] = {}
    for listener in listeners:
        listen = listener.listen
        if listen in taken:
            first = taken[listen]
            free = _free_path(listener, {other.listen for other in listeners})
            reader.report(
                "E203",
                listener.place("listen_path").span
                if "listen_path" in listener.members
                else listener.node.name,
                phrase(
                    "instance {name} listens at port {port}, path {path}, as instance {other} does",
                    name=quoted(listener.instance),
                    port=listen.port,
                    path=listen.path,
                    other=quoted(first.instance),
                ),
                phrase('write "listen_path": {path}', path=quoted(free)),
                second=first.place("listen_path").span
                if "listen_path" in first.members
                else first.node.name,
                second_label=phrase("the first one"),
            )
        taken.setdefault(listen, listener)
    for listener in listeners:
        if status.enabled and listener.listen.port == status.port:
            port = listener.members.get("listen_port")
            reader.report(
                "E204",
                port.span if port else listener.node.name,
                phrase(
                    "instance {name} listens at port {port}, which is the status server's",
                    name=quoted(listener.instance),
                    port=status.port,
                ),
                phrase('choose another "listen_port", or another "port" in "status" of "global"'),
                second=_status_port(global_),
                second_label=phrase("the status server's port"),
            )


def _free_path(listener: Listener, taken: set[Listen]) -> str:
    path = f"{listener.listen.path.rstrip('/')}/{listener.instance}"
    number = 2
    free = path
    while Listen(listener.listen.port, free) in taken:
        free = f"{path}-{number}"
        number += 1
    return free


def _status_port(global_: Node) -> tuple[int, int] | None:
    """None where the port is the default."""
    node: Node | None = global_
    for key in ("status", "port"):
        node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
    return node.span if node else None
