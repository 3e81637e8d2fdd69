"""Make hits that stand for nothing but their place in a list."""

from __future__ import annotations

from typing import Any

from crossmodal.records import Hit


def hit(uri: object, rank: int = 1, num_copies: int = 1, **changes: Any) -> Hit:
    cells: dict[str, Any] = {
        "rank": rank,
        "score": 0.31,
        "uri": str(uri),
        "chunk_id": rank,
        "kind": "image",
        "ordinal": 0,
        "modality": "image",
        "media_type": "image/png",
        "size_bytes": 100,
        "modified": None,
        "num_copies": num_copies,
    }
    return Hit(**cells | changes)
