"""Our own cross-attention over frozen tokens: learned, written, and loaded as any reranker is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from crossmodal.encoders.rerankers.cross_attention import write
from crossmodal.encoders.rerankers.frozen_towers import FrozenTowers
from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import Side, TokenReranker
from crossmodal.errors import ModelUnavailable, ModelUnsupported, PairsError
from crossmodal.training.checkpoint import Checkpoint
from crossmodal.training.cross_attention import (
    CrossAttentionSpec,
    Taught,
    learn_cross_attention,
)
from tests.tiny_model import (
    build_tiny_clip,
    build_tiny_dual_encoder,
    build_tiny_sentence,
    build_tiny_siglip,
)

BASES = {"clip": build_tiny_clip, "siglip": build_tiny_siglip, "dual": build_tiny_dual_encoder}
CAPTIONS = ("a red car", "two dogs", "the sea", "snow", "a tall tower", "nobody")
SMALL = CrossAttentionSpec(
    width=32, heads=2, epochs=90, patience=90, drawn=5, batch_size=6, learning_rate=1e-2
)


class Made(NamedTuple):
    base: Path
    folder: Path
    sides: list[Side]


def sides() -> list[Side]:
    """Return pictures of large coloured spots, which even towers of random weights tell apart."""
    draw = np.random.default_rng(3)
    spots = [draw.integers(0, 255, (4, 5, 3), dtype=np.uint8) for _ in CAPTIONS]
    return [Side(picture=Image.fromarray(each).resize((48, 40))) for each in spots]


def made(
    at: Path,
    base: str = "dual",
    spec: CrossAttentionSpec = SMALL,
    captions: Sequence[str] = CAPTIONS,
) -> Made:
    model, pictures = BASES[base](at / "base"), sides()
    towers = FrozenTowers.load(str(model), "cpu")
    tokens = towers.tokens([side.picture for side in pictures if side.picture])
    taught = Taught(tokens, captions, np.arange(len(captions)))
    order = learn_cross_attention(towers, taught, taught, spec, Checkpoint(at / "state"))
    (at / "ours").mkdir()
    write(at / "ours", order.network, order.shape, towers, order.asks)
    return Made(model, at / "ours", pictures)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("ours"))


def edited(ours: Made, at: Path, **changes: object) -> Path:
    shutil.copytree(ours.folder, at)
    config = json.loads((at / "config.json").read_text()) | changes
    (at / "config.json").write_text(json.dumps(config))
    return at


def test_each_caption_that_it_learned_puts_its_own_picture_first(ours: Made) -> None:
    reranker = load_reranker(str(ours.folder), "cpu")
    towers = FrozenTowers.load(str(ours.base), "cpu")
    own = np.stack(towers.tokens([side.picture for side in ours.sides if side.picture]))[:, 0]
    texts = towers.words(CAPTIONS).vectors.numpy()
    base = (texts @ own[:, : texts.shape[1]].astype(np.float32).T).argmax(axis=1)
    found = [int(reranker.scores(Side(text=text), ours.sides).argmax()) for text in CAPTIONS]
    assert found == list(range(len(CAPTIONS)))
    assert base.tolist() != found, "the base knew it all, so nothing was shown"


@pytest.mark.parametrize("base", BASES)
def test_scores_are_finite_and_depend_on_both_sides(base: str, tmp_path: Path) -> None:
    few = CrossAttentionSpec(width=16, heads=2, epochs=2, drawn=2)
    _, folder, pictures = made(tmp_path, base, few)
    reranker = load_reranker(str(folder), "cpu")
    together = reranker.scores(Side(text="red car"), pictures)
    assert (together.shape, together.dtype) == ((len(CAPTIONS),), np.float32)
    assert np.isfinite(together).all()
    assert len(set(together.tolist())) == len(CAPTIONS)
    assert not np.allclose(together, reranker.scores(Side(text="snow"), pictures))
    alone = [reranker.scores(Side(text="red car"), [side])[0] for side in pictures]
    np.testing.assert_allclose(together, alone, atol=0.05)


def test_kept_tokens_score_as_fresh_ones(ours: Made) -> None:
    reranker = load_reranker(str(ours.folder), "cpu")
    assert isinstance(reranker, TokenReranker)
    kept, query = reranker.tokens(ours.sides), Side(text="the sea")
    assert kept[0].dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(kept[0].astype(np.float32), axis=1), 1, atol=1e-2)
    found = reranker.scores_of_tokens(query, kept)
    np.testing.assert_allclose(found, reranker.scores(query, ours.sides), atol=1e-4)


def test_one_seed_gives_one_network(ours: Made, tmp_path: Path) -> None:
    few = CrossAttentionSpec(width=16, heads=2, epochs=2, drawn=2)
    one, other = made(tmp_path / "1", spec=few), made(tmp_path / "2", spec=few)
    weights = [(each.folder / "model.safetensors").read_bytes() for each in (one, other)]
    assert weights[0] == weights[1]


def test_over_another_base_it_is_refused(ours: Made, tmp_path: Path) -> None:
    other = build_tiny_dual_encoder(tmp_path / "other", seed=8)
    named = json.loads((ours.folder / "config.json").read_text())["base"] | {"name": str(other)}
    folder = edited(ours, tmp_path / "ours", base=named)
    with pytest.raises(ModelUnsupported, match=r"was trained over the towers of .* train it again"):
        load_reranker(str(folder), "cpu")


def test_a_base_that_is_gone_or_has_no_towers_is_named(ours: Made, tmp_path: Path) -> None:
    texts = build_tiny_sentence(tmp_path / "texts")
    for name, told, error in (
        (str(tmp_path / "gone"), "there is no directory", ModelUnavailable),
        (str(texts), "gives no tokens of pictures and words", ModelUnsupported),
    ):
        folder = edited(ours, tmp_path / told[:8], base={"name": name, "weights_hash": "0"})
        with pytest.raises(error, match=told):
            load_reranker(str(folder), "cpu")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"base": "dual"}, "does not say which base"),
        ({"asks": ["sound"]}, "does not say what it was taught"),
        ({"shape": {"width": 32}}, "has the shape"),
        (
            {
                "shape": {
                    **dict.fromkeys(("words", "patches", "dim", "width", "layers"), 8),
                    "heads": 3,
                }
            },
            "has the shape",
        ),
        (
            {
                "shape": {
                    **dict.fromkeys(("words", "patches", "dim", "width", "layers"), 8),
                    "heads": 2,
                }
            },
            "cannot be loaded",
        ),
    ],
)
def test_a_damaged_configuration_is_refused(
    changes: dict[str, object], told: str, ours: Made, tmp_path: Path
) -> None:
    folder = edited(ours, tmp_path / "ours", **changes)
    with pytest.raises((ModelUnsupported, ModelUnavailable), match=told):
        load_reranker(str(folder), "cpu")


def test_pictures_that_share_a_caption_teach_it_to_answer_pictures(tmp_path: Path) -> None:
    shared = ("a car", "a car", "a dog", "a dog", "the sea", "the sea")
    _, folder, pictures = made(tmp_path, captions=shared)
    reranker = load_reranker(str(folder), "cpu")
    assert reranker.pairs == {("text", "image"), ("image", "image")}
    found = []
    for number, side in enumerate(pictures):
        others = [n for n in range(len(pictures)) if n != number]
        scores = reranker.scores(Side(picture=side.picture), [pictures[n] for n in others])
        found.append(others[int(scores.argmax())] == number ^ 1)
    assert sum(found) >= 4, "the base has one of six right"


def test_without_shared_captions_it_answers_texts_only(ours: Made) -> None:
    assert load_reranker(str(ours.folder), "cpu").pairs == {("text", "image")}


def test_what_teaches_nothing_is_refused(ours: Made, tmp_path: Path) -> None:
    towers = FrozenTowers.load(str(ours.base), "cpu")
    tokens = towers.tokens([side.picture for side in ours.sides if side.picture])
    every = Taught(tokens, CAPTIONS, np.arange(len(CAPTIONS)))
    for taught, told in (
        (Taught(tokens[:1], ["a car"], np.array([0])), "teach nothing"),
        (Taught(tokens[:2], ["a car"] * 2, np.arange(2)), "none is left that is wrong"),
    ):
        with pytest.raises(PairsError, match=told):
            learn_cross_attention(towers, taught, every, SMALL, Checkpoint(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
