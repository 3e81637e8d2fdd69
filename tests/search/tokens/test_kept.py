"""Tokens of hits belong to what the ledger has, and are made once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.errors import CollectionMissing
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.token_files import folder_of
from crossmodal.search import reranking
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService


@pytest.fixture
def options(collection: Collection, col_qwen2: str) -> QueryOptions:
    return QueryOptions(
        collection=str(collection.path),
        device="cpu",
        rerank=col_qwen2,
        rerank_deadline_ms=0,
        modalities=("image",),
    )


def scores(collection: Collection, options: QueryOptions) -> dict[str, float | None]:
    reranking._VERDICTS.clear()
    found = SearchService(collection).ask(Query(text="a boat"), options)
    return {hit.uri: hit.rerank_score for hit in found.hits}


def test_a_page_whose_tokens_are_kept_is_not_drawn_again(
    collection: Collection, options: QueryOptions, pictures: list[Path]
) -> None:
    before = scores(collection, options)
    assert None not in before.values()
    for path in pictures:
        path.unlink()
    assert scores(collection, options) == before


def test_a_page_that_changed_since_it_was_indexed_is_not_taken_for_what_it_was(
    collection: Collection, options: QueryOptions, pictures: list[Path]
) -> None:
    changed, other = pictures[:2]
    seen = changed.stat()
    changed.write_bytes(other.read_bytes())
    os.utime(changed, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    found = scores(collection, options)
    assert found[str(changed)] is None
    assert found[str(other)] is not None


def test_pooled_tokens_lie_beside_the_others_and_never_stand_for_them(
    collection: Collection, options: QueryOptions
) -> None:
    plain = scores(collection, options)
    pooled = scores(collection, replace(options, rerank_pool=4))
    assert pooled != plain
    assert scores(collection, options) == plain
    sizes = {path.stem[32:]: path.stat().st_size for path in folder_of(collection.path).iterdir()}
    assert set(sizes) == {"-int8", "-int8-pool4"}


def test_what_keeps_a_reranker_from_its_work_is_told_and_is_not_called_lateness(
    collection: Collection, options: QueryOptions, tmp_path: Path
) -> None:
    reranker = load_reranker(options.rerank, "cpu")
    hits = SearchService(collection).ask(Query(text="a boat"), replace(options, rerank="off")).hits
    asker = reranking.Asker(text="a boat", picture="", key=b"")
    job = reranking._Job(reranker, asker, hits, tmp_path / "gone.duckdb")
    verdict = job.within(60.0)
    assert not verdict.scores
    assert "gone.duckdb" in verdict.notice
    assert "late" not in verdict.notice
    with pytest.raises(CollectionMissing):
        job.within(None)
