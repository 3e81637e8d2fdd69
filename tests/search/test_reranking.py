"""The second stage of a search: what it changes, what it leaves, and what it says when late."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import Floats, Side
from crossmodal.errors import ModelUnavailable, RerankFailed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.token_files import token_files
from crossmodal.ledger.write import settings
from crossmodal.search import reranking
from crossmodal.search.options import QueryOptions
from crossmodal.search.reranking import TOP
from crossmodal.search.service import Query, SearchService
from crossmodal.search.tokens.store import TokenCache, key_of
from tests.search.test_service import fill
from tests.tiny_rerankers import build_colbert, build_cross_encoder

QUERY = Query(text="a boat")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path) -> Collection:
    return fill(tmp_path_factory.mktemp("reranking") / "c.duckdb", tiny_clip)


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_cross_encoder(tmp_path_factory.mktemp("cross") / "cross"))


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    reranking._VERDICTS.clear()


@pytest.fixture
def options(filled: Collection, cross: str) -> QueryOptions:
    return QueryOptions(
        collection=str(filled.path), device="cpu", rerank=cross, rerank_deadline_ms=0
    )


class Counting:
    """Score by the number in a text, count the pairs, and be slow or fail where it is told to."""

    label, side_px, batch = "counting", 0, 8
    pairs = frozenset({("text", "text")})

    def __init__(self, wait_s: float = 0, fails: bool = False) -> None:
        self.num_pairs, self.wait_s, self.fails = 0, wait_s, fails
        self.fingerprint = f"counting-{id(self)}"

    def scores(self, query: Side, candidates: Sequence[Side]) -> Floats:
        import time

        time.sleep(self.wait_s)
        if self.fails:
            raise RerankFailed("counting gave scores that are no numbers")
        self.num_pairs += len(candidates)
        return np.array([float(side.text.split()[-1]) for side in candidates], np.float32)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    made = Counting()
    monkeypatch.setattr(reranking, "load_reranker", lambda model, device: made)
    return made


def test_hits_that_are_read_change_places_among_themselves_and_keep_what_they_are(
    filled: Collection, options: QueryOptions, counting: Counting
) -> None:
    service = SearchService(filled)
    before = service.ask(QUERY, replace(options, rerank="off", k=TOP))
    after = service.ask(QUERY, replace(options, k=TOP))
    assert after.reranked_by == "counting"
    assert [h.modality for h in after.hits] == [h.modality for h in before.hits]
    assert [h.rank for h in after.hits] == list(range(1, TOP + 1))
    read = [h for h in after.hits if h.modality == "text"]
    scores = [h.rerank_score for h in read]
    assert scores == sorted(scores, reverse=True)
    assert all(h.rerank_score is None for h in after.hits if h.modality == "image")
    known = {h.chunk_id: (h.score, h.merit, h.strength) for h in before.hits}
    assert {h.chunk_id: (h.score, h.merit, h.strength) for h in after.hits} == known


def test_a_real_cross_encoder_orders_as_its_own_scores_do(
    filled: Collection, options: QueryOptions, cross: str
) -> None:
    found = SearchService(filled).ask(QUERY, replace(options, modalities=("text",), k=30))
    texts = [Side(text=hit.text) for hit in found.hits]
    own = load_reranker(cross, "cpu").scores(Side(text=QUERY.text), texts)
    np.testing.assert_allclose([h.rerank_score for h in found.hits], own, atol=1e-4)
    assert own.tolist() == sorted(own.tolist(), reverse=True)


def test_pages_join_and_a_query_is_judged_once(
    filled: Collection, options: QueryOptions, counting: Counting
) -> None:
    service = SearchService(filled)
    whole = service.ask(QUERY, replace(options, k=60))
    judged = counting.num_pairs
    pages = [service.ask(QUERY, replace(options, k=12, offset=at)) for at in range(0, 60, 12)]
    found = [(h.chunk_id, h.rank) for page in pages for h in page.hits]
    assert found == [(h.chunk_id, h.rank) for h in whole.hits]
    assert [page.has_more for page in pages] == [True] * 4 + [False]
    assert counting.num_pairs == judged


def test_many_queries_are_reranked_as_one_is(
    filled: Collection, options: QueryOptions, counting: Counting
) -> None:
    service = SearchService(filled)
    queries = [Query(text=text) for text in ("a boat", "red")]
    together = list(service.ask_many(queries, options))
    alone = [service.ask(query, options) for query in queries]
    assert [[h.chunk_id for h in a.hits] for a in together] == [
        [h.chunk_id for h in a.hits] for a in alone
    ]


def test_words_are_reranked_too(
    filled: Collection, options: QueryOptions, counting: Counting
) -> None:
    found = SearchService(filled).ask(Query(text="words"), replace(options, mode="words"))
    assert [h.rerank_score for h in found.hits] == [h.rerank_score for h in found.hits if h.text]


def test_a_late_reranker_changes_nothing_and_the_answer_says_so_on_every_page(
    filled: Collection, options: QueryOptions, counting: Counting
) -> None:
    service, counting.wait_s = SearchService(filled), 0.2
    hurried = replace(options, rerank_deadline_ms=20)
    before = service.ask(QUERY, replace(options, rerank="off"))
    late = service.ask(QUERY, hurried)
    assert [h.chunk_id for h in late.hits] == [h.chunk_id for h in before.hits]
    assert late.reranked_by == ""
    assert "counting was late" in late.notices[-1]
    assert "--rerank-deadline-ms" in late.notices[-1]
    counting.wait_s = 0
    second = service.ask(QUERY, replace(hurried, offset=10, rerank_deadline_ms=5000))
    assert "was late" in second.notices[-1]
    again = service.ask(QUERY, replace(hurried, rerank_deadline_ms=5000))
    assert again.reranked_by == "counting"


def test_a_reranker_that_fails_changes_nothing_and_the_answer_says_so(
    filled: Collection, options: QueryOptions, counting: Counting
) -> None:
    counting.fails = True
    found = SearchService(filled).ask(QUERY, options)
    assert len(found.hits) == 10
    assert found.notices[-1] == "not reranked: counting gave scores that are no numbers"


def test_a_reranker_that_reads_nothing_of_the_answer_says_so(
    filled: Collection, options: QueryOptions, counting: Counting
) -> None:
    found = SearchService(filled).ask(QUERY, replace(options, modalities=("image",)))
    assert "reads no text query with such hits" in found.notices[-1]


def test_pooling_without_a_named_reranker_says_that_it_did_nothing(
    filled: Collection, options: QueryOptions
) -> None:
    found = SearchService(filled).ask(QUERY, replace(options, rerank="", rerank_pool=2))
    assert found.notices[-1].startswith("--rerank-pool did nothing")


def test_a_folder_that_is_not_there_is_an_error_where_it_is_named(
    filled: Collection, options: QueryOptions, tmp_path: Path
) -> None:
    with pytest.raises(ModelUnavailable, match="there is no directory"):
        SearchService(filled).ask(QUERY, replace(options, rerank=str(tmp_path / "gone")))


def test_what_a_collection_remembers_orders_its_hits_until_it_changes_or_goes(
    tmp_path: Path, tiny_clip: Path, cross: str
) -> None:
    collection = fill(tmp_path / "c.duckdb", tiny_clip)
    plain = QueryOptions(collection=str(collection.path), device="cpu")
    service = SearchService(collection)
    assert service.ask(QUERY, plain).reranked_by == ""
    fingerprint = load_reranker(cross, "cpu").fingerprint
    kept = {"model": cross, "fingerprint": fingerprint}
    remember(collection, {"text->passage": kept})
    found = service.ask(QUERY, plain)
    assert found.reranked_by.startswith("cross@")
    assert service.ask(QUERY, replace(plain, rerank="off")).reranked_by == ""
    remember(collection, {"text->passage": kept | {"fingerprint": "former"}})
    assert "has changed since" in service.ask(QUERY, plain).notices[-1]
    remember(collection, {"text->passage": kept | {"model": str(tmp_path / "gone")}})
    assert "not reranked: there is no directory" in service.ask(QUERY, plain).notices[-1]


def remember(collection: Collection, kept: dict[str, object]) -> None:
    with collection.write() as con:
        settings.remember_rerankers(con, kept)


def test_tokens_are_kept_beside_the_collection_and_change_no_score(
    tmp_path: Path, tiny_clip: Path
) -> None:
    collection = fill(tmp_path / "c.duckdb", tiny_clip)
    colbert = str(build_colbert(tmp_path / "colbert"))
    asked = QueryOptions(
        collection=str(collection.path), device="cpu", rerank=colbert, rerank_deadline_ms=0
    )
    service = SearchService(collection)
    fresh = service.ask(QUERY, asked)
    assert [each.form for each in token_files(collection.path)] == ["int8"]
    reranking._VERDICTS.clear()
    kept = service.ask(QUERY, asked)
    assert [h.chunk_id for h in kept.hits] == [h.chunk_id for h in fresh.hits]
    np.testing.assert_allclose(
        [h.rerank_score for h in kept.hits if h.rerank_score],
        [h.rerank_score for h in fresh.hits if h.rerank_score],
        atol=1e-4,
    )


def test_a_damaged_entry_or_file_counts_as_missing(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path / "c.duckdb", "f" * 64)
    side, tokens = key_of(Side(text="words")), np.eye(4, dtype=np.float16)
    assert cache.get([side]) == {}
    cache.put({side: tokens})
    assert np.array_equal(cache.get([side, "other"])[side], tokens)
    with sqlite3.connect(cache.path) as con:
        con.execute("UPDATE tokens SET vectors = ?", [np.ones((4, 4), np.float16).tobytes()])
    con.close()
    assert cache.get([side]) == {}
    cache.path.write_bytes(b"no database at all, but long enough to look like one" * 100)
    assert cache.get([side]) == {}
    cache.put({side: tokens})
    assert side in cache.get([side])


def test_the_oldest_tokens_give_way_where_the_file_is_full(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path / "c.duckdb", "f" * 64, max_bytes=100_000)
    for number in range(12):
        cache.put({f"text-{number}": np.ones((100, 64), np.float16)})
    found = cache.get([f"text-{number}" for number in range(12)])
    assert "text-11" in found
    assert "text-0" not in found
    assert cache.num_bytes < 250_000
