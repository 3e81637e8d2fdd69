from __future__ import annotations

import hashlib

import numpy as np
import pytest

from crossmodal.vectors.calibration import merit
from crossmodal.vectors.calibration.probe_bank import NUM_PROBES, REVISION, probes
from tests.vectors.ann_world import cloud


def test_the_wording_of_the_probes_belongs_to_its_revision() -> None:
    digest = hashlib.sha256("\n".join(probes()).encode()).hexdigest()
    assert (REVISION, digest[:16]) == ("scenes-and-subjects-1", "5a85998fe2202147")
    assert len(set(probes())) == NUM_PROBES


def test_a_hub_term_is_the_mean_of_the_ten_largest_cosines() -> None:
    vectors, asked = cloud(50), cloud(40, seed=1)
    wanted = np.sort(vectors @ asked.T, axis=1)[:, -10:].mean(axis=1)
    assert merit.hub_terms(vectors, asked) == pytest.approx(wanted, abs=1e-6)
    assert merit.hub_terms(vectors[:0], asked).shape == (0,)


def table_of(vectors: np.ndarray, asked: np.ndarray) -> merit.Table:
    return merit.fit(vectors, merit.hub_terms(vectors, asked), asked, len(vectors))


def test_merit_counts_the_chunks_that_look_as_good_to_a_generic_question() -> None:
    vectors, asked = cloud(2000), cloud(500, seed=1)
    table = table_of(vectors, asked)
    scores = merit.corrected(asked @ vectors.T, merit.hub_terms(vectors, asked)[None, :])
    for expected in (100, 10, 4):
        limit = np.float32(np.quantile(scores, 1 - expected / len(vectors)))
        found = merit.merit(table, np.array([limit], np.float32), len(vectors))[0]
        assert np.exp(-found) == pytest.approx(expected, rel=0.1)


def test_merit_never_falls_as_the_score_rises() -> None:
    table = table_of(cloud(300), cloud(500, seed=1))
    rising = np.linspace(-2, 2, 20_001, dtype=np.float32)
    assert (np.diff(merit.merit(table, rising, 300)) >= 0).all()


def test_a_score_is_worth_less_in_a_longer_list() -> None:
    table = table_of(cloud(300), cloud(500, seed=1))
    score = np.array([0.5], np.float32)
    short, long = (merit.merit(table, score, num)[0] for num in (300, 3000))
    assert short - long == pytest.approx(np.log(10))


def test_a_list_of_one_vector_has_finite_merits() -> None:
    one, asked = cloud(1), cloud(500, seed=1)
    table = table_of(one, asked)
    assert np.isfinite(merit.merit(table, np.array([-1, 0, 1], np.float32), 1)).all()


def test_an_unknown_hub_term_counts_as_the_mean_one() -> None:
    table = table_of(cloud(300), cloud(500, seed=1))
    measure = merit.MeritOf(table, 300)
    cosine, mean = np.array([0.4], np.float32), np.array([table.mean_hub], np.float32)
    assert measure(cosine, np.array([np.nan], np.float32)) == pytest.approx(measure(cosine, mean))


def test_what_asks_is_found_first_however_much_of_a_hub_it_is() -> None:
    measure = merit.MeritOf(table_of(cloud(300), cloud(500, seed=1)), 300)
    cosines, hubs = np.array([1.0, 0.99], np.float32), np.array([0.9, 0.1], np.float32)
    itself, other = measure(cosines, hubs)
    assert itself > other


def test_spread_is_that_of_the_scores_of_generic_questions() -> None:
    vectors, asked = cloud(300), cloud(500, seed=1)
    scores = merit.corrected(asked @ vectors.T, merit.hub_terms(vectors, asked)[None, :])
    assert merit.MeritOf(table_of(vectors, asked), 300).spread == pytest.approx(
        scores.std(), rel=1e-2
    )
