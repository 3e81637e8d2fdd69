"""Remember how many items a forward pass takes best, by model version, modality, device and shape.

Owns the table; refuses to know how a size was found. Another device or another shape of the input
has a row of its own, so a collection that moves to another machine is not misled by what was found
on the former one.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from crossmodal.ledger.sql import first_row

_COLUMNS = "model_version_id, modality, device, shape, num_items, items_per_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSize:
    """Say how many items one pass takes, and for what that was found."""

    model_version_id: int
    modality: str
    device: str
    """The processor with its number of cores, or the accelerator, as people call it."""
    shape: str
    """Of one item as the model takes it, such as ``224x224``."""
    num_items: int
    items_per_s: float
    """Of the passes that were timed, all that run side by side together."""


def remembered(
    con: duckdb.DuckDBPyConnection, model_version_id: int, modality: str, device: str, shape: str
) -> BatchSize | None:
    """Return what was found before; None where nothing was."""
    row = first_row(
        con,
        f"SELECT {_COLUMNS} FROM batch_size "
        "WHERE model_version_id = ? AND modality = ? AND device = ? AND shape = ?",
        [model_version_id, modality, device, shape],
    )
    return _from_row(row) if row else None


def remember(con: duckdb.DuckDBPyConnection, found: BatchSize) -> None:
    """Keep what was found, in place of what was found before."""
    con.execute(
        f"INSERT INTO batch_size ({_COLUMNS}, found_at) VALUES (?, ?, ?, ?, ?, ?, now()) "
        "ON CONFLICT (model_version_id, modality, device, shape) DO UPDATE SET "
        "num_items = excluded.num_items, items_per_s = excluded.items_per_s, "
        "found_at = excluded.found_at",
        [getattr(found, name) for name in _COLUMNS.split(", ")],
    )


def all_batch_sizes(con: duckdb.DuckDBPyConnection) -> list[BatchSize]:
    """Return everything that was found, oldest model version first."""
    rows = con.execute(f"SELECT {_COLUMNS} FROM batch_size ORDER BY ALL").fetchall()
    return [_from_row(row) for row in rows]


def _from_row(row: tuple[object, ...]) -> BatchSize:
    return BatchSize(**dict(zip(_COLUMNS.split(", "), row, strict=True)))  # type: ignore[arg-type]
