"""Ask a Prefect server over HTTP as its UI does, and again while it is busy.

With SQLite a server under load answers 503, "database is locked"; Prefect's own client tries such a
request again with growing pauses, and so does this one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx

BUSY = {
    httpx.codes.REQUEST_TIMEOUT,
    httpx.codes.TOO_MANY_REQUESTS,
    httpx.codes.BAD_GATEWAY,
    httpx.codes.SERVICE_UNAVAILABLE,
}
PATIENCE_S = 180.0
# Patient, because a request given up and made again may count twice; without certificates, because
# reading them takes longer than the answer.
_OPTIONS = {"timeout": PATIENCE_S, "verify": False}
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True)
class Api:
    """Ask the server whose API has this URL."""

    url: str

    def get(self, path: str) -> Any:
        return self._value("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        return self._value("POST", path, body)

    def patch(self, path: str, body: Any) -> None:
        self._value("PATCH", path, body)

    @property
    def is_healthy(self) -> bool:
        """Whether the server answers now; nothing is asked again."""
        try:
            return httpx.get(f"{self.url}/health", timeout=5, verify=False).is_success
        except httpx.TransportError:
            return False

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Return the first answer that is more than "busy", be it a refusal.

        Raises:
            httpx.TransportError: nobody answered.
        """
        deadline = time.monotonic() + PATIENCE_S
        pause_s = _FIRST_PAUSE_S
        while True:
            late = time.monotonic() > deadline
            try:
                # The timeout is long because a request that was begun twice would count twice.
                answer = httpx.request(
                    method, f"{self.url}{path}", json=body, timeout=PATIENCE_S, verify=False
                )
                if late or answer.status_code not in BUSY:
                    return answer
            except httpx.TransportError:
                if late:
                    raise
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _value(self, method: str, path: str, body: Any) -> Any:
        answer = self.ask(method, path, body)
        assert answer.is_success, f"{method} {answer.request.url}: {answer.text}"
        return answer.json() if answer.content else None
