"""Keep one client from taking all: a bucket of tokens for each address.

A request takes by what it costs; an empty bucket answers 429 and says when to come back. Invariant:
there are never more buckets than ``_MAX_CLIENTS``.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crossmodal.web.api.errors import ApiError
from crossmodal.web.lru import Lru

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_MAX_CLIENTS = 10_000
_FREE = ("/health/", "/static/")
_CHEAP = ("/api/v1/thumbnail/", "/api/v1/source/")
# They charge for themselves, once they know how much is asked.
_COUNTED = ("/api/v1/search/batch",)
_CHEAP_COST, _UPLOAD_COST = 0.2, 5.0
_IPV6_HOME_BITS = 64


class RateLimit:
    """Let every client have ``rate_per_s`` on average and ``burst`` at once."""

    def __init__(
        self,
        app: ASGIApp,
        rate_per_s: float,
        burst: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._clock = clock
        self._buckets: Lru[str, tuple[float, float]] = Lru(_MAX_CLIENTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 429 in the app's place where the client has had its share."""
        if scope["type"] == "http":
            try:
                self.charge(scope, _cost(scope))
            except ApiError as refused:
                await refused.response()(scope, receive, send)
                return
            scope["crossmodal.charge"] = lambda cost: self.charge(scope, cost)
        await self._app(scope, receive, send)

    def charge(self, scope: Scope, cost: float) -> None:
        """Take what a request turns out to cost; a batch costs its queries, up to a whole bucket.

        Raises:
            ApiError: 429, the client has had its share.
        """
        wait_s = self._take(_client(scope), min(cost, self._burst))
        if wait_s > 0:
            raise ApiError(
                429,
                "too_many_requests",
                f"more than {self._rate_per_s:g} requests a second",
                "slow down",
                {"Retry-After": str(math.ceil(wait_s))},
            )

    def _take(self, client: str, cost: float) -> float:
        """Take from the client's bucket, or return in how many seconds there is enough."""
        now = self._clock()
        level, seen = self._buckets.get(client) or (self._burst, now)
        level = min(self._burst, level + (now - seen) * self._rate_per_s)
        lacking = cost - level
        self._buckets.put(client, (level if lacking > 0 else level - cost, now))
        return max(0.0, lacking / self._rate_per_s)


def _client(scope: Scope) -> str:
    """Return the address, of IPv6 the network that one home has."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_HOME_BITS), strict=False))
    return str(address)


def _cost(scope: Scope) -> float:
    path = scope["path"]
    if path.startswith(_FREE):
        return 0.0
    if scope["method"] == "POST" and path not in _COUNTED:
        return _UPLOAD_COST
    return _CHEAP_COST if path.startswith(_CHEAP) else 1.0
