"""Hold what a person may choose about the search page, and the bounds that nobody may."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from crossmodal.errors import CrossmodalError
from crossmodal.web.guards.tokens import TokenFile

MAX_QUERY_CHARS = 2000
MAX_K = 100
MAX_PARTS = 8
"""Parts that one query may add, and take away."""
MAX_BATCH_QUERIES = 256
MAX_BATCH_HITS = 5000
"""Hits that one batch may ask for in all."""
MAX_BATCH_BYTES = 1_000_000
MAX_OFFSET = 10_000
MAX_CONDITIONS = 10
MAX_CONDITION_CHARS = 500
MAX_CHUNK_ID = 2**63 - 1
MAX_AROUND = 10
PREVIEW_SIDES = (160, 320, 640, 1024)
"""Previews are made in these sizes only, so that nobody fills the cache with all others."""


class RefusedToServe(CrossmodalError):
    """The page would be open to others than the person at this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UiSettings:
    """Say what to serve, where, to whom, and how much of it at once."""

    collection: str
    model: str | None = None
    device: str = "auto"
    rerank: str = ""
    """Directory or hub id of a reranker, or off; empty for what the collection keeps."""
    rerank_deadline_ms: int = 3000
    host: str = "127.0.0.1"
    port: int = 8400
    token: str | None = field(default=None, repr=False)
    """The secret that lets people in; None with no file either: everybody at this machine."""
    token_file: Path | None = None
    """Where the secret lies, in place of ``token``; what it holds is looked at anew each time."""
    shows_token: bool = False
    """Whether the link that is printed has the secret in it: one that a person chose stays out."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, besides localhost and plain addresses, that the page may be reached by."""
    max_upload_bytes: int = 20_000_000
    max_uploads_bytes: int = 200_000_000
    """Of all requests together at one time."""
    rate_per_s: float = 100.0
    """Requests of one client; a preview counts as a fifth, an upload as five."""
    burst: float = 400.0
    num_threads: int = 4
    max_waiting: int = 256
    max_wait_s: float = 30.0
    lock_wait_s: float = 10.0
    remote_wait_s: float = 15.0
    """How long one answer of a remote storage may take."""
    preview_cache_bytes: int = 64_000_000

    @property
    def is_local(self) -> bool:
        """Return whether only this machine can reach the page."""
        return is_loopback(self.host)

    @property
    def address(self) -> str:
        """Return the URL to open."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    @property
    def link(self) -> str:
        """Return the URL to open, which also lets a person in where we made the secret."""
        made = TokenFile(self.token_file)() if self.token_file else self.token
        return f"{self.address}?token={made}" if made and self.shows_token else self.address

    @property
    def secret(self) -> Callable[[], str] | None:
        """Return what tells the secret at this moment; None where none is asked for."""
        if self.token_file is not None:
            return TokenFile(self.token_file)
        token = self.token
        return None if token is None else lambda: token


def check(settings: UiSettings) -> None:
    """Refuse to open a collection to the network without a token.

    Raises:
        RefusedToServe: it would be.
    """
    if not settings.is_local and (settings.shows_token or not settings.token):
        raise RefusedToServe(
            f"--host {settings.host} opens the collection and its files to the network: set a "
            "secret with CROSSMODAL_UI_TOKEN or --token, or leave --host out for this machine only"
        )
    if settings.token is not None and len(settings.token) < 8:
        raise RefusedToServe("the token is shorter than 8 characters: choose a longer secret")


def is_loopback(host: str) -> bool:
    """Return whether an address or name stands for this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
