"""The one search service, over a small collection with a real (tiny, random) model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossmodal.errors import CollectionEmpty, FilterError, NoSuchChunk, Refused
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec, ModelSpec
from crossmodal.search import calibrating
from crossmodal.search.answer import Answer
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService, answer
from crossmodal.search.strength import NO_HITS, NOTHING
from tests.ledger import build

NUM = 30


def fill(path: Path, model: Path) -> Collection:
    """Return a collection of pictures and passages whose vectors are drawn at random."""
    collection = Collection(path)
    lineup = choose_lineup(collection, LineupSpec(joint=ModelSpec(str(model))), "float32")
    draw = np.random.default_rng(5)
    with collection.write() as con:
        lineup = model_versions.register_lineup(con, lineup)
        rows = [build.planned(f"/things/{i}", f"content {i}") for i in range(2 * NUM)]
        vectors = [
            build.vector_row(
                row,
                build.unit(*draw.normal(size=lineup.joint.dim)),
                modality="image" if i < NUM else "text",
                text=f"words {i}",
            )
            for i, row in enumerate(rows)
        ]
        shard_writer.commit_shard(con, build.shard(lineup, build.plan(*rows), vectors))
    return collection


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path) -> Collection:
    return fill(tmp_path_factory.mktemp("service") / "c.duckdb", tiny_clip)


@pytest.fixture
def options(filled: Collection) -> QueryOptions:
    return QueryOptions(collection=str(filled.path), device="cpu")


def chunks(found: Answer) -> list[tuple[int, float | None]]:
    return [(hit.chunk_id, hit.merit) for hit in found.hits]


def test_the_first_search_calibrates_a_collection_from_before(
    tmp_path: Path, tiny_clip: Path
) -> None:
    old = fill(tmp_path / "old.duckdb", tiny_clip)
    (found,) = answer(QueryOptions(collection=str(old.path), device="cpu"), ["a boat"], [])
    assert found.notices == []
    assert all(hit.merit is not None and hit.strength for hit in found.hits)
    with old.read() as con:
        assert build.count(con, "calibration") == 2


def test_where_the_file_cannot_be_written_the_answer_says_that_the_ranking_is_rougher(
    tmp_path: Path, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrating, "_LOCK_WAIT_S", 0.05)
    old = fill(tmp_path / "busy.duckdb", tiny_clip)
    service = SearchService(old)
    options = QueryOptions(collection=str(old.path), device="cpu")
    with old.read() as con:  # a reader keeps writers out
        build.count(con, "chunk")
        encoded = service.encoded([Query(text="a boat")], options)
    assert encoded
    found = service.ask(Query(text="a boat"), options)
    assert len(found.hits) == 10
    assert "not calibrated yet" in found.notices[0]
    assert (found.stands_out, found.verdict) == (None, "")


def test_many_queries_get_the_answers_that_each_gets_alone(
    filled: Collection, options: QueryOptions
) -> None:
    service = SearchService(filled)
    queries = [Query(text=text) for text in ("a boat", "the sea at night", "red", "a table")]
    for chosen in (options, replace(options, group=False, offset=3, k=4)):
        alone = [service.ask(query, chosen) for query in queries]
        together = list(service.ask_many(queries, chosen))
        assert [a.query for a in together] == [query.text for query in queries]
        for one, many in zip(alone, together, strict=True):
            assert [i for i, _ in chunks(many)] == [i for i, _ in chunks(one)]
            assert [m for _, m in chunks(many)] == pytest.approx(
                [m for _, m in chunks(one)], rel=1e-4
            )
            assert (many.has_more, many.stands_out) == (one.has_more, one.stands_out)


def test_pages_join_without_gap_or_repetition(filled: Collection, options: QueryOptions) -> None:
    service = SearchService(filled)
    whole = service.ask(Query(text="a boat"), replace(options, k=2 * NUM))
    pages = [
        service.ask(Query(text="a boat"), replace(options, k=12, offset=at))
        for at in range(0, 60, 12)
    ]
    assert [c for page in pages for c in chunks(page)] == chunks(whole)
    assert [page.has_more for page in pages] == [True, True, True, True, False]


def test_a_picture_that_is_sent_is_found_as_the_file_is(
    filled: Collection, options: QueryOptions, tmp_path: Path
) -> None:
    file = tmp_path / "asked.png"
    Image.effect_noise((200, 120), 90).convert("RGB").save(file)
    service = SearchService(filled)
    sent = service.ask(Query(picture=file.read_bytes()), options)
    named = service.ask(Query(picture=str(file)), options)
    assert chunks(sent) == chunks(named)
    assert (sent.query, named.query) == ("a picture", str(file))


def test_bytes_that_are_no_picture_are_refused(filled: Collection, options: QueryOptions) -> None:
    with pytest.raises(Refused):
        SearchService(filled).ask(Query(picture=b"no picture"), options)


def test_a_chunk_that_asks_is_not_among_its_own_hits(
    filled: Collection, options: QueryOptions
) -> None:
    service = SearchService(filled)
    service.ask(Query(text="calibrate"), options)
    found = service.ask(Query(chunk_id=7), replace(options, k=2 * NUM))
    assert len(found.hits) == 2 * NUM - 1
    assert 7 not in {hit.chunk_id for hit in found.hits}
    with pytest.raises(NoSuchChunk, match="chunk 999 is not in the collection"):
        service.ask(Query(chunk_id=999), options)


def test_a_chunk_is_near_its_own_vector_and_stands_out(
    filled: Collection, options: QueryOptions
) -> None:
    """Random vectors of many dimensions: only the twin of a vector is near it."""
    service = SearchService(filled)
    service.ask(Query(text="calibrate"), options)
    shown = service.ask(Query(text="calibrate"), options)
    assert shown.verdict in ("", NOTHING)
    assert shown.to_dict()["verdict"] == shown.verdict


def test_conditions_and_modalities_narrow_a_search_and_a_batch(
    filled: Collection, options: QueryOptions
) -> None:
    service = SearchService(filled)
    only = replace(options, modalities=("text",), where=["path=/things/3*"])
    for found in [
        service.ask(Query(text="a"), only),
        *service.ask_many([Query(text="a")] * 2, only),
    ]:
        assert found.hits
        assert all(hit.modality == "text" and "/3" in hit.uri for hit in found.hits)


def test_an_answer_without_hits_says_so_and_not_that_its_hits_are_weak(
    filled: Collection, options: QueryOptions
) -> None:
    service = SearchService(filled)
    nothing = replace(options, where=["path=*.nowhere"])
    for mode in ("hybrid", "words"):
        found = service.ask(Query(text="a"), replace(nothing, mode=mode))
        assert (found.hits, found.verdict) == ([], NO_HITS)
        assert NO_HITS in found.to_text_table().to_text().splitlines()


def test_what_cannot_be_answered_is_refused_before_a_model_is_loaded(options: QueryOptions) -> None:
    with pytest.raises(FilterError, match="nothing to search for"):
        answer(options, [" "], [])
    with pytest.raises(FilterError):
        answer(replace(options, where=["size>many"]), ["a"], [])
    with pytest.raises(CollectionEmpty, match="no vector of audio"):
        answer(replace(options, modalities=("audio",)), ["a"], [])
