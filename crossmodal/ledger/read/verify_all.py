"""Read a whole collection, block by block, and say what is wrong with it; repair nothing.

Owns what must hold of a collection at rest, whichever run wrote it. DuckDB keeps a checksum of each
block and looks at it when the block is read, so a table is sound once every column of it was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from crossmodal.errors import CollectionError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.verify import verify
from crossmodal.ledger.sql import one_number
from crossmodal.ledger.write.model_versions import all_versions, live, table_of, vector_lists

_TOLERANCE = 1e-3

# Every column of every row goes into the sum, so that no block stays unread.
_READ = "SELECT count(*) FROM (SELECT hash(t) AS h FROM {table} t) WHERE h IS NOT NULL"
_NOT_NORMALISED = """
SELECT count(*) FROM {vectors}
WHERE NOT coalesce(abs(array_inner_product(v, v) - 1) < $tolerance, false)
"""
_UNEXPLAINED = """
SELECT count(*) FROM source s
WHERE s.content_hash IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM chunk c WHERE c.content_hash = s.content_hash)
AND s.uri NOT IN (SELECT uri FROM quarantine WHERE part = '')
"""
_CODES = """
SELECT count(*) FROM search_codes WHERE model_version_id = $version AND modality = $modality
AND num_vectors > $num_vectors
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Say what was read and what is wrong."""

    path: str
    num_tables: int
    num_rows: int
    num_vectors: int
    problems: list[str]
    cache: str = ""
    """What was read of the search cache beside it, where somebody did."""

    def to_text(self) -> str:
        """Return the findings for a terminal."""
        read = f"{self.num_rows:,} rows of {self.num_tables} tables"
        said = f"{self.path}: read {read}, {self.num_vectors:,} vectors among them"
        said += f", and {self.cache}" if self.cache else ""
        return "\n".join([said, *(self.problems or ["no problem found"])])


def verify_all(collection: Collection) -> Verified:
    """Read everything in a collection and check it.

    Raises:
        CollectionMissing, CollectionTooNew, CollectionBusy: there is nothing that could be read.
    """
    counted: dict[str, int] = {}
    problems: list[str] = []
    try:
        with collection.read() as con:
            tables = _tables(con)
            problems += _read_every_row(con, tables, counted)
            if not problems:
                problems += _problems(con)
    except CollectionError as error:
        if not counted:
            raise
        problems.append(str(error))
    vectors = sum(number for table, number in counted.items() if table.startswith("vector_"))
    return Verified(
        path=str(collection.path),
        num_tables=len(counted),
        num_rows=sum(counted.values()),
        num_vectors=vectors,
        problems=problems,
    )


def _tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY table_name"
    ).fetchall()
    return [name for (name,) in rows]


def _read_every_row(
    con: duckdb.DuckDBPyConnection, tables: list[str], counted: dict[str, int]
) -> Iterator[str]:
    for table in tables:
        try:
            counted[table] = one_number(con, _READ.format(table=f'"{table}"'))
        except duckdb.Error as error:
            counted[table] = 0
            said = str(error).splitlines()[0]
            yield f"table {table} cannot be read ({said}): restore the collection from a copy"
            return  # DuckDB closes a database in which it found a damaged block


def _problems(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    found = verify(con, "", live(con))
    yield from found.problems
    if found.num_chunks_without_source:
        yield f"{found.num_chunks_without_source} chunks without a source: run the index again"
    if number := one_number(con, _UNEXPLAINED):
        yield f"{number} sources with neither a chunk nor a quarantine row: run the index again"
    for version in all_versions(con):
        for vectors in vector_lists(version):
            yield from _of_list(con, table_of(vectors), version.id or 0, vectors.modality)


def _of_list(
    con: duckdb.DuckDBPyConnection, table: str, version: int, modality: str
) -> Iterator[str]:
    number = one_number(con, _NOT_NORMALISED.format(vectors=table), {"tolerance": _TOLERANCE})
    if number:
        yield f"{number} vectors of {table} not of length 1: fill that model in again"
    listed = {
        "version": version,
        "modality": modality,
        "num_vectors": one_number(con, f"SELECT count(*) FROM {table}"),
    }
    if one_number(con, _CODES, listed):
        yield f"the codes of {table} tell of more vectors than there are: run the index again"
