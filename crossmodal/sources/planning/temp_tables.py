"""Register a run's files and lists as temporary tables beside the ledger's.

Never writes the ledger: everything is named on a connection of its own and vanishes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from crossmodal.chunking.registry import InCharge
from crossmodal.ledger.attached import cursor_of
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.migrations import migrate
from crossmodal.sources.listing.roots import Root
from crossmodal.sources.planning import judge_sql as sql

# At a million new files 400 MB were too little and 500 MB enough.
_LEAST_BYTES, _BYTES_A_SOURCE, _MOST_BYTES = 600_000_000, 600, 3_000_000_000


@contextmanager
def open_ledger(
    con: duckdb.DuckDBPyConnection | None, spill: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection whose temporary tables nobody else sees; empty tables for no ledger.

    Without a ledger, whose side files would lie beside it, what does not fit in memory goes to the
    folder ``spill``, made where it is needed.
    """
    config = {"temp_directory": str(spill)} if spill else {}
    ledger = cursor_of(con) if con is not None else duckdb.connect(config=config)
    try:
        if con is None:
            migrate(ledger)
        yield ledger
    finally:
        ledger.close()


@contextmanager
def within_memory(ledger: duckdb.DuckDBPyConnection, num_seen: int) -> Iterator[None]:
    """Bound what the statements hold in memory by how much there is to judge; the rest is spilled.

    Without a bound a plan for a million new files takes 1.2 GB, as fast (docs/scaling.md).
    """
    [(num_known,)] = rows(ledger, "SELECT count(*) FROM source")
    num_bytes = max(_LEAST_BYTES, _BYTES_A_SOURCE * (num_seen + num_known))
    if num_bytes > _MOST_BYTES:  # of larger plans nobody has measured what they need
        yield
        return
    ledger.execute(f"SET memory_limit = '{num_bytes}B'")
    try:
        yield
    finally:
        ledger.execute("RESET memory_limit")


@contextmanager
def reading(collection: Collection) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """Yield a connection to the collection, or None where there is none yet."""
    if not collection.exists:
        yield None
        return
    with collection.read() as con:
        yield con


def register_scope(ledger: duckdb.DuckDBPyConnection, roots: Sequence[Root]) -> None:
    """Name the roots ``scope``: what a run looked at, and may therefore miss."""
    scope = [
        {
            "root": root.root,
            "kind": root.kind,
            "prefix": (root.base if root.kind == "glob" else root.root).rstrip("/") + "/",
            "missing": root.missing,
            "sees_hidden": root.sees_hidden,
        }
        for root in roots
    ]
    text, flag = pa.string(), pa.bool_()
    fields = {"root": text, "kind": text, "prefix": text, "missing": flag, "sees_hidden": flag}
    ledger.register("scope", pa.Table.from_pylist(scope, pa.schema(list(fields.items()))))


def register_chunkers(
    ledger: duckdb.DuckDBPyConnection,
    chunker_of: Callable[[str], InCharge | None],
    found_types: Iterable[str] = (),
) -> None:
    """Name ``chunker_of`` the chunker in charge of each media type, of the ledger or found now."""
    known_types = [media_type for (media_type,) in rows(ledger, sql.MEDIA_TYPES)]
    media_types = sorted({*known_types, *found_types})
    found = [chunker_of(media_type) or (None, None) for media_type in media_types]
    columns = {
        "media_type": pa.array(media_types, pa.string()),
        "fingerprint": pa.array([fingerprint for fingerprint, _ in found], pa.string()),
        "modality": pa.array([modality for _, modality in found], pa.string()),
    }
    ledger.register("chunker_of", pa.table(columns))


def register_uris(ledger: duckdb.DuckDBPyConnection, name: str, uris: Iterable[str]) -> None:
    """Name a list of uris."""
    ledger.register(name, pa.table({"uri": pa.array(sorted(set(uris)), pa.string())}))


def name_file(ledger: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    """Name a Parquet file; a view takes no parameters, hence the literal."""
    literal = str(path).replace("'", "''")
    ledger.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM read_parquet('{literal}')")


def rows(ledger: duckdb.DuckDBPyConnection, query: str, parameters: Any = None) -> list[Any]:
    """Return the whole answer: an unfinished one would block the connection."""
    found: list[Any] = ledger.execute(query, parameters).fetchall()
    return found
