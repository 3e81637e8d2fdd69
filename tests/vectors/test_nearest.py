from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossmodal.errors import ModelMismatch
from crossmodal.vectors.ann import cache as folders
from crossmodal.vectors.ann import sign_bits
from crossmodal.vectors.ann.cache import CodesFolder, Ready
from crossmodal.vectors.ann.scan import Allowed, Effort, candidates
from crossmodal.vectors.nearest import by_codes, exact
from crossmodal.vectors.nearest_many import search_many
from tests.vectors.ann_world import World, assert_alike, cloud, make_world

POINTS = cloud(4000)
QUERIES = cloud(20, seed=5)
LITTLE = Effort(share=0.3, num_refined=300, min_scanned=0)


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make_world(tmp_path_factory.mktemp("nearest") / "c.duckdb", POINTS)
    world.update()
    return world


@pytest.fixture
def world(shared_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a collection whose codes are searched as those of a large one are: in part."""
    monkeypatch.setattr(folders, "EFFORTS", (LITTLE,))
    return shared_world


@pytest.fixture
def con(world: World) -> Iterator[Any]:
    with world.collection.read() as connection:
        yield connection


def ready(world: World, con: Any) -> Ready:
    found = CodesFolder(world.collection.path).ready(con, world.vectors)
    assert isinstance(found, Ready)
    return found


def test_a_part_of_the_codes_is_enough_to_find_nearly_all(world: World, con: Any) -> None:
    found, codes = 0, ready(world, con)
    for query in QUERIES:
        wanted = exact(con, world.vectors, query, 10)
        nearest = by_codes(con, world.vectors, query, 10, codes)
        assert nearest is not None
        found += len(np.intersect1d(wanted.chunk_ids, nearest.chunk_ids))
    assert found >= 0.98 * 10 * len(QUERIES)


def test_scores_are_the_exact_ones(world: World, con: Any) -> None:
    nearest = by_codes(con, world.vectors, QUERIES[0], 10, ready(world, con))
    assert nearest is not None
    cosines = POINTS[nearest.chunk_ids - 1] @ QUERIES[0]
    assert nearest.scores == pytest.approx(cosines, abs=5e-7)
    assert list(nearest.scores) == sorted(nearest.scores, reverse=True)


def test_where_no_vector_is_gone_none_is_asked_for(world: World, con: Any) -> None:
    codes = ready(world, con)
    nearest = by_codes(con, world.vectors, QUERIES[0], 10, codes)
    con.close()
    again = by_codes(con, world.vectors, QUERIES[0], 10, codes)
    assert nearest is not None
    assert again is not None
    assert list(again.chunk_ids) == list(nearest.chunk_ids)


def test_pages_follow_each_other_without_gap_or_repeat(world: World) -> None:
    for query in QUERIES[:5]:
        whole = world.answer(query, k=40)
        assert whole.notice.method == "codes"
        paged = [hit for at in range(0, 40, 8) for hit in world.answer(query, k=8, offset=at).hits]
        assert paged == whole.hits


@pytest.mark.parametrize("condition", ["size<3000", "size>=2500", "path=*7"])
def test_a_broad_filter_applies_before_the_top_k(world: World, condition: str) -> None:
    same = 0
    for query in QUERIES:
        answer = world.answer(query, condition, k=10)
        assert answer.notice.method == "codes"
        wanted = world.exact(query, condition, k=10)
        assert len(answer.hits) == len(wanted)
        same += len({h.chunk_id for h in wanted} & {h.chunk_id for h in answer.hits})
    assert same >= 0.98 * 10 * len(QUERIES)


def test_a_filter_that_few_pass_is_answered_exactly(world: World) -> None:
    for query in QUERIES[:5]:
        answer = world.answer(query, "size<150", k=10)
        assert (answer.notice.method, answer.notice.reason) == ("exact", "")
        assert answer.hits == world.exact(query, "size<150", k=10)


def test_a_page_deeper_than_the_codes_go_is_answered_exactly(world: World) -> None:
    answer = world.answer(QUERIES[0], k=10, offset=600)
    assert answer.notice.method == "exact"
    assert answer.hits == world.exact(QUERIES[0], k=10, offset=600)


def test_sources_that_vanished_take_no_place_among_the_hits(tmp_path: Path) -> None:
    world = make_world(tmp_path / "c.duckdb", POINTS[:1000])
    world.update()
    near = [hit.size_bytes for hit in world.exact(QUERIES[0], k=5)]
    world.run("DELETE FROM source WHERE list_contains(?, size_bytes)", near)
    answer = world.answer(QUERIES[0], k=10)
    assert answer.notice.method == "codes"
    assert_alike(answer.hits, world.exact(QUERIES[0], k=10))
    assert not {hit.size_bytes for hit in answer.hits} & set(near)


def test_more_equal_vectors_than_candidates_keep_the_order_of_their_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "EFFORTS", (LITTLE,))
    same = np.repeat(QUERIES[:1], 700, axis=0)
    world = make_world(tmp_path / "c.duckdb", np.concatenate([POINTS[:2000], same]))
    world.update()
    hits = world.answer(QUERIES[0], k=30).hits
    assert [hit.chunk_id for hit in hits] == list(range(2001, 2031))


@pytest.mark.parametrize("allowed", [None, Allowed.of(np.arange(1, 4001, 3))], ids=["all", "some"])
def test_rows_are_compared_alike_list_by_list_and_gathered(
    world: World, con: Any, monkeypatch: pytest.MonkeyPatch, allowed: Allowed | None
) -> None:
    found = []
    for few in (0, 10**6):
        monkeypatch.setattr(sign_bits, "_FEW_ROWS", few)
        suggested = candidates(ready(world, con).codes, QUERIES[0], LITTLE, allowed)
        found.append(suggested.closest(len(suggested)))
    listed, gathered = found
    assert list(listed.chunk_ids) == list(gathered.chunk_ids)
    assert list(listed.scores) == list(gathered.scores)


def test_candidates_are_only_those_that_are_allowed(world: World, con: Any) -> None:
    even = np.arange(2, 4001, 2)
    found = candidates(ready(world, con).codes, QUERIES[0], LITTLE, Allowed.of(even))
    closest = found.closest(len(found))
    assert len(closest.chunk_ids) == LITTLE.num_refined
    assert not (closest.chunk_ids % 2).any()


def test_ids_that_a_filter_never_heard_of_are_not_allowed() -> None:
    allowed = Allowed.of(np.array([3, 5]))
    assert list(allowed.among(np.array([-1, 0, 3, 4, 5, 6, 10**9]))) == [
        *(False, False, True, False, True, False, False)
    ]
    assert not Allowed.of(np.array([], dtype=np.int64)).among(np.array([0, 1])).any()


def test_many_queries_get_what_each_alone_gets(world: World, con: Any) -> None:
    neighbours = search_many(con, world.vectors, QUERIES, k=7)
    for query, ids, scores in zip(QUERIES, *neighbours, strict=True):
        alone = exact(con, world.vectors, query, 7)
        assert list(ids) == list(alone.chunk_ids)
        assert list(scores) == list(alone.scores)


def test_many_queries_by_codes_find_nearly_all(world: World, con: Any) -> None:
    wanted = search_many(con, world.vectors, QUERIES, k=10)
    codes = CodesFolder(world.collection.path)
    found = search_many(con, world.vectors, QUERIES, k=10, codes=codes)
    hits = [
        len(np.intersect1d(*pair)) for pair in zip(wanted.chunk_ids, found.chunk_ids, strict=True)
    ]
    assert sum(hits) >= 0.98 * 10 * len(QUERIES)


def test_many_queries_see_what_came_and_went_since_the_codes(tmp_path: Path) -> None:
    world = make_world(tmp_path / "c.duckdb", POINTS[:1000])
    world.update()
    world.add(QUERIES)
    world.delete(*(hit.chunk_id for hit in world.exact(QUERIES[0], k=30)[1:]))
    codes = CodesFolder(world.collection.path)
    with world.collection.read() as con:
        wanted = search_many(con, world.vectors, QUERIES, k=5)
        found = search_many(con, world.vectors, QUERIES, k=5, codes=codes)
    assert (found.chunk_ids == wanted.chunk_ids).all()
    assert found.chunk_ids[0, 0] == 1001


def test_many_queries_on_a_short_list_leave_places_empty(tmp_path: Path) -> None:
    world = make_world(tmp_path / "c.duckdb", POINTS[:3])
    with world.collection.read() as con:
        found = search_many(con, world.vectors, QUERIES[:2], k=5)
        nothing = search_many(con, world.vectors, QUERIES[:0], k=5)
    assert (found.chunk_ids[:, 3:] == -1).all()
    assert np.isneginf(found.scores[:, 3:]).all()
    assert nothing.chunk_ids.shape == (0, 5)


def test_many_queries_of_another_width_are_refused(world: World, con: Any) -> None:
    with pytest.raises(ModelMismatch, match=r"24 dimensions"):
        search_many(con, world.vectors, QUERIES[:, :5])
