"""A head learns what separates pictures, the same from the same seed, and goes part of the way."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from crossmodal.errors import TrainingFailed
from crossmodal.training.epochs import Learned
from crossmodal.training.head import HeadSpec, learn_head
from crossmodal.training.losses import Batch, loss_of
from crossmodal.training.material import Material
from crossmodal.training.recall import Recall, ranks_of, recall_of
from crossmodal.training.sweep import Swept, chosen, sweep
from crossmodal.vectors.affine import AffineMap, Maps, pack

DIM = 16
SPEC = HeadSpec(epochs=25, batch_size=64, learning_rate=0.02)


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def world(num: int, seed: int) -> Material:
    """Return pictures, and captions that mean them but for a rotation that can be learned."""
    draw = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(DIM, DIM)))[0]
    images = unit(draw.normal(size=(num, DIM)))
    texts = unit(images @ (0.4 * np.eye(DIM) + 0.6 * turn) + 0.05 * draw.normal(size=(num, DIM)))
    places = np.arange(num)
    return Material(images=images, texts=texts, picture_of=places, text_keys=places)


def learned(spec: HeadSpec = SPEC) -> Learned[Maps]:
    return learn_head(world(300, 1), world(80, 2), spec, lambda epoch: None)


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_head_finds_more_of_what_it_has_not_seen(loss: str) -> None:
    before = world(80, 2).recall()
    found = learned(replace(SPEC, loss=loss))
    assert found.best.at_1 > before.at_1 + 0.1


def test_same_seed_gives_the_same_weights_and_another_others() -> None:
    digests = [
        hashlib.sha256(pack(learned(replace(SPEC, epochs=5, seed=seed)).weights or {})).hexdigest()
        for seed in (0, 0, 1)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_only_the_named_side_is_moved() -> None:
    assert set(learned(replace(SPEC, sides=("text",), epochs=3)).weights or {}) <= {"text"}


def test_loss_that_is_no_number_ends_the_training_with_a_sentence() -> None:
    broken = world(300, 1)
    broken.texts[7] = np.nan
    with pytest.raises(TrainingFailed, match="take a smaller --learning-rate"):
        learn_head(broken, world(80, 2), SPEC, lambda epoch: None)


def test_training_ends_when_recall_gets_no_better() -> None:
    found = learned(replace(SPEC, epochs=500, patience=3))
    assert len(found.epochs) == found.best_epoch + 3


def test_none_of_the_way_is_the_base_and_all_of_it_what_was_learned() -> None:
    found, dev = learned(), world(80, 2)
    steps = sweep(found.weights or {}, dev, None)
    assert steps[0].dev == dev.recall()
    assert steps[-1].dev == found.best


def test_half_of_the_way_lies_between() -> None:
    whole = AffineMap(matrix=3 * np.eye(2, dtype=np.float32))
    half = whole.towards(0.5).matrix
    assert half is not None
    np.testing.assert_allclose(half, 2 * np.eye(2))


def test_step_that_forgets_too_much_is_not_taken() -> None:
    steps = [
        Swept(0.0, Recall(0.5, 0.8), Recall(0.70, 0.9)),
        Swept(0.5, Recall(0.6, 0.8), Recall(0.695, 0.9)),
        Swept(1.0, Recall(0.9, 0.9), Recall(0.60, 0.9)),
    ]
    assert chosen(steps, max_forgotten=0.01).share == 0.5
    assert chosen(steps, max_forgotten=1.0).share == 1.0
    assert chosen(steps, max_forgotten=0.0).share == 0.0


def test_caption_of_two_pictures_is_right_with_either() -> None:
    images = np.eye(3, dtype=np.float32)
    ranks = ranks_of(images[[1]], images, np.array([5]), [{5}, {5}, {6}])
    assert recall_of(ranks) == Recall(1.0, 1.0)


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_picture_that_was_shown_and_left_costs_the_more_the_nearer_it_is(loss: str) -> None:
    found = world(4, 1)
    texts, images = torch.from_numpy(found.texts), torch.from_numpy(found.images)

    def cost(hard: tuple[torch.Tensor, torch.Tensor] | None) -> float:
        batch = Batch(images=images, texts=texts, keys=torch.arange(4), hard=hard)
        return float(loss_of(loss, batch, torch.tensor(10.0), torch.tensor(-5.0)))

    row = torch.tensor([2])
    assert cost((row, texts[row])) > cost((row, -texts[row])) > cost(None) - 1e-6


def test_part_of_the_material_keeps_its_own_hard_negatives() -> None:
    train = replace(world(6, 1), hard_images=np.eye(6, DIM, dtype=np.float32), hard_of=np.arange(6))
    part = train.of(np.array([1, 4]))
    assert part.hard_images is not None
    assert part.hard_of is not None
    assert part.hard_of.tolist() == [0, 1]
    np.testing.assert_array_equal(part.hard_images, train.hard_images[[1, 4]])


def swept(share: float, ranks: list[int]) -> Swept:
    found = np.array(ranks)
    return Swept(share, recall_of(found), Recall(0.5, 0.5), found)


def test_shorter_way_is_taken_where_dev_cannot_tell_it_from_the_best() -> None:
    pictures = np.arange(6)
    steps = [swept(0.0, [9] * 6), swept(0.5, [0, 0, 0, 0, 0, 3]), swept(1.0, [0] * 6)]
    assert chosen(steps, 1.0, pictures).share == 0.5
    worse = [swept(0.0, [9] * 6), swept(0.5, [0, 0, 3, 3, 3, 3]), swept(1.0, [0] * 6)]
    assert chosen(worse, 1.0, pictures).share == 1.0


def test_shorter_way_that_is_no_better_than_the_base_is_not_taken() -> None:
    """Of captions that nearly all find their picture a standard error reaches down to the base."""
    base = [0, 0, 0, 0, 0, 3]
    steps = [swept(0.0, base), swept(0.25, base), swept(0.5, [0] * 6), swept(1.0, [0] * 6)]
    assert chosen(steps, 1.0, np.arange(6)).share == 0.5


def test_base_is_never_taken_for_being_near() -> None:
    steps = [swept(0.0, [0, 0, 0, 0, 0, 3]), swept(1.0, [0] * 6)]
    assert chosen(steps, 1.0, np.arange(6)).share == 1.0
