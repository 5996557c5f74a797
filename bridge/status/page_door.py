"""The status page over HTTP: who may see it, in which language, and the form for a token."""

from __future__ import annotations

from urllib.parse import parse_qs

from aiohttp import web

from bridge.desk import Desk
from bridge.errors import JournalError
from bridge.i18n import speaker
from bridge.status.access import COOKIE, GUESS, SESSION, Keys, Pace, is_local
from bridge.status.bodies import Unread, read_body
from bridge.status.page import SHORTEST_REFRESH, Picture, View, login_page, status_page, style_hashes

_LOGIN_BODY = 4096
_LOGIN_WITHIN = 5.0
_LONGEST_REFRESH = 86_400
_FIELDS = 4


class PageDoor:
    """``guesses`` is the pace of wrong tokens, for the whole server."""

    def __init__(self, desk: Desk, keys: Keys, guesses: Pace, picture: Picture | None) -> None:
        self._desk = desk
        self._keys = keys
        self._guesses = guesses
        self._picture = picture

    async def page(self, request: web.BaseRequest) -> web.Response:
        """``/``"""
        view = _view(request)
        if self._keys.any:
            caller = self._keys.bearer(request) or self._keys.visitor(request)
            if caller is None:
                return _html(login_page(view, refused=False), status=401)
            if "read" not in caller.scopes:
                return web.Response(
                    status=403, text="this token lacks the scope read\n", headers=_headers()
                )
        elif not is_local(request):
            said = "from elsewhere this page needs a token: set global.api.tokens in config.json\n"
            return web.Response(status=403, text=said, headers=_headers())
        try:
            snapshot = await self._desk.snapshot()
        except JournalError as e:
            return web.Response(status=503, text=f"the journal cannot be read: {e}\n", headers=_headers())
        return _html(status_page(snapshot, view, self._picture))

    async def login(self, request: web.BaseRequest) -> web.Response:
        """``/login``: a token in, a cookie out."""
        view = _view(request)
        try:
            body = await read_body(
                request, "application/x-www-form-urlencoded", limit=_LOGIN_BODY, within=_LOGIN_WITHIN
            )
        except Unread as e:
            response = web.Response(status=e.status, text=f"{e}\n", headers=_headers())
            response.force_close()
            return response
        token = _token(body)
        caller = self._keys.caller(token)
        if caller is None or "read" not in caller.scopes:
            if wait := self._guesses.take(GUESS):
                headers = {**_headers(), "Retry-After": str(int(wait) + 1)}
                return web.Response(status=429, text="too many wrong tokens\n", headers=headers)
            return _html(login_page(view, refused=True), status=401)
        response = web.Response(status=303, headers={**_headers(), "Location": f"/?lang={view.lang}"})
        response.set_cookie(
            COOKIE,
            self._keys.session(token),
            max_age=SESSION,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.headers.get("X-Forwarded-Proto", "") == "https",
        )
        return response


def _token(form: bytes) -> str:
    try:
        fields = parse_qs(form.decode("utf-8", "replace"), max_num_fields=_FIELDS)
    except ValueError:  # more fields than our form has
        return ""
    return fields.get("token", [""])[0].strip()


def _view(request: web.BaseRequest) -> View:
    chosen = request.query.get("lang", "").lower()[:2]
    lang = chosen if chosen in ("en", "zh") else _preferred(request.headers.get("Accept-Language", ""))
    asked = request.query.get("refresh", "")
    seconds = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < len("100000") else 0
    refresh = seconds if SHORTEST_REFRESH <= seconds <= _LONGEST_REFRESH else 0
    return View(lang=lang, speak=speaker(lang), refresh=refresh)


def _preferred(header: str) -> str:
    """
    The better liked of our two languages; English where neither is named.

    https://www.rfc-editor.org/rfc/rfc9110#name-accept-language
    """
    best, weight = "en", 0.0
    for part in header[:1000].split(","):
        name, _, parameters = part.strip().partition(";")
        lang = name.strip().lower().partition("-")[0]
        quality = _quality(parameters)
        if lang in ("en", "zh") and quality > weight:
            best, weight = lang, quality
    return best


def _quality(parameters: str) -> float:
    written = parameters.strip().removeprefix("q=")
    if not written:
        return 1.0
    try:
        return min(max(float(written), 0.0), 1.0)
    except ValueError:
        return 0.0


def _html(text: str, *, status: int = 200) -> web.Response:
    return web.Response(
        status=status, text=text, headers={**_headers(), "Content-Type": "text/html; charset=utf-8"}
    )


def _headers() -> dict[str, str]:
    """Nothing may run, nothing may be fetched, nobody may frame us, nobody may keep it."""
    return {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src {style_hashes()}; img-src data:; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Vary": "Accept-Language, Cookie",
    }
