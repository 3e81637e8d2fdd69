"""The merge of several lists into one ranking, and the page that is cut from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossmodal.records import Hit
from crossmodal.search.merge import ListHits, Page, page_of, ranked
from crossmodal.search.options import QueryOptions
from crossmodal.search.strength import LIKELY, STRONG
from tests.search.hits import hit

OPTIONS = {"collection": "c", "group": False}


def unknown(num: int) -> np.ndarray:
    return np.full(num, np.nan, np.float32)


def found(first_id: int, *cosines: float, merits: list[float] | None = None) -> ListHits:
    hits = [hit(f"/a/{i}", chunk_id=i, score=s) for i, s in enumerate(cosines, first_id)]
    given = None if merits is None else np.array(merits)
    return ListHits(hits, np.array(cosines, np.float32), given, unknown(len(hits)))


def ids(lists: list[ListHits], window: int = 100) -> list[int]:
    return [r.hit.chunk_id for r in ranked(lists, window)]


def page(lists: list[ListHits], **options: Any) -> Page:
    return page_of(lists, QueryOptions(**OPTIONS | options), 100)[0]


def hit_ids(hits: list[Hit]) -> list[int]:
    return [each.chunk_id for each in hits]


def test_nothing_found_is_nothing() -> None:
    assert page([found(1), found(1)]).hits == []


def test_hits_of_all_lists_stand_by_merit_whatever_their_cosines() -> None:
    pictures = found(1, 0.31, 0.22, merits=[6.0, 1.0])
    passages = found(11, 0.88, 0.87, merits=[2.0, -1.0])
    assert ids([pictures, passages]) == [1, 11, 2, 12]


def test_a_hub_falls_behind_within_its_own_list() -> None:
    assert ids([found(1, 0.5, 0.49, merits=[1.0, 3.0])]) == [2, 1]


def test_a_chunk_in_two_lists_appears_once_by_its_better_merit() -> None:
    joint, texts = found(1, 0.3, 0.2, merits=[0.0, 1.0]), found(2, 0.8, merits=[4.0])
    ranking = ranked([joint, texts], 100)
    assert [(r.hit.chunk_id, r.standing) for r in ranking] == [(2, 4.0), (1, 0.0)]


def test_deeper_lists_leave_what_was_shown_as_it_was() -> None:
    rng = np.random.default_rng(3)
    cosines, merits = np.sort(rng.random((2, 400)))[:, ::-1], rng.normal(size=(2, 400))
    deep = [found(1 + 1000 * i, *cosines[i], merits=list(merits[i])) for i in (0, 1)]
    shallow = [
        x._replace(hits=x.hits[:50], cosines=x.cosines[:50], merits=x.merits[:50]) for x in deep
    ]  # type: ignore[index]
    assert ids(deep, 50)[:100] == ids(shallow, 50)


def test_each_source_is_named_once_by_its_best_chunk() -> None:
    hits = [hit(uri, chunk_id=i) for i, uri in enumerate(("/long", "/long", "/other", "/long"), 4)]
    cosines, merits = np.full(4, 0.5, np.float32), np.array([1.0, 4.0, 2.0, 3.0])
    lists = [ListHits(hits, cosines, merits, unknown(4))]
    assert hit_ids(page(lists, group=True).hits) == [5, 6]


def test_a_hit_tells_its_merit_and_how_strong_it_is() -> None:
    merits = [STRONG, LIKELY, LIKELY - 0.1]
    shown = page([found(1, 0.9, 0.8, 0.7, merits=merits)])
    assert [(h.merit, h.strength) for h in shown.hits] == list(
        zip(merits, ("strong", "likely", "weak"), strict=True)
    )
    assert shown.stands_out is True


def test_weak_hits_are_shown_and_it_is_said_that_nothing_stands_out() -> None:
    weak = [found(1, 0.9, 0.8, merits=[LIKELY - 1, -3.0])]
    assert hit_ids(page(weak).hits) == [1, 2]
    assert page(weak).stands_out is False
    assert page(weak, offset=1).stands_out is False, "the whole query counts, not its page"


def test_hits_are_hidden_only_where_a_least_strength_is_asked_for() -> None:
    lists = [found(1, 0.9, 0.8, 0.7, merits=[STRONG, LIKELY, 0.0])]
    assert hit_ids(page(lists, min_strength="likely").hits) == [1, 2]
    assert hit_ids(page(lists, min_strength="strong").hits) == [1]
    assert hit_ids(page(lists, min_strength="weak").hits) == [1, 2, 3]


def test_without_a_table_hits_stand_by_how_far_they_stand_out_and_tell_no_strength() -> None:
    flat = found(1, 0.502, 0.501, 0.5, 0.5, 0.499, merits=[9.0] * 5)
    clear = found(11, 0.3, 0.1, 0.1, 0.1, 0.1)
    shown = page([flat, clear], min_strength="strong")
    assert hit_ids(shown.hits)[0] == 11
    assert shown.stands_out is None
    assert {(h.merit, h.strength) for h in shown.hits} == {(None, "")}


def test_a_page_knows_whether_there_is_another_one() -> None:
    lists = [found(1, 0.9, 0.8, 0.7, merits=[3.0, 2.0, 1.0])]
    assert page(lists, k=2).has_more
    assert not page(lists, k=2, offset=1).has_more
    assert [h.rank for h in page(lists, k=2, offset=1).hits] == [2, 3]
