"""A like reaches what lies near to what is near to it; a single one asks for its nearest only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossmodal.recommendation.options import RecommendOptions
from crossmodal.recommendation.recommend import recommend
from crossmodal.recommendation.spreading import FLOOR, spread
from crossmodal.search.centring import main_directions, normalised
from tests.ledger.build import unit

PLANE = np.eye(4, dtype=np.float32)


def at(degrees: float, axis: int = 1) -> np.ndarray:
    """Return the unit vector so far from axis 0 towards another axis."""
    turn = np.radians(degrees)
    return unit(*(np.cos(turn) * PLANE[0] + np.sin(turn) * PLANE[axis]))


def test_a_like_reaches_further_along_a_crowd_than_into_the_empty() -> None:
    crowd = [at(degrees) for degrees in range(2, 42, 2)]
    lonely = at(40, axis=2)
    reached = spread(np.stack([*crowd, lonely]), at(0)[None], PLANE)[:, 0]
    assert np.allclose(crowd[-1] @ at(0), lonely @ at(0), atol=1e-6)
    assert np.exp(reached[-2]) - FLOOR > 1.02 * (np.exp(reached[-1]) - FLOOR)
    assert reached.min() >= np.log(FLOOR) - 1e-6


def test_more_candidates_than_neighbours_and_a_single_one_are_fine() -> None:
    rng = np.random.default_rng(1)
    many = np.stack([unit(*rng.normal(size=4)) for _ in range(100)])
    assert np.isfinite(spread(many, many[:2], PLANE)).all()
    assert spread(many[:1], many[1:2], PLANE).shape == (1, 1)


def test_directions_are_few_where_vectors_are_and_even_out_what_all_share() -> None:
    rng = np.random.default_rng(1)
    sample = rng.normal(size=(30, 8)).astype(np.float32) * [9, 1, 1, 1, 1, 1, 1, 1]
    directions = main_directions(sample.astype(np.float32))
    assert directions.shape == (8, 8)
    assert main_directions(sample[:9].astype(np.float32)).shape == (8, 3)
    plain, turned = sample.std(axis=0), (sample @ directions).std(axis=0)
    assert turned.max() / turned.min() < plain.max() / plain.min() / 2


def test_directions_set_neighbourhoods_apart_rather_than_neighbours() -> None:
    rng = np.random.default_rng(1)
    kinds = np.repeat(np.eye(6, 8, dtype=np.float32), 40, axis=0)
    kinds[:, 7] = rng.normal(size=len(kinds))  # sets apart what lies together
    sample = normalised(kinds - kinds.mean(axis=0))
    assert share_within(sample @ main_directions(sample)) < 0.8 * share_within(sample)


def share_within(vectors: np.ndarray) -> float:
    """Return which share of the variance lies within six kinds of 40 each."""
    within = vectors.reshape(6, 40, -1).var(axis=1).mean(axis=0).sum()
    return float(within / vectors.var(axis=0).sum())


def test_one_like_alone_asks_for_its_nearest(kinds: Path) -> None:
    def found(strategy: str) -> list[int]:
        options = RecommendOptions(
            collection=str(kinds),
            likes=["/apples/3.jpg"],
            strategy=strategy,  # type: ignore[arg-type]
            modalities=("image",),
        )
        return [hit.chunk_id for hit in recommend(options).hits]

    assert found("spread") == found("best")


def test_scores_fall_along_the_answer_in_every_modality(kinds: Path) -> None:
    likes = ["/apples/3.jpg", "/boats/1.jpg"]
    found = recommend(RecommendOptions(collection=str(kinds), likes=likes, k=30))
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert {hit.modality for hit in found.hits} == {"image", "text"}
