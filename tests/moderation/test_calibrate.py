"""Thresholds keep their promise on data that chose nothing, at the true base rate."""

from __future__ import annotations

import numpy as np
import pytest

from crossmodal.moderation.calibrate import (
    Labelled,
    calibrate,
    estimated_base_rate,
    review_threshold,
    wilson,
)


def drawn(seed: int, base_rate: float, num: int = 20, apart: float = 4.0) -> Labelled:
    rng = np.random.default_rng(seed)
    num_bad = round(4000 * base_rate)
    everything = np.concatenate([rng.normal(apart, 1, num_bad), rng.normal(0, 1, 4000 - num_bad)])
    return Labelled(
        violates=rng.normal(apart, 1, num), allowed=rng.normal(0, 1, num), everything=everything
    )


def test_recall_of_new_violations_is_as_wanted_on_average() -> None:
    rng = np.random.default_rng(0)
    fresh = rng.normal(0, 1, 20_000)
    for num in (5, 9, 20, 50):
        recalls = [(fresh >= review_threshold(rng.normal(0, 1, num))).mean() for _ in range(300)]
        assert 0.88 <= np.mean(recalls) <= 0.96, num


@pytest.mark.parametrize("base_rate", [0.01, 0.1, 0.4])
def test_precision_that_is_promised_is_that_of_the_whole_list(base_rate: float) -> None:
    promised, true, inside = [], [], 0
    for seed in range(10):
        labelled = drawn(seed, base_rate)
        found = calibrate(labelled, base_rate, (2.0, 3.0))
        bad = labelled.everything[: round(4000 * base_rate)]
        hits = (bad >= found.review).sum()
        precision = hits / (labelled.everything >= found.review).sum()
        promised.append(found.precision.value)
        true.append(precision)
        inside += found.precision.low <= precision <= found.precision.high
    assert np.mean(promised) == pytest.approx(np.mean(true), abs=0.05)
    assert inside >= 7


def test_a_rare_violation_promises_less_than_the_same_scores_on_a_balanced_set() -> None:
    rare, balanced = (
        calibrate(drawn(1, rate, apart=2.0), rate, (2.0, 3.0)) for rate in (0.01, 0.5)
    )
    assert rare.precision.value < 0.3 < 0.75 < balanced.precision.value
    assert rare.first >= rare.review


def test_base_rate_is_estimated_where_nobody_states_it() -> None:
    estimates = [estimated_base_rate(drawn(seed, 0.2)) for seed in range(20)]
    assert np.mean(estimates) == pytest.approx(0.2, abs=0.05)
    found = calibrate(drawn(1, 0.2), None, (2.0, 3.0))
    assert found.base_rate_by == "estimate"


def test_too_few_examples_leave_the_thresholds_to_chance() -> None:
    found = calibrate(drawn(1, 0.2, num=4), None, (2.0, 3.0))
    assert (found.by, found.review, found.first) == ("chance", 2.0, 3.0)
    assert found.precision is None


def test_wilson_holds_at_the_ends() -> None:
    assert wilson(20, 20).low == pytest.approx(0.8389, abs=1e-4)
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=1e-4)
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
