"""Hostile input for the status server: browsers that were led here, guesses, and paths."""

from tests.hostile.house import API_TOKEN
from tests.hostile.listeners import (
    EVENT,
    LINKS,
    ROBOT,
    STATUS,
    WEBHOOK,
    Visit,
    a_letter,
    dumped,
)
from tests.hostile.reasons import NO_HTTP, OTHER_PORT, WE_ASK, tries, wired
from tests.hostile.table import Hostile
from tests.hostile.wire import Caller, Request


def status_only():
    """Browsers that were led here, guesses, and paths."""
    others = dict.fromkeys(("robot", "event", "webhook", "links"), OTHER_PORT)
    nowhere = {**others, "control": NO_HTTP, "stream": NO_HTTP, "fetched": WE_ASK}
    bearer = (b"Authorization", f"Bearer {API_TOKEN}".encode())

    def get(path, *headers, method=b"GET", body=b"", host=b"127.0.0.1"):
        return lambda house: Request(path, tuple(headers), body, method, host).wire()

    hosts = (b"evil.example", b"127.0.0.1.evil.example", b"localhost.evil.example", b"127.0.0.1@evil.example",
             b"[::1].evil.example"[5:], b"", b"bridge.example.com.", b"0.0.0.0", b"2130706433")  # fmt: skip
    yield Hostile(
        "names of other hosts (rebinding)", "别的主机名（重绑定）",
        {**nowhere, "status": tries(
            *(get(path, bearer, host=host) for host in hosts for path in (b"/", b"/api/status", b"/metrics")),
            want="421 400",
        )},
    )  # fmt: skip

    def with_the_cookie(path, method, kind, body):
        def make(house):
            headers = (
                (b"Cookie", b"msgbridge=" + house.cookie.encode()),
                (b"Origin", b"https://evil.example"),
                (b"Sec-Fetch-Site", b"cross-site"),
                (b"Content-Type", kind),
            )
            return Request(path, headers, body, method).wire()

        return make

    letter = dumped(a_letter("from elsewhere"))
    forms = (b"application/json", b"text/plain", b"application/x-www-form-urlencoded")
    yield Hostile(
        "posts that other sites make browsers send", "别的网站让浏览器发出的请求",
        {**nowhere, "status": tries(
            *(with_the_cookie(path, b"POST", kind, letter) for kind in forms
              for path in (b"/api/messages", b"/api/reload", b"/api/dead/drop")),
            *(with_the_cookie(b"/api/deliveries/d1", method, forms[0], letter) for method in (b"DELETE", b"PATCH")),
            want="401",
        ) + tries(with_the_cookie(b"/login", b"POST", forms[1], b"token=x"), want="415")},
    )  # fmt: skip
    paths = (b"/../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/api/../etc/passwd", b"//etc/passwd", b"/.env",
             b"/api/deliveries/..%2f..%2fetc%2fpasswd", b"/api/deliveries/%00", b"/api/deliveries/a/b",
             b"/api/instances/%2e%2e/users", b"/api/deliveries/" + b"x" * 7_000)  # fmt: skip
    yield Hostile(
        "paths that climb", "向上爬的路径",
        {
            **nowhere,
            "links": tries(
                *(lambda h, s=step: Request(LINKS.path(h).encode() + s, method=b"GET").wire()
                  for step in (b"/../../media.secret", b"/..")),
                *(lambda _, p=path: Request(b"/media" + p, method=b"GET").wire() for path in paths),
                lambda h: LINKS.request(h, proof=lambda t: f"../media/{t}/..").wire(),
                want="404",
            ) + tries(lambda h: Request(LINKS.path(h).encode() + b"%2f..%2f..", method=b"GET").wire(), want="200"),
            "status": tries(*(get(path, bearer) for path in paths), want="404"),
            "fetched": tries(
                lambda _: Visit(url="http://127.0.0.1:PORT/../../%2e%2e/etc/passwd", file="passwd"),
                lambda _: Visit(url="http://127.0.0.1:PORT/..%2f..%2f.bashrc", file="bashrc"),
                want="file",
            ),
        },
    )  # fmt: skip
    guesses = [f"{API_TOKEN[:n]}{'x' * (len(API_TOKEN) - n)}" for n in range(0, len(API_TOKEN), 3)]
    guesses += ["x" * n for n in (0, 1, 16, 255, 4_000)] * 12

    async def slowed_down(house):
        async with await Caller.at(house.ports["status"]) as caller:
            got = await caller.ask(STATUS.request(house, proof=lambda _: "wrong").wire())
        assert "429" == got.status
        assert b"Retry-After" in got.headers

    yield Hostile(
        "guessed tokens", "猜测令牌",
        {**nowhere, "status": (
            *tries(*(wired(lambda h, g=guess: STATUS.request(h, proof=lambda _: g)) for guess in guesses[:-1]), want="401 429"),
            *tries(wired(lambda h: STATUS.request(h, proof=lambda _: guesses[-1])), want="401 429", then=slowed_down),
        )},
        bulk="`401` `429`",
    )  # fmt: skip
    yield Hostile(
        "a query of 8,000 characters", "8000 字符的查询",
        {
            **{one.name: tries(
                lambda h, o=one: _asked(o.request(h), b"x=" + b"y" * 7_900), want="200"
            ) for one in (ROBOT, EVENT, WEBHOOK, LINKS)},
            "status": tries(
                get(b"/?lang=" + b"z" * 7_900, bearer), get(b"/?refresh=" + b"9" * 7_900, bearer), want="200"
            ) + tries(
                get(b"/api/queue?limit=" + b"9" * 7_900, bearer), get(b"/api/queue?" + b"a=1&" * 1_900, bearer),
                get(b"/api/queue?instance=" + b"z" * 7_000, bearer), want="400",
            ),
            "control": NO_HTTP, "stream": NO_HTTP, "fetched": tries(
                lambda _: Visit(url="http://127.0.0.1:PORT/a.png?" + "y" * 7_900), want="file"
            ) + tries(lambda _: Visit(url="http://127.0.0.1:PORT/a.png?" + "y" * 9_000), want="bad_url"),
        },
    )  # fmt: skip


def _asked(request, query):
    """With more of a query than there is."""
    mark = b"&" if b"?" in request.target else b"?"
    return Request(request.target + mark + query, request.headers, request.body, request.method).wire()
