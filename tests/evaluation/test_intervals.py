"""What the intervals and the gate decide, on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from crossmodal.evaluation.compare import Comparison, PairComparison
from crossmodal.evaluation.gate import Gate, judged
from crossmodal.evaluation.intervals import difference, interval

NUM_PHOTOS, CAPTIONS = 150, 5


def captions_found(rng: np.random.Generator, num: int, share: float) -> np.ndarray:
    """Return (num * CAPTIONS,) hits: how easy a photo is, its captions share (Beta, mean share)."""
    ease = rng.beta(4 * share, 4 * (1 - share), num)
    return (rng.random((num, CAPTIONS)) < ease[:, None]).astype(float).reshape(-1)


def photos(num: int) -> np.ndarray:
    return np.repeat(np.arange(num), CAPTIONS)


def test_interval_covers_the_truth_in_93_to_97_percent_of_500_trials() -> None:
    rng, truth, covered = np.random.default_rng(7), 0.6, 0
    for trial in range(500):
        found = interval(captions_found(rng, NUM_PHOTOS, truth), photos(NUM_PHOTOS), trial)
        covered += found.low <= truth <= found.high
    assert 465 <= covered <= 485


def test_captions_one_by_one_would_promise_too_much() -> None:
    hits = captions_found(np.random.default_rng(1), NUM_PHOTOS, 0.6)
    by_photo = interval(hits, photos(NUM_PHOTOS))
    by_caption = interval(hits, np.arange(len(hits)))
    assert by_photo.high - by_photo.low > 1.2 * (by_caption.high - by_caption.low)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_where_nothing_varies_the_interval_is_wilsons(share: float) -> None:
    found = interval(np.full(40, share), np.arange(40))
    assert found.high - found.low == pytest.approx(0.0876, abs=1e-3)


def model_again(rng: np.random.Generator, hits: np.ndarray, worse_by: float) -> np.ndarray:
    """Return what a retrained model finds: some captions flip, and a share of the hits is lost."""
    flipped = np.where(rng.random(len(hits)) < 0.01, 1 - hits, hits)
    lost = rng.random(len(hits)) < worse_by / hits.mean()
    return np.where(lost, 0.0, flipped)


def verdict(before: np.ndarray, after: np.ndarray, seed: int) -> bool:
    clusters = photos(len(before) // CAPTIONS)
    change = {"recall@10": difference(after, before, clusters, seed)}
    pair = PairComparison(
        pair="text->image",
        num_queries=len(before),
        num_clusters=len(before) // CAPTIONS,
        before={},
        after={},
        change=change,
        num_changed=0,
    )
    made = Comparison(before="a", after="b", set_name="s", pairs=[pair], left_out=[])
    return judged([Gate("text->image", "recall@10", -0.01)], made)[0].passed


def test_an_equal_model_passes_and_one_that_is_five_points_worse_does_not() -> None:
    rng = np.random.default_rng(3)
    before = captions_found(rng, 1000, 0.85)
    equal, worse = (model_again(rng, before, by) for by in (0.0, 0.05))
    assert [verdict(before, equal, seed) for seed in range(20)] == [True] * 20
    assert [verdict(before, worse, seed) for seed in range(20)] == [False] * 20


def test_the_same_seed_gives_the_same_interval() -> None:
    hits = captions_found(np.random.default_rng(2), 50, 0.4)
    assert interval(hits, photos(50), 5) == interval(hits, photos(50), 5)


def test_too_few_photos_give_no_verdict() -> None:
    hits = captions_found(np.random.default_rng(2), 20, 0.4)
    assert not verdict(hits, hits, 0)
    many = captions_found(np.random.default_rng(2), 40, 0.4)
    assert verdict(many, many, 0)
