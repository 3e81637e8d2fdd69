"""Find the token that a served collection asks for; it is sent to that address and nowhere else.

A file holds a line for each address, ``http://host:port TOKEN``. It lies where CROSSMODAL_TOKENS
says, or in the user's configuration, and is refused where others could read it. Where exactly one
served collection is asked, CROSSMODAL_UI_TOKEN will do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from crossmodal.errors import PathError
from crossmodal.search.federation.addresses import origin_of

FILE_VARIABLE = "CROSSMODAL_TOKENS"
ONE_VARIABLE = "CROSSMODAL_UI_TOKEN"
_DEFAULT_FILE = "~/.config/crossmodal/tokens"


def tokens_of(origins: Sequence[str]) -> dict[str, str]:
    """Return the tokens of those of these addresses that have one.

    Raises:
        PathError: the file cannot be read, is no such file, or is open to others.
    """
    if not origins:
        return {}
    named = os.environ.get(FILE_VARIABLE, "")
    path = Path(named or _DEFAULT_FILE).expanduser()
    kept = _read(path) if named or path.is_file() else {}
    found = {origin: kept[origin] for origin in origins if origin in kept}
    alone = os.environ.get(ONE_VARIABLE, "")
    if alone and not found and len(origins) == 1:
        return {origins[0]: _checked(alone, ONE_VARIABLE)}
    return found


def _read(path: Path) -> Mapping[str, str]:
    try:
        is_open = path.stat().st_mode & 0o077
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not plain ASCII"
        raise PathError(f"the file of tokens {path} cannot be read: {why}") from None
    if is_open:
        raise PathError(f"{path} holds tokens and others may read it: chmod 600 {path}")
    tokens = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        address, _, token = line.strip().partition(" ")
        where = f"{path}, line {number}"
        tokens[_origin(address, where)] = _checked(token.strip(), where)
    return tokens


def _origin(address: str, where: str) -> str:
    try:
        return origin_of(address)
    except (PathError, KeyError):
        raise PathError(f"{where} is not `http://HOST:PORT TOKEN`") from None


def _checked(token: str, where: str) -> str:
    """Return a token that fits into a header; an error never shows it."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise PathError(f"{where} holds no token: one word of plain letters, digits and signs")
    return token
