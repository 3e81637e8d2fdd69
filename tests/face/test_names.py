"""What ``import crossmodal`` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import crossmodal

NAMES = {
    "CrossmodalError",
    "Hit",
    "Hits",
    "OpenCollection",
    "OpenCollections",
    "StoredVectors",
    "open",
    "read_vectors",
}
OPEN_COLLECTION = {"device", "index", "model", "models", "path", "search", "similar", "sql"}
OPEN_COLLECTION |= {"ask", "status", "undo"}
HIT = {
    *("rank", "path", "score", "merit", "strength", "place", "text", "section", "chunk_id"),
    *("kind", "modality", "media_type", "size_bytes", "modified", "num_copies", "meta"),
    *("rerank_score", "alike", "snippet", "spans", "collection"),
}
HITS = {
    *("query", "found", "model", "stands_out", "verdict", "notices", "has_more"),
    *("reranked_by", "unanswered"),
    *("count", "index", "to_arrow", "to_daft", "to_text_table", "to_pandas"),
}
VECTORS = {"table", "modality", "model", "dim", "to_arrow", "to_daft", "to_numpy", "to_pandas"}


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_these_are_the_public_names() -> None:
    assert set(crossmodal.__all__) == NAMES
    assert set(dir(crossmodal)) >= NAMES
    assert all(getattr(crossmodal, name) for name in NAMES)


def test_these_are_the_public_names_of_what_is_handed_out() -> None:
    assert public(crossmodal.OpenCollection) == OPEN_COLLECTION
    assert public(crossmodal.Hit) == HIT
    assert public(crossmodal.Hits) == HITS
    assert public(crossmodal.StoredVectors) == VECTORS


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = crossmodal.no_such_name


@pytest.mark.parametrize(
    ("done", "heavy"),
    [
        ("import crossmodal", {"torch", "daft", "prefect", "duckdb", "pyarrow", "numpy", "PIL"}),
        ("import crossmodal; crossmodal.open('c.duckdb')", {"torch", "daft", "prefect"}),
    ],
)
def test_import_and_open_load_nothing_heavy(done: str, heavy: set[str]) -> None:
    told = f"import sys; {done}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=300
    )
    assert not set(loaded.stdout.split()) & heavy
