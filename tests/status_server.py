"""The status server on a real socket, over a desk in memory."""

from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from bridge.config import Api, ApiToken
from bridge.listening import listen
from bridge.status import StatusPages
from tests.clock import FakeClock
from tests.memory_desk import MemoryDesk
from tests.reading import read
from tests.scenes import healthy

TOKENS = {
    "monitor": ApiToken(token="monitor-0123456789", scopes=frozenset({"read"})),
    "ci": ApiToken(token="ci-0123456789abcdef", scopes=frozenset({"send"})),
    "chief": ApiToken(token="chief-0123456789abc", scopes=frozenset({"send", "read", "operate"})),
}
PUBLIC = "bridge.example.com"
"""A Host that the server is configured to answer to, and that is not this machine's own name."""


class Server:
    """``desk``, ``clock`` and ``config`` may be changed while it runs; `get` and `post` ask it."""

    def __init__(self, desk, tokens, picture, **api):
        with TemporaryDirectory() as folder:
            config = read(Path(folder)).config
        global_ = replace(config.global_, api=Api(tokens=tokens, **api))
        self.config = replace(config, global_=global_)
        self.desk = desk
        self.clock = FakeClock()
        self.not_ready = ""
        self.url = ""
        self.session = None
        self.asked = []
        """Methods and addresses of all requests that came in."""
        self.pages = StatusPages(
            not_ready=lambda: self.not_ready,
            metrics=self._metrics,
            hosts=(PUBLIC,),
            desk=desk,
            config=lambda: self.config,
            picture=picture,
            clock=self.clock,
        )

    async def _metrics(self):
        return b"msgbridge_info 1\n"

    async def answer(self, request):
        self.asked.append(f"{request.method} {request.path_qs}")
        return await self.pages.answer(request)

    def set_tokens(self, tokens):
        """As a reload would."""
        api = replace(self.config.global_.api, tokens=tokens)
        self.config = replace(self.config, global_=replace(self.config.global_, api=api))

    async def ask(self, method, path, *, host=None, token=None, headers=None, **more):
        """The answer, read to its end."""
        given = dict(headers or {})
        if host:
            given["Host"] = host
        if token:
            given["Authorization"] = f"Bearer {token}"
        async with self.session.request(
            method, self.url + path, headers=given, allow_redirects=False, **more
        ) as response:
            await response.read()
            return response

    async def get(self, path, **more):
        return await self.ask("GET", path, **more)

    async def post(self, path, **more):
        return await self.ask("POST", path, **more)


@asynccontextmanager
async def serving(desk=None, *, tokens=TOKENS, picture=None, **api):
    """``api`` are further fields of `Api`."""
    server = Server(desk or MemoryDesk(healthy()), tokens, picture, **api)
    timeout = aiohttp.ClientTimeout(total=10)
    async with listen(server.answer, "127.0.0.1", 0) as port:
        server.url = f"http://127.0.0.1:{port}"
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=jar) as session:
            server.session = session
            yield server
