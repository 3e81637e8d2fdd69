"""Decide who may ask: by the name the page was reached by, by the asking site, by the token.

Owns three refusals. A foreign Host is a name that somebody pointed at this machine (DNS rebinding);
a request of another Origin, or cross-site, is another page that makes the browser ask; without the
token nobody gets past the health checks. Secrets are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

from crossmodal.web.api.errors import ApiError
from crossmodal.web.settings import UiSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_OPEN_PATHS = ("/health/live", "/health/ready")
_COOKIE_DAYS = 30
_OTHER_SITES = ("cross-site", "same-site")


class Access:
    """Let through what may be answered; the rest gets an error or a redirect."""

    def __init__(self, app: ASGIApp, settings: UiSettings) -> None:
        self._app = app
        self._names = {"localhost", settings.host.lower(), *map(str.lower, settings.allowed_hosts)}
        self._aliases = frozenset(map(str.lower, settings.allowed_hosts))
        self._secret = settings.secret
        self._cookie = f"crossmodal_{settings.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the app's place where the request is not let through."""
        if scope["type"] == "http":
            answer = self._answer(scope, Headers(scope=scope))
            if answer is not None:
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return ApiError(
                400,
                "foreign_host",
                f"this page is not reached by the name {host[:100]!r}",
                "name it with --allow-host",
            ).response()
        if headers.get("sec-fetch-site") in _OTHER_SITES and not _is_visit(scope, headers):
            return ApiError(403, "cross_site", "another site may not ask here").response()
        if "origin" in headers and not self._is_own(headers["origin"], host):
            return ApiError(403, "cross_site", "another site may not ask here").response()
        if self._secret is None or scope["path"] in _OPEN_PATHS:
            return None
        return self._without_token(scope, headers, self._secret())

    def _is_ours(self, host: str) -> bool:
        """Return whether a Host is a known name or a plain address, which cannot be rebound."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_own(self, origin: str, host: str) -> bool:
        """Return whether the page that asks is this one, or this one behind a proxy."""
        try:
            asking, ours = urlsplit(origin), urlsplit(f"{urlsplit(origin).scheme}://{host}")
            same = (asking.hostname, _port(asking)) == (ours.hostname, _port(ours))
        except ValueError:
            return False
        return bool(asking.hostname) and (same or asking.hostname in self._aliases)

    def _without_token(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(given.strip(), token):
            return None
        if token and _same(_cookie_of(headers, self._cookie), _seal(token)):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        asked_once = scope["path"] == "/" and scope["method"] == "GET"
        if asked_once and _same(query.pop("token", [""])[0], token):
            return self._welcome(scope, query, token)
        return ApiError(
            401,
            "token_needed",
            "this collection is open only with its token",
            "open the link that `crossmodal ui` printed, or send Authorization: Bearer TOKEN",
            {"WWW-Authenticate": "Bearer"},
        ).response()

    def _welcome(self, scope: Scope, query: dict[str, list[str]], token: str) -> Response:
        """Keep the token as a cookie and take it out of the address."""
        rest = urlencode(query, doseq=True)
        answer = RedirectResponse(f"/?{rest}" if rest else "/", 303)
        answer.set_cookie(
            self._cookie,
            _seal(token),
            max_age=_COOKIE_DAYS * 86_400,
            httponly=True,
            samesite="strict",
            secure=scope.get("scheme") == "https",
        )
        return answer


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Return whether somebody follows a link to the page itself."""
    return scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"


def _cookie_of(headers: Headers, name: str) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _seal(token: str) -> str:
    """Return what the cookie holds, from which nobody learns the token."""
    return hmac.new(token.encode(), b"crossmodal search page", hashlib.sha256).hexdigest()


def _port(url: SplitResult) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _same(given: str, wanted: str) -> bool:
    """Compare in constant time; a secret that was taken away is like none."""
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())
