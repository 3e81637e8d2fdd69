"""The properties that Qdrant's issue 2904 asks of recommendations, for any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossmodal.errors import FilterError
from crossmodal.recommendation.scoring import STRATEGIES, score, session_weights

SIMILARITIES = st.integers(-640, 640).map(lambda number: number / 64)
"""In steps, since what differs by less than the arithmetic's rounding may come out equal."""
NONE = np.zeros(0, np.float32)


def similarities(num_examples: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, (12, num_examples), elements=SIMILARITIES)


def no_examples() -> np.ndarray:
    return np.zeros((12, 0), np.float32)


def ones(num: int) -> np.ndarray:
    return np.ones(num, np.float32)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(likes=similarities(1))
def test_order_among_likes_is_kept(strategy: str, likes: np.ndarray) -> None:
    scores = score(likes, no_examples(), ones(1), strategy)
    assert np.array_equal(np.argsort(scores, kind="stable"), np.argsort(likes[:, 0], kind="stable"))


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(dislikes=similarities(1))
def test_order_among_dislikes_is_inverted(strategy: str, dislikes: np.ndarray) -> None:
    scores = score(no_examples(), dislikes, NONE, strategy)
    order = np.argsort(-dislikes[:, 0], kind="stable")
    assert np.array_equal(np.argsort(scores, kind="stable"), order)


@given(likes=similarities(3), dislikes=similarities(2))
def test_what_is_nearer_to_a_like_beats_what_is_nearer_to_a_dislike(
    likes: np.ndarray, dislikes: np.ndarray
) -> None:
    scores = score(likes, dislikes, ones(3), "best")
    liked = likes.max(axis=1) > dislikes.max(axis=1)
    if liked.any() and not liked.all():
        assert scores[liked].min() > scores[~liked].max()


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(likes=similarities(3), dislikes=similarities(2), nearer=st.floats(0.125, 1, width=32))
def test_coming_nearer_to_a_like_never_hurts_nor_to_a_dislike_helps(
    strategy: str, likes: np.ndarray, dislikes: np.ndarray, nearer: float
) -> None:
    before = score(likes, dislikes, ones(3), strategy)
    assert (score(likes + nearer, dislikes, ones(3), strategy) > before).all()
    assert (score(likes, dislikes + nearer, ones(3), strategy) < before).all()


@given(near=st.integers(1, 640))
def test_the_later_like_of_a_session_counts_for_more(near: int) -> None:
    first, second = np.array([[near / 64, 0]], np.float32), np.array([[0, near / 64]], np.float32)
    earlier = score(first, no_examples()[:1], session_weights(2), "best")
    later = score(second, no_examples()[:1], session_weights(2), "best")
    assert later > earlier


def test_weights_of_a_session_halve_a_step() -> None:
    assert session_weights(3).tolist() == [0.25, 0.5, 1.0]
    assert (session_weights(200) > 0).all()


def test_an_unknown_strategy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FilterError, match=r"'magic'.*spread, best, sum, average"):
        score(no_examples(), no_examples(), NONE, "magic")  # type: ignore[arg-type]
