"""IRC, in front of a scripted server; real ones are in tests/drivers/test_irc_servers.py."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from bridge.model import ConversationId
from drivers.irc import DRIVER
from tests.contract.cases import SECRET, Behaviour, Case, Stage, opened
from tests.contract.servers import closed_port
from tests.drivers.irc.scripted import Guest, Scripted

_CHANNEL = "#team"
_REFUSALS = {
    Behaviour.NO: f"936 bridge {_CHANNEL} word :Your message contained a censored word, not with {SECRET}",
    Behaviour.WHO: f"404 bridge {_CHANNEL} :Cannot send to channel, not with {SECRET}",
    Behaviour.BUSY: f"263 bridge PRIVMSG :Server load is temporarily too heavy, not with {SECRET}",
    Behaviour.LATER: f"439 bridge {_CHANNEL} :Target change too fast. Please wait 7 seconds. {SECRET}",
}

_SETTINGS = {
    "host": "127.0.0.1",
    "tls": False,
    "nick": "bridge",
    "server_password": SECRET,
    "sasl_password": SECRET,
    "nickserv_password": SECRET,
    "channels": [_CHANNEL],
    "channel_keys": {"#secret": SECRET},
}


def _script(behaviour: Behaviour) -> Scripted:
    """A post ends with the PING behind it."""

    def answer(guest: Guest, verb: str, params: list[str]) -> Iterable[str] | None:
        if verb == "PRIVMSG" and params[0] == _CHANNEL and behaviour in _REFUSALS:
            return (f":irc.test {_REFUSALS[behaviour]}",)
        if verb == "PING":
            match behaviour:
                case Behaviour.HANG_UP:
                    guest.hang_up()
                    return ()
                case Behaviour.HANG:
                    return ()
                case Behaviour.GARBAGE:
                    guest.transport.write(b"\x00\xff what is IRC?\r\n")
                    guest.transport.close()
                    return ()
                case Behaviour.HUGE_ANSWER:
                    guest.transport.write(b":irc.test PONG irc.test :" + b"x" * (8 << 20))
                    return ()
        return None

    return Scripted(answer, capabilities="sasl=PLAIN", password=SECRET, accounts={"bridge": SECRET})


@asynccontextmanager
async def _open(behaviour: Behaviour) -> AsyncIterator[Stage]:
    async with _script(behaviour).running() as server:
        with closed_port() as closed:
            port = closed if behaviour is Behaviour.DOWN else server.port
            async with opened(DRIVER, {**_SETTINGS, "port": port}, behaviour) as driver:
                yield Stage(driver, lambda: len(server.said("PING")))


CASE = Case(settings=_SETTINGS, open=_open, conversation=ConversationId(_CHANNEL))
