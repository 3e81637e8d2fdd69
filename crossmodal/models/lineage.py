"""Keep which model version a version was made from, and how: trained, or derived as a space.

Whoever makes a version registers its parent in the same transaction. ``how`` is a JSON object; its
``kind`` is ``training`` (with ``run``, ``data_digest``, ``depth``, ...) or ``space`` (with the
parameters of the derivation). A derived space needs its parent's vectors, a trained model does not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import duckdb

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.sql import first_row
from crossmodal.ledger.write import model_versions


@dataclass(frozen=True, slots=True)
class Lineage:
    """Say what a version was made from."""

    parent_id: int
    how: dict[str, Any]
    """``kind`` and whatever is needed to make it again."""

    @property
    def needs_parent(self) -> bool:
        """Say whether the parent's vectors are needed to go on: of a space, not of a training."""
        return self.how.get("kind") == "space"


def register_parent(
    con: duckdb.DuckDBPyConnection, model_version_id: int, parent_id: int, how: dict[str, Any]
) -> None:
    """Note that a version was made from another; to say it again changes nothing.

    Raises:
        ModelMismatch: one of them is not registered, or the version would be its own ancestor.
    """
    for number in (model_version_id, parent_id):
        model_versions.by_id(con, number)
    if model_version_id in (parent_id, *ancestors_of(con, parent_id)):
        raise ModelMismatch(
            f"model version {model_version_id} cannot be made from {parent_id}, which was made "
            "from it"
        )
    con.execute(
        "INSERT INTO lineage VALUES (?, ?, ?, now()) ON CONFLICT DO NOTHING",
        [model_version_id, parent_id, json.dumps(how, sort_keys=True, default=str)],
    )


def lineage_of(con: duckdb.DuckDBPyConnection, model_version_id: int) -> Lineage | None:
    """Return what a version was made from; None where nothing is known of it."""
    row = first_row(
        con, "SELECT parent_id, how FROM lineage WHERE model_version_id = ?", [model_version_id]
    )
    return Lineage(int(row[0]), json.loads(row[1])) if row else None


def ancestors_of(con: duckdb.DuckDBPyConnection, model_version_id: int) -> list[int]:
    """Return the versions that a version was made from, nearest first."""
    found: list[int] = []
    current = lineage_of(con, model_version_id)
    while current is not None and current.parent_id not in found:
        found.append(current.parent_id)
        current = lineage_of(con, current.parent_id)
    return found
