"""Name what token vectors belong to: a passage by its words, a picture by its content and place."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from crossmodal.ledger.read.indexed import Indexed, as_indexed
from crossmodal.records import Hit
from crossmodal.search.rerank_sides import side_of_hit
from crossmodal.search.tokens.store import key_of

Keyed = tuple[Hit, str, Indexed | None]
"""A hit, the key of its tokens, and of a picture what the ledger says of it."""


def keyed(con: duckdb.DuckDBPyConnection, hits: Sequence[Hit]) -> list[Keyed]:
    """Return hits with their keys, texts first; left out is what the ledger has no more."""
    pictures = [hit for hit in hits if hit.modality == "image"]
    known = as_indexed(con, pictures) if pictures else {}
    texts = [
        (hit, key_of(side), None)
        for hit in hits
        if hit.modality != "image" and (side := side_of_hit(hit, 0))
    ]
    shown = [(hit, known[hit.chunk_id]) for hit in pictures if hit.chunk_id in known]
    return [*texts, *((hit, f"chunk-{one.place}", one) for hit, one in shown)]
