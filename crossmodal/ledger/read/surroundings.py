"""Read what stands around a chunk in its source, and which recording its words belong to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from crossmodal.ledger.read.hidden import hidden_chunks
from crossmodal.records import Hit

_NEIGHBOURS = """
WITH wanted AS (SELECT unnest($chunk_ids) AS hit_id),
middle AS (SELECT w.hit_id, c.* FROM wanted w JOIN chunk c ON c.chunk_id = w.hit_id),
same AS (
    SELECT m.hit_id, m.ordinal AS middle, c.ordinal, c.kind, c.text, c.section, c.meta,
        row_number() OVER (
            PARTITION BY m.hit_id, c.ordinal < m.ordinal ORDER BY abs(c.ordinal - m.ordinal)
        ) AS distance
    FROM middle m JOIN chunk c
        ON c.content_hash = m.content_hash AND c.chunker = m.chunker AND c.kind = m.kind
        AND c.ordinal <> m.ordinal
    WHERE c.chunk_id NOT IN (SELECT unnest($hidden::BIGINT[])))
SELECT hit_id, ordinal < middle, ordinal, kind, text, section, meta
FROM same WHERE distance <= $num ORDER BY hit_id, ordinal
"""

_PARENTS = """
SELECT c.chunk_id, p.ordinal, p.kind, p.text, p.section, p.meta
FROM chunk c JOIN chunk p
    ON p.content_hash = c.content_hash AND p.chunker = c.chunker AND p.ordinal = c.parent
WHERE c.chunk_id IN (SELECT unnest($chunk_ids))
    AND p.chunk_id NOT IN (SELECT unnest($hidden::BIGINT[]))
"""

# talk.srt, talk.en.vtt and talk.mp4 lie side by side.
_RECORDINGS = """
SELECT w.uri, min(s.uri) FROM (SELECT unnest($uris) AS uri) w JOIN source s
    ON regexp_replace(s.uri, '\\.[^./]*$', '')
        = regexp_replace(w.uri, '(\\.[a-z]{2,3})?\\.[^./]*$', '')
WHERE (s.media_type LIKE 'video/%' OR s.media_type LIKE 'audio/%') AND s.uri <> w.uri
GROUP BY w.uri
"""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Hold a chunk that stands near a hit in the same source."""

    ordinal: int
    kind: str
    text: str
    section: str
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Hold what stands before and after a hit, in reading order, and what it is a part of."""

    before: list[Neighbour] = field(default_factory=list)
    after: list[Neighbour] = field(default_factory=list)
    parent: Neighbour | None = None


def surroundings(
    con: duckdb.DuckDBPyConnection, chunk_ids: Sequence[int], num: int
) -> dict[int, Surroundings]:
    """Return by chunk id up to ``num`` chunks of the same kind on either side, and the parent.

    What moderation hides is not among them.
    """
    found = {chunk_id: Surroundings() for chunk_id in chunk_ids}
    params = {"chunk_ids": list(chunk_ids), "hidden": list(hidden_chunks(con))}
    for chunk_id, is_before, *cells in con.execute(_NEIGHBOURS, params | {"num": num}).fetchall():
        side = found[chunk_id].before if is_before else found[chunk_id].after
        side.append(_neighbour(cells))
    for chunk_id, *cells in con.execute(_PARENTS, params).fetchall():
        near = found[chunk_id]
        found[chunk_id] = Surroundings(near.before, near.after, _neighbour(cells))
    return found


def recordings(con: duckdb.DuckDBPyConnection, hits: Sequence[Hit]) -> dict[str, str]:
    """Return for subtitles and transcripts among the hits the film or sound beside them."""
    uris = sorted({hit.uri for hit in hits if hit.kind in ("cue", "passage")})
    if not uris:
        return {}
    return dict(con.execute(_RECORDINGS, {"uris": uris}).fetchall())


def _neighbour(cells: list[Any]) -> Neighbour:
    ordinal, kind, text, section, meta = cells
    return Neighbour(ordinal, kind, text, section, json.loads(meta))
