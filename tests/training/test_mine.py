"""Hard negatives are what the base finds for a text and what was called otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from crossmodal.training.losses import Batch, loss_of
from crossmodal.training.material import drawn_hard, hard_by_text
from crossmodal.training.mine import mined
from tests.training.test_head import DIM, world


def test_nearest_pictures_of_other_words_become_hard_negatives() -> None:
    train = world(40, 1)
    found = mined(train, 3, 40)
    assert found.hard_of is not None
    assert found.hard_images is not None
    scores = train.texts @ train.images.T
    np.fill_diagonal(scores, -np.inf)
    for text, drawn in hard_by_text(found).items():
        nearest = train.images[np.argsort(-scores[text])[:3]]
        assert {v.tobytes() for v in found.hard_images[drawn]} == {v.tobytes() for v in nearest}
    assert len(hard_by_text(found)) == 40


def test_picture_of_the_same_words_is_no_negative() -> None:
    train = replace(world(40, 1), text_keys=np.arange(40) // 2)
    found = mined(train, 38, 40)
    assert found.hard_images is not None
    own = {picture.tobytes(): number for number, picture in enumerate(train.images)}
    for text, drawn in hard_by_text(found).items():
        assert {own[v.tobytes()] // 2 for v in found.hard_images[drawn]} == set(range(20)) - {
            text // 2
        }


def test_pairs_that_are_only_kept_take_no_part() -> None:
    train = world(40, 1)
    found = mined(train, 5, 30)
    assert found.hard_of is not None
    assert found.hard_images is not None
    assert found.hard_of.max() == 29
    kept = {picture.tobytes() for picture in train.images[30:]}
    assert not kept & {picture.tobytes() for picture in found.hard_images}


def test_mined_negatives_stand_behind_those_that_were_given() -> None:
    given = -np.eye(2, DIM, dtype=np.float32)
    train = replace(world(40, 1), hard_images=given, hard_of=np.array([5, 7]))
    found = mined(train, 2, 40)
    assert found.hard_images is not None
    np.testing.assert_array_equal(found.hard_images[:2], given)
    assert len(hard_by_text(found)[5]) == 3
    assert mined(train, 0, 40) is train


def test_step_draws_several_negatives_of_a_text_and_never_one_twice() -> None:
    hard = {4: np.arange(10), 6: np.arange(10, 12)}
    drawn = drawn_hard(hard, np.array([6, 3, 4]), np.random.default_rng(0), num=5)
    assert drawn is not None
    rows, places = drawn
    assert rows.tolist() == [0, 0, 2, 2, 2, 2, 2]
    assert len(set(places.tolist())) == 7
    assert drawn_hard(hard, np.array([3]), np.random.default_rng(0)) is None


def test_each_further_negative_of_a_text_costs_more_and_none_of_another_text() -> None:
    world_of = world(3, 1)
    texts, images = torch.from_numpy(world_of.texts), torch.from_numpy(world_of.images)
    near = texts[[0, 0]]

    def cost(rows: list[int]) -> float:
        hard = (torch.tensor(rows), near[: len(rows)]) if rows else None
        batch = Batch(images=images, texts=texts, keys=torch.arange(3), hard=hard)
        return float(loss_of("clip", batch, torch.tensor(10.0), torch.tensor(0.0)))

    assert cost([0, 0]) > cost([0]) > cost([])
    assert cost([0]) > cost([1]) + 1e-3
