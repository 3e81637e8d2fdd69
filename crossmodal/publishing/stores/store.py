"""Say what every kind of store does, whatever its driver."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.records import ModelVersion

Ids = npt.NDArray[np.int64]

STATE = "crossmodal_tables"
"""The table of tables: which there are, whose they are, and how far they are."""
_MAX_SLUG = 30


def row_schema(dim: int) -> pa.Schema:
    """Return the columns of a published row; ``vector`` is (dim,) float32, L2-normalised.

    ``place`` says for people where in its source the chunk stands, ``meta`` is a JSON object,
    ``labels`` holds what own columns say as ``name=value``. ``digest`` changes with the row.
    """
    return pa.schema(
        [
            pa.field("chunk_id", pa.int64(), nullable=False),
            ("uri", pa.string()),
            ("uris", pa.list_(pa.string())),
            ("media_type", pa.string()),
            ("size_bytes", pa.int64()),
            ("modified_at", pa.timestamp("us", tz="UTC")),
            ("modality", pa.string()),
            ("kind", pa.string()),
            ("ordinal", pa.int32()),
            ("section", pa.string()),
            ("place", pa.string()),
            ("meta", pa.string()),
            ("text", pa.string()),
            ("labels", pa.list_(pa.string())),
            ("language", pa.string()),
            ("model", pa.string()),
            ("digest", pa.int64()),
            ("vector", pa.list_(pa.float32(), dim)),
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """Say of one table of a store whose it is and how far it is: a row of the table of tables."""

    name: str
    collection_id: str
    collection: str
    """The file's name, for people."""
    model: str
    """Label of the model version."""
    space: str
    """Fingerprint of the model version: only vectors of one space compare."""
    dim: int
    serves: tuple[str, ...]
    """Modalities that searches of the collection find in this table now."""
    state: Literal["publishing", "complete"]
    written_by: str
    """The publication, by its run, that wrote last."""
    generation: int
    num_rows: int
    published_at: str
    """ISO 8601, UTC."""

    def plain(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return asdict(self) | {"serves": list(self.serves)}

    @classmethod
    def of(cls, row: dict[str, Any]) -> StoredTable:
        """Return what a row of plain values says."""
        return replace(cls(**row), serves=tuple(row["serves"]))


def table_name(version: ModelVersion) -> str:
    """Return the name of a version's table, the same in every store and on every machine."""
    slug = re.sub("[^a-z0-9]+", "_", version.name.rstrip("/").rsplit("/", 1)[-1].lower())
    digest = hashlib.sha256(version.fingerprint.encode()).hexdigest()[:8]
    return f"vectors_{slug.strip('_')[:_MAX_SLUG]}_{digest}"


class Store(Protocol):
    """Hold tables of rows, one a model version, and a table of tables.

    Each call is whole or has not happened, and may be repeated. All raise StoreError where the
    store refuses and StoreAway where it does not answer.
    """

    def tables(self) -> list[StoredTable]:
        """Return what the table of tables says; empty where nothing was published yet."""

    def mark(self, tables: list[StoredTable]) -> None:
        """Replace what the table of tables says."""

    def make(self, name: str, dim: int) -> None:
        """Make a table unless it is there.

        Raises:
            StoreTaken: a table of this name holds vectors of another dimension.
        """

    def put(self, name: str, rows: pa.Table) -> None:
        """Write rows of ``row_schema`` in place of those of the same chunks."""

    def remove(self, name: str, chunk_ids: Ids) -> None:
        """Delete the rows of chunks."""

    def count(self, name: str) -> int:
        """Return how many rows a table has; 0 where there is none."""

    def digests(self, name: str) -> pa.Table:
        """Return the ``chunk_id`` and ``digest`` of all rows; none where there is no table."""

    def vectors(self, name: str, chunk_ids: Ids) -> dict[int, npt.NDArray[np.float32]]:
        """Return the (dim,) vectors of chunks, by id; those that are missing are left out."""

    def drop(self, name: str) -> None:
        """Delete a table; one that is not there is no matter."""

    def settle(self) -> None:
        """Free what rows took that were replaced or removed."""

    def close(self) -> None:
        """Let go of the store."""
