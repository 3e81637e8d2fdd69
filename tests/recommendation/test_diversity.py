from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.recommendation.diversity import farthest_first, marginal_relevance, mean_distance


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


@given(st.permutations(range(6)))
def test_without_diversity_the_order_is_that_of_the_scores(order: list[int]) -> None:
    scores = np.array(order, np.float32) / 10
    chosen = marginal_relevance(scores, directions(0, 1, 2, 3, 4, 5), 6, 0.0)
    assert chosen == np.argsort(-scores).tolist()


def test_with_diversity_a_near_double_waits() -> None:
    vectors, scores = directions(0, 1, 40), np.array([0.9, 0.89, 0.7], np.float32)
    assert marginal_relevance(scores, vectors, 2, 0.0) == [0, 1]
    assert marginal_relevance(scores, vectors, 2, 0.5) == [0, 2]


def test_near_doubles_of_a_chosen_one_are_left_out() -> None:
    scores = np.array([0.9, 0.89, 0.1], np.float32)
    chosen = marginal_relevance(scores, directions(0, 1, 40), 3, 0.0, too_near=0.99)
    assert chosen == [0, 2]
