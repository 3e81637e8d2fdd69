from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.recommendation.diversity import (
    farthest_first,
    mean_distance,
    redundancies,
    varied,
)


def directions(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_a_sample_spreads_before_it_repeats() -> None:
    vectors = directions(0, 1, 2, 90, 91, 180)
    chosen = farthest_first(vectors, 3)
    assert {"aaabbc"[index] for index in chosen} == {"a", "b", "c"}
    assert mean_distance(vectors[chosen]) > mean_distance(vectors[:3])


def test_a_sample_never_holds_one_vector_twice() -> None:
    assert len(farthest_first(directions(0, 0, 90, 90), 4)) == 2
    assert farthest_first(directions(), 4) == []


def chosen(vectors: np.ndarray, num: int, diversity: float, *lists: int) -> list[int]:
    numbers = np.array(lists or [0] * len(vectors))
    return varied(redundancies(vectors, numbers), num, diversity)


@given(st.lists(st.floats(0, 360), min_size=2, max_size=8))
def test_without_diversity_the_order_stays(degrees: list[float]) -> None:
    assert chosen(directions(*degrees), len(degrees), 0.0) == list(range(len(degrees)))


def test_with_diversity_a_near_double_waits() -> None:
    vectors = directions(0, 1, 40)
    assert chosen(vectors, 2, 0.0) == [0, 1]
    assert chosen(vectors, 2, 0.75) == [0, 2]


@given(st.lists(st.floats(0, 360), min_size=1, max_size=8), st.floats(0, 1))
def test_the_best_stays_first_and_none_comes_twice(degrees: list[float], diversity: float) -> None:
    found = chosen(directions(*degrees), len(degrees), diversity)
    assert found[0] == 0
    assert sorted(found) == list(range(len(degrees)))


def test_what_is_no_more_alike_than_usual_keeps_its_rank() -> None:
    vectors = np.eye(5, dtype=np.float32) + 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert chosen(vectors, 5, 0.9) == [0, 1, 2, 3, 4]


def test_pictures_are_no_relief_from_texts_because_they_lie_elsewhere() -> None:
    texts, pictures = directions(0, 20, 40), directions(180, 200, 220)
    both = np.concatenate([texts, pictures])
    apart = redundancies(both, np.array([0, 0, 0, 1, 1, 1]))
    alone = redundancies(texts, np.zeros(3, np.int64))
    assert np.allclose(apart[:3, :3], alone)
    assert np.allclose(apart[:3, :3], apart[3:, 3:], atol=1e-5)
    assert apart[:3, 3:].any()
