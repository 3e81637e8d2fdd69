"""Keep what people say of hits: whether one fits what was asked.

Rows are only added; of one person the latest word on a query and a source counts, and ``fits`` of
None takes it back. The words are kept with the version that found the hit and its rank, so that two
versions can be compared by what people said of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from crossmodal.errors import NoSuchChunk
from crossmodal.ledger.sql import first_row

ANYBODY = "anybody"

_INSERT = """
INSERT INTO judgement (query_kind, query, chunk_id, uri, fits, model, rank, who, judged_at)
VALUES ($query_kind, $query, $chunk_id, $uri, $fits, $model, $rank, $who, now())
"""
_URI = """
SELECT min(s.uri) FROM chunk c JOIN source s USING (content_hash) WHERE c.chunk_id = ?
"""
_STANDING = """
SELECT query_kind, query, chunk_id, uri, fits, model, rank, who, epoch(judged_at) FROM judgement
QUALIFY row_number() OVER (PARTITION BY query_kind, query, uri, who ORDER BY id DESC) = 1
    AND fits IS NOT NULL
ORDER BY query_kind, query, uri, who
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Hold what one person says of one hit."""

    query_kind: str
    """text, or chunk: then ``query`` is its id."""
    query: str
    chunk_id: int
    fits: bool | None
    """None takes it back."""
    model: str
    """Label of the version, or of the line-up, that found it."""
    rank: int
    who: str = ANYBODY
    uri: str = ""
    """Filled in as it is stored."""
    judged_at: datetime | None = None


def put_judgement(con: duckdb.DuckDBPyConnection, said: Judgement) -> None:
    """Keep what a person says.

    Raises:
        NoSuchChunk: no source holds the chunk.
    """
    row = first_row(con, _URI, [said.chunk_id])
    if row is None or row[0] is None:
        raise NoSuchChunk(f"there is no chunk {said.chunk_id} in this collection: search again")
    con.execute(
        _INSERT,
        {
            "query_kind": said.query_kind,
            "query": " ".join(said.query.split()),
            "chunk_id": said.chunk_id,
            "uri": row[0],
            "fits": said.fits,
            "model": said.model,
            "rank": said.rank,
            "who": said.who.strip() or ANYBODY,
        },
    )


def standing_judgements(con: duckdb.DuckDBPyConnection) -> list[Judgement]:
    """Return everybody's latest word on each query and source, but for what was taken back."""
    names = ("query_kind", "query", "chunk_id", "uri", "fits", "model", "rank", "who")
    return [
        Judgement(**dict(zip(names, said, strict=True)), judged_at=datetime.fromtimestamp(at, UTC))
        for *said, at in con.execute(_STANDING).fetchall()
    ]


def grades(said: Sequence[Judgement]) -> dict[tuple[tuple[str, str], str], int]:
    """Return 1 or 0 by query (its kind and itself) and source: 1 where more than half say it fits.

    What people say of one source for one query is one grade, however many they are.
    """
    votes: dict[tuple[tuple[str, str], str], list[bool]] = defaultdict(list)
    for each in said:
        votes[(each.query_kind, each.query), each.uri].append(bool(each.fits))
    return {key: int(2 * sum(fits) > len(fits)) for key, fits in votes.items()}
