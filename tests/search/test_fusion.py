from __future__ import annotations

from crossmodal.records import Hit
from crossmodal.search.fusion import best_of_each_source, fuse
from tests.search.hits import hit


def ranked(first_id: int, *scores: float, prefix: str = "/a") -> list[Hit]:
    return [
        hit(f"{prefix}/{number}", chunk_id=number, score=score)
        for number, score in enumerate(scores, first_id)
    ]


def ids(hits: list[Hit]) -> list[int]:
    return [found.chunk_id for found in hits]


def test_a_single_list_stays_as_it_is() -> None:
    hits = ranked(1, 0.9, 0.5, 0.5)
    assert fuse([hits, []]) == hits


def test_nothing_found_is_nothing() -> None:
    assert fuse([[], []]) == []


def test_a_modality_with_high_scores_does_not_drown_another() -> None:
    pictures = ranked(1, 0.31, 0.22, 0.21)
    passages = ranked(11, 0.88, 0.87, 0.86)
    assert sorted(ids(fuse([pictures, passages]))[:2]) == [1, 11]
    assert sorted(ids(fuse([pictures, passages]))[2:4]) == [2, 12]


def test_of_equal_ranks_the_one_that_stands_out_of_its_list_comes_first() -> None:
    flat = ranked(1, 0.502, 0.501, 0.5, 0.5, 0.499)
    clear = ranked(11, 0.3, 0.1, 0.1, 0.1, 0.1)
    assert ids(fuse([flat, clear]))[:2] == [11, 1]


def test_a_chunk_in_two_lists_gathers_both_and_appears_once() -> None:
    joint = ranked(1, 0.3, 0.2)
    texts = [hit("/a/9", chunk_id=9, score=0.9), hit("/a/2", chunk_id=2, score=0.8)]
    found = ids(fuse([joint, texts]))
    assert found[0] == 2
    assert sorted(found) == [1, 2, 9]


def test_deeper_lists_leave_the_first_page_as_it_was() -> None:
    pictures = ranked(1, *(0.3 - 0.001 * i for i in range(400)))
    passages = ranked(1001, *(0.9 - 0.002 * i for i in range(400)))
    shallow = ids(fuse([pictures[:100], passages[:100]]))
    assert ids(fuse([pictures, passages]))[:100] == shallow[:100]


def test_each_source_is_named_once_by_its_best_chunk() -> None:
    hits = [
        hit("/long.pdf", chunk_id=4, score=0.9),
        hit("/long.pdf", chunk_id=5, score=0.8),
        hit("/other.pdf", chunk_id=6, score=0.7),
        hit("/long.pdf", chunk_id=7, score=0.6),
    ]
    assert ids(best_of_each_source(hits)) == [4, 6]
