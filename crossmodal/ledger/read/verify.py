"""Check after a run that the ledger keeps its promises; repair nothing.

What is wrong is told in sentences with what to do: most of it the next run mends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from crossmodal.ledger.sql import one_number
from crossmodal.ledger.write.model_versions import (
    all_versions,
    embedded_sql,
    table_of,
    vector_lists,
)
from crossmodal.records import Lineup

_TOLERANCE = 1e-3

_NO_VECTOR = """
SELECT count(*) FROM source s
WHERE s.run_id = $run_id AND s.content_hash IS NOT NULL
AND s.uri NOT IN (SELECT uri FROM quarantine WHERE part = '')
AND NOT EXISTS (
    SELECT 1 FROM chunk c JOIN {vectors} v ON v.chunk_id = c.chunk_id
    WHERE c.content_hash = s.content_hash)
"""

_NO_CHUNK = """
SELECT count(*) FROM {vectors} v
WHERE NOT EXISTS (SELECT 1 FROM chunk c WHERE c.chunk_id = v.chunk_id)
"""

_NO_SOURCE = """
SELECT count(*) FROM chunk c
WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.content_hash = c.content_hash)
"""

# NaN would pass any comparison with a bound, hence the NOT.
_NOT_NORMALISED = """
SELECT count(*) FROM {vectors}
WHERE run_id = $run_id AND NOT coalesce(abs(array_inner_product(v, v) - 1) < $tolerance, false)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Count what should not be; all but ``num_sources`` are 0 in a sound collection at rest."""

    num_sources: int
    num_without_vector_or_quarantine: int
    num_vectors_without_chunk: int
    num_chunks_without_source: int
    num_not_normalised: int
    problems: list[str]
    """A sentence for each count above 0 that no other run can explain."""


def verify(con: duckdb.DuckDBPyConnection, run_id: str, lineup: Lineup | None) -> Verification:
    """Check the sources and vectors of one run under its line-up, and every chunk.

    Sources of a media type without chunker need no vector, nor do those that other runs index with
    other models. Without a line-up only what does not depend on one is checked. Chunks
    without a source are counted but no problem: another run may be about to settle them.
    """
    tables = [table_of(vectors) for v in all_versions(con) for vectors in vector_lists(v)]
    num_without = 0
    if lineup is not None:
        vectors = embedded_sql(lineup)
        num_without = one_number(con, _NO_VECTOR.format(vectors=vectors), {"run_id": run_id})
    of_run = {"run_id": run_id, "tolerance": _TOLERANCE}
    num_not_normalised = sum(
        one_number(con, _NOT_NORMALISED.format(vectors=table), of_run) for table in tables
    )
    num_no_chunk = sum(one_number(con, _NO_CHUNK.format(vectors=table)) for table in tables)
    num_no_source = one_number(con, _NO_SOURCE)
    return Verification(
        num_sources=one_number(con, "SELECT count(*) FROM source"),
        num_without_vector_or_quarantine=num_without,
        num_vectors_without_chunk=num_no_chunk,
        num_chunks_without_source=num_no_source,
        num_not_normalised=num_not_normalised,
        problems=_problems(num_without, num_no_chunk, num_not_normalised),
    )


def _problems(num_without: int, num_no_chunk: int, num_not_normalised: int) -> list[str]:
    found = (
        (num_without, "sources with neither a vector nor a quarantine row: run the index again"),
        (num_no_chunk, "vectors without a chunk: something else has changed the file"),
        (num_not_normalised, "vectors of this run not of length 1: the encoder is at fault"),
    )
    return [f"{number} {sentence}" for number, sentence in found if number]
