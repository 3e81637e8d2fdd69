from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.read.filters import parse_where
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.records import Hit, Lineup, ModelVersion, VectorList
from crossmodal.vectors.search import SearchRequest, near_each, nearest_chunks, search
from tests.ledger import build
from tests.ledger.build import commit, plan, planned, unit, vector_row

QUERY = unit(1, 0, 0, 0)


def find(con: Any, model: ModelVersion, *conditions: str, **wanted: Any) -> list[Hit]:
    where = parse_where(list(conditions)) if conditions else None
    return search(
        con,
        SearchRequest(
            VectorList(model, "image"), wanted.pop("query", QUERY), where=where, **wanted
        ),
    )


def fan(con: Any, model: ModelVersion, num: int) -> list[str]:
    """Commit sources whose vectors turn away from the query; return them nearest first."""
    rows = [planned(f"/photos/{i:03}", f"fan {i}", size_bytes=i) for i in range(num)]
    vectors = [vector_row(row, unit(1, i / num, 0, 0)) for i, row in enumerate(rows)]
    shuffled = [vectors[i] for i in np.random.default_rng(7).permutation(num)]
    shard_writer.commit_shard(con, build.shard(model, plan(*rows), shuffled))
    return [row["uri"] for row in rows]


def test_hits_come_nearest_first_with_cosine_as_score(con: Any, model: ModelVersion) -> None:
    uris = fan(con, model, 20)
    hits = find(con, model, k=5)
    assert [hit.uri for hit in hits] == uris[:5]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert [hit.score for hit in hits] == pytest.approx(
        [float(QUERY @ unit(1, i / 20, 0, 0)) for i in range(5)]
    )


def test_a_hit_tells_about_its_source_and_chunk(con: Any, model: ModelVersion) -> None:
    when = datetime(2024, 1, 31, 12, tzinfo=UTC)
    row = planned("/photos/a", "A", mtime_ns=int(when.timestamp()) * 10**9, size_bytes=42)
    commit(con, model, row)
    (hit,) = find(con, model)
    assert hit == Hit(
        rank=1,
        score=1.0,
        uri="/photos/a",
        chunk_id=1,
        kind="image",
        ordinal=0,
        modality="image",
        media_type="image/png",
        size_bytes=42,
        modified=when,
        num_copies=1,
        meta={"width": 8},
    )


def test_a_source_of_unknown_time_has_none(con: Any, model: ModelVersion) -> None:
    commit(con, model, planned("http://host/a", "A", mtime_ns=0))
    assert find(con, model)[0].modified is None


def test_a_filter_applies_before_the_top_k(con: Any, model: ModelVersion) -> None:
    uris = fan(con, model, 50)
    assert [hit.uri for hit in find(con, model, "size>=40", k=3)] == uris[40:43]
    assert find(con, model, "path=*.nothing") == []


def test_pages_follow_each_other_without_gap_or_repeat(con: Any, model: ModelVersion) -> None:
    fan(con, model, 23)
    whole = find(con, model, k=23)
    paged = [hit for offset in range(0, 25, 5) for hit in find(con, model, k=5, offset=offset)]
    assert paged == whole
    filtered = [hit.uri for hit in find(con, model, "size>2", k=5, offset=5)]
    assert filtered == [hit.uri for hit in whole[8:13]]


def test_equal_scores_keep_the_order_of_their_chunks(con: Any, model: ModelVersion) -> None:
    rows = [planned(f"/photos/{i:03}", f"same {i}") for i in range(300)]
    rows_of = [vector_row(row, QUERY) for row in rows]
    shard_writer.commit_shard(con, build.shard(model, plan(*rows), rows_of))
    pages = [find(con, model, k=100, offset=offset) for offset in (0, 100, 200)]
    ids = [hit.chunk_id for page in pages for hit in page]
    assert ids == sorted(ids)
    assert len(set(ids)) == 300


def test_copies_are_one_hit_named_by_the_first_that_passes_the_filter(
    con: Any, model: ModelVersion
) -> None:
    commit(con, model, planned("/photos/b.png", "A"))
    copy = {"action": "duplicate", "embed": False}
    copies = plan(planned("/photos/a.png", "A", **copy), planned("/other/c.png", "A", **copy))
    shard_writer.apply_plan(con, copies, "run", Lineup.of(model))
    (hit,) = find(con, model)
    assert (hit.uri, hit.num_copies) == ("/other/c.png", 3)
    (hit,) = find(con, model, "path=/photos/*")
    assert (hit.uri, hit.num_copies) == ("/photos/a.png", 3)


def test_every_chunk_of_a_source_can_be_a_hit(con: Any, model: ModelVersion) -> None:
    row = planned("/photos/a", "A")
    tiles = [vector_row(row, unit(1, i, 0, 0), kind="tile", ordinal=i) for i in range(3)]
    shard_writer.commit_shard(con, build.shard(model, plan(row), tiles))
    assert [(hit.uri, hit.ordinal) for hit in find(con, model)] == [
        ("/photos/a", i) for i in range(3)
    ]


@pytest.mark.parametrize("num_orphans", [1, 250])
def test_content_without_a_source_takes_no_place_among_the_hits(
    con: Any, model: ModelVersion, num_orphans: int
) -> None:
    uris = fan(con, model, num_orphans + 10)
    con.execute("DELETE FROM source WHERE size_bytes < ?", [num_orphans])
    assert [hit.uri for hit in find(con, model, k=4)] == uris[num_orphans : num_orphans + 4]
    assert [hit.uri for hit in find(con, model, k=99)] == uris[num_orphans:]


def test_model_versions_are_searched_apart(con: Any, model: ModelVersion) -> None:
    other = model_versions.register(con, build.version("other"))
    commit(con, model, planned("/photos/a", "A"))
    commit(con, other, planned("/photos/b", "B"))
    assert [hit.uri for hit in find(con, model)] == ["/photos/a"]
    assert [hit.uri for hit in find(con, other)] == ["/photos/b"]


def test_scores_never_exceed_one(con: Any, model: ModelVersion) -> None:
    row = planned("/photos/a", "A")
    longer = QUERY * np.float32(1.0001)
    rows_of = [vector_row(row, longer)]
    shard_writer.commit_shard(con, build.shard(model, plan(row), rows_of))
    assert find(con, model)[0].score == 1.0
    assert find(con, model, query=-QUERY)[0].score == -1.0


def test_a_list_without_vectors_has_no_hits(con: Any, model: ModelVersion) -> None:
    assert find(con, model) == []


def test_each_modality_is_a_list_of_its_own(con: Any, model: ModelVersion) -> None:
    row = planned("/notes/a", "A", media_type="text/plain")
    passage = vector_row(row, QUERY, kind="passage", modality="text", text="words")
    shard_writer.commit_shard(con, build.shard(model, plan(row), [passage]))
    assert find(con, model) == []
    (hit,) = search(con, SearchRequest(VectorList(model, "text"), QUERY))
    assert (hit.kind, hit.modality, hit.text) == ("passage", "text", "words")


def test_a_query_of_another_width_is_refused(con: Any, model: ModelVersion) -> None:
    commit(con, model, planned("/photos/a", "A"))
    with pytest.raises(ModelMismatch, match=r"shape \(8,\).* 4 dimensions"):
        find(con, model, query=np.ones(8, dtype=np.float32))


def test_a_version_that_is_not_registered_here_is_refused(con: Any, model: ModelVersion) -> None:
    with pytest.raises(ModelMismatch, match=r"no model version other@.*, only tiny@"):
        find(con, replace(build.version("other"), id=9))


def test_one_pass_for_many_queries_finds_what_each_finds_alone(
    con: Any, model: ModelVersion
) -> None:
    fan(con, model, 40)
    held, where = VectorList(model, "image"), parse_where(["path=/photos/?[13579]*"])
    queries = [QUERY, unit(0, 1, 0, 0), unit(1, 1, 0, 0)]
    requests = [SearchRequest(held, query, k=5, where=where) for query in queries]
    alone = {i for each in requests for i in nearest_chunks(con, each).chunk_ids.tolist()}
    assert near_each(con, requests).tolist() == sorted(alone)
    assert 5 < len(alone) <= 15
