"""Read where to publish: ``lance://FOLDER``, ``postgresql://HOST/DATABASE``, ``qdrant://HOST``.

Owns which addresses there are; costs nothing to import. Invariant: an address holds no password,
since it stands in the collection, in Prefect's database and in logs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from crossmodal.errors import PathError
from crossmodal.files.secrets import PATTERN, has_secret, without_secrets

Kind = Literal["lance", "postgresql", "qdrant"]

_KINDS: dict[str, Kind] = {
    "lance": "lance",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "qdrant": "qdrant",
}
STORE_PATTERN = f"{PATTERN}(?:$|(?:{'|'.join(_KINDS)})://.)"
"""Matches what may be an address, or nothing; understood by Python and by JavaScript."""
_INSTEAD = {
    "lance": "log in by the environment (AWS_PROFILE, AWS_ACCESS_KEY_ID, ...)",
    "postgresql": "put it into ~/.pgpass or PGPASSWORD",
    "qdrant": "put it into QDRANT_API_KEY",
}


class Address(NamedTuple):
    """Name one store."""

    kind: Kind
    place: str
    """What stands behind the scheme; a local folder is absolute."""

    @property
    def text(self) -> str:
        """Return the address as people and the ledger know it."""
        return f"{self.kind}://{self.place}"

    @property
    def is_local(self) -> bool:
        """Say whether it is a folder of this machine."""
        return self.kind != "postgresql" and self.place.startswith("/")


def parse_address(text: str) -> Address:
    """Return the store that an address names.

    Raises:
        PathError: it names no kind of store that there is, or holds a secret.
    """
    scheme, separator, place = text.strip().partition("://")
    kind = _KINDS.get(scheme.lower())
    if kind is None or not separator or not place:
        raise PathError(
            f"{without_secrets(text)!r} is no store: write lance:///FOLDER, "
            "lance://s3://BUCKET/KEY, postgresql://USER@HOST/DATABASE, qdrant://HOST:6333 or qdrant:///FOLDER"
        )
    if has_secret(text) or has_secret(place) or "sslpassword=" in place.lower():
        raise PathError(
            f"{without_secrets(text)}: the address holds a password or a key, which would be "
            f"stored with every run: leave it out and {_INSTEAD[kind]}"
        )
    return Address(kind, _absolute(kind, place))


def _absolute(kind: Kind, place: str) -> str:
    """Return a folder so that it means the same wherever the run is."""
    if kind == "lance" and "://" not in place:
        return "/" + str(Path(place).expanduser().absolute()).lstrip("/")
    return place.rstrip("/") if kind != "postgresql" and len(place) > 1 else place
