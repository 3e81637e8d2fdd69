"""Give model versions names that people choose and move, such as ``champion``.

An alias stands for one version wherever a version is named, and keeps it from being collected. It
may not be what already names another version, so that no command changes its meaning silently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.sql import first_row
from crossmodal.ledger.write import model_versions
from crossmodal.models.retire import one_version

_NAME = r"[a-z][a-z0-9_-]{0,39}"
_RESERVED = ("live",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Hold a name and the version that it stands for."""

    name: str
    version: str
    """Its label."""
    why: str


def set_alias(con: duckdb.DuckDBPyConnection, name: str, spec: str, why: str = "") -> Alias:
    """Let a name stand for a version; one that stands for another is moved.

    Raises:
        ModelMismatch: the name cannot be one, or there is no such version.
    """
    if not re.fullmatch(_NAME, name) or name in _RESERVED:
        raise ModelMismatch(
            f"{name!r} cannot be an alias: use up to 40 small letters, digits, - and _, a letter "
            f"first, and not {' or '.join(_RESERVED)}"
        )
    version = one_version(con, spec)
    known = model_versions.all_versions(con)
    if any(name in (other.name, other.label) for other in known):
        raise ModelMismatch(f"{name!r} is the name of a model version already: choose another")
    con.execute(
        "INSERT OR REPLACE INTO model_alias VALUES (?, ?, ?, now())", [name, version.id, why]
    )
    return Alias(name=name, version=version.label, why=why)


def remove_alias(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Let a name stand for nothing.

    Raises:
        ModelMismatch: it stands for nothing now.
    """
    if not first_row(con, "SELECT 1 FROM model_alias WHERE name = ?", [name]):
        known = ", ".join(each.name for each in aliases(con)) or "none"
        raise ModelMismatch(f"there is no alias {name!r}, only {known}")
    con.execute("DELETE FROM model_alias WHERE name = ?", [name])


def aliases(con: duckdb.DuckDBPyConnection) -> list[Alias]:
    """Return every alias by name."""
    rows = con.execute("SELECT name, model_version_id, why FROM model_alias ORDER BY name")
    return [
        Alias(name=name, version=model_versions.by_id(con, number).label, why=why)
        for name, number, why in rows.fetchall()
    ]
