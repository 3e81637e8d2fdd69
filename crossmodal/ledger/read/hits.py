"""Make a hit of a chunk's row and of the source that is shown for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from crossmodal.records import Hit

CHUNK_COLUMNS = "chunk_id, kind, ordinal, modality, text, section, parent, meta"


def hit_of(chunk: Sequence[Any], *, rank: int = 0, score: float = 0.0, **source: Any) -> Hit:
    """Return the hit of a row of CHUNK_COLUMNS; ``source`` holds the hit's other fields."""
    values = dict(zip(CHUNK_COLUMNS.split(", "), chunk, strict=True))
    meta = json.loads(values.pop("meta"))
    return Hit(rank=rank, score=cosine(score), meta=meta, **values, **source)


def cosine(product: float) -> float:
    """Return the product of two rounded unit vectors, which may be a little more than 1."""
    return max(-1.0, min(1.0, product))


def modified_at(mtime_ns: int) -> datetime | None:
    """Return when a source was changed; None where its store did not tell."""
    return datetime.fromtimestamp(mtime_ns / 1e9, UTC) if mtime_ns else None
