"""A large batch in parts, and layers computed again, teach what the whole batch at once teaches."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossmodal.ledger.collection import Collection
from crossmodal.training import learn_towers
from crossmodal.training.learn_towers import Learner
from crossmodal.training.mine import mined
from crossmodal.training.prepare import prepare
from crossmodal.training.spec import Prepared, TowerSpec
from crossmodal.training.towers import TextTower, Weights
from tests.evaluation.conftest import Album
from tests.training.test_towers import pairs, spec_of

__all__ = ["pairs"]

TOWER = TowerSpec(epochs=1, batch_size=1000, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiply in float32, whatever the processor has: in bfloat16 sums depend on their order."""
    monkeypatch.setattr(learn_towers, "mixed", lambda device: nullcontext())


@pytest.fixture
def prepared(album: Album, tmp_path: Path, pairs: str) -> Prepared:
    own = Collection(shutil.copy(album.collection, tmp_path / "own.duckdb"))
    return prepare(own, spec_of(pairs))


def stepped(prepared: Prepared, spec: TowerSpec, mine: int = 0) -> tuple[float, Weights]:
    """Return the loss of one step over everything, and its gradients."""
    tower = TextTower(prepared.parent, "cpu")
    if spec.recompute:
        tower.recompute()
    train = prepared.train
    if mine:
        found = mined(tower.encoded(train), mine, len(train.images))
        train = replace(found, texts=train.texts)
    loss = Learner(tower, train, prepared.dev, spec).epoch()
    return loss, {name: p.grad for name, p in tower.moving() if p.grad is not None}


def same(some: Weights, others: Weights) -> None:
    assert some.keys() == others.keys()
    assert any(gradient.abs().max() > 1e-3 for gradient in some.values())
    for name, gradient in some.items():
        np.testing.assert_allclose(others[name], gradient, atol=1e-5, rtol=1e-3, err_msg=name)


@pytest.mark.parametrize("loss", ["clip", "siglip"])
@pytest.mark.parametrize("mine", [0, 3])
def test_batch_in_parts_gives_the_gradients_of_the_whole_batch(
    prepared: Prepared, loss: str, mine: int
) -> None:
    spec = replace(TOWER, loss=loss)
    whole, gradients = stepped(prepared, spec, mine)
    in_parts, gradients_in_parts = stepped(prepared, replace(spec, at_once=5), mine)
    assert in_parts == pytest.approx(whole, rel=1e-5)
    same(gradients, gradients_in_parts)


def test_no_more_pictures_than_named_go_through_at_once(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    plain = TextTower.texts

    def counted(tower: TextTower, words: list[str]) -> torch.Tensor:
        if torch.is_grad_enabled():
            sizes.append(len(words))
        return plain(tower, words)

    monkeypatch.setattr(TextTower, "texts", counted)
    stepped(prepared, replace(TOWER, at_once=5))
    assert sizes
    assert max(sizes) == 5


def test_layers_that_are_computed_again_give_the_same_gradients(prepared: Prepared) -> None:
    loss, gradients = stepped(prepared, TOWER)
    again, gradients_again = stepped(prepared, replace(TOWER, recompute=True))
    assert again == pytest.approx(loss, rel=1e-5)
    same(gradients, gradients_again)


def test_layer_goes_forth_twice_where_it_is_computed_again(prepared: Prepared) -> None:
    assert forths(prepared, recompute=True) == 2 * forths(prepared, recompute=False) > 0


def forths(prepared: Prepared, *, recompute: bool) -> int:
    """Return how often what lies in the last layer of the text tower goes forth in a step."""
    tower = TextTower(prepared.parent, "cpu")
    if recompute:
        tower.recompute()
    layers = [m for m in tower.model.text_model.modules() if hasattr(m, "gradient_checkpointing")]
    seen: list[object] = []
    next(layers[-1].children()).register_forward_hook(lambda *given: seen.append(given))
    tower.texts(["a red car", "a dog"]).sum().backward()
    return len(seen)
