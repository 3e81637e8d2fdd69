"""Read which collections are to be asked: files here, or the address of one that is served.

Owns what may be named and how; refuses secrets in addresses. ``@FILE`` stands for a list, one a
line. Costs nothing to import.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from crossmodal.errors import PathError
from crossmodal.files.secrets import refuse_secrets

MAX_COLLECTIONS = 256
_MAX_LIST_BYTES = 1_000_000


def is_many(given: Sequence[str]) -> bool:
    """Say whether these need more than opening one file here."""
    return len(given) != 1 or given[0].startswith("@") or is_served(given[0])


def is_served(address: str) -> bool:
    """Say whether a collection is asked over HTTP."""
    return address.lower().startswith(("http://", "https://"))


def read_addresses(given: Sequence[str]) -> list[str]:
    """Return what is to be asked, each once: paths as they were given, ``http://host:port``.

    Raises:
        PathError: a list cannot be read, an address has a secret or cannot be used, or none or too
            many are named.
    """
    found = {_identity(address): address for address in _every(given)}
    if not 1 <= len(found) <= MAX_COLLECTIONS:
        raise PathError(
            f"{len(found)} collections are named: name 1 to {MAX_COLLECTIONS} with --collection"
        )
    return list(found.values())


def origin_of(url: str) -> str:
    """Return ``scheme://host:port`` of an address of the search page.

    Raises:
        PathError: it holds more than that, or cannot be read.
    """
    shown = refuse_secrets(url)
    try:
        parts = urlsplit(shown)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        is_whole = not (parts.username or parts.query or parts.fragment)
        plain = bool(parts.hostname) and parts.path in ("", "/") and is_whole
    except ValueError:
        plain, port = False, 0
    if not plain or not str(parts.hostname).isascii() or any(c.isspace() for c in shown):
        raise PathError(
            f"{shown!r} is no address of a served collection: give http://HOST:PORT as "
            "`crossmodal ui` prints it, without a path or a token"
        )
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _identity(address: str) -> str:
    return address if is_served(address) else os.path.realpath(os.path.expanduser(address))


def _every(given: Sequence[str]) -> Iterator[str]:
    for one in given:
        for address in _listed(one[1:]) if one.startswith("@") else [one]:
            yield origin_of(address) if is_served(address) else address


def _listed(file: str) -> list[str]:
    """Return the lines of a list; empty ones and those that begin with # say nothing."""
    path = Path(file).expanduser()
    try:
        if path.stat().st_size > _MAX_LIST_BYTES:
            raise PathError(f"{file} is larger than {_MAX_LIST_BYTES:,} bytes: that is no list")
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise PathError(
            f"the list of collections {file} cannot be read ({error}): it is a text file with a "
            "path or an http address on each line"
        ) from error
    found = [line for line in lines if line and not line.startswith("#")]
    if deeper := next((line for line in found if line.startswith("@")), None):
        raise PathError(f"{file} names another list, {deeper}: a list holds collections only")
    # A list that is passed on means the files beside it.
    beside = path.parent
    return [f if is_served(f) else str(beside / Path(f).expanduser()) for f in found]
