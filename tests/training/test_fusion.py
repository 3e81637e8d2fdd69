"""A learned fusion is better than the mean where parts of a picture mislead, and is a space."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import PairsError, TrainingFailed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.spaces.fill import fill_spaces
from crossmodal.spaces.fusing import Fusion
from crossmodal.spaces.graph import Edges
from crossmodal.spaces.register import Space, register_space
from crossmodal.training.epochs import Epoch
from crossmodal.training.finetune import register_tuned
from crossmodal.training.fusion import tune_fusion
from crossmodal.training.head import HeadSpec
from crossmodal.training.material import Material
from crossmodal.training.prepare import prepare
from crossmodal.training.spec import FinetuneSpec, Prepared
from tests.evaluation.conftest import Album
from tests.ledger.build import version
from tests.spaces.test_propagation import DIM as DOC_DIM
from tests.spaces.test_propagation import document, ids_by_ordinal, rows_of, version_of_parent

__all__ = ["document"]

DIM = 16
SPEC = FinetuneSpec(
    pairs="", depth="fusion", head=HeadSpec(epochs=25, batch_size=64, learning_rate=3e-3)
)


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def world(num: int, seed: int) -> Material:
    """Return pictures half of whose components say the opposite, with three captions each."""
    draw = np.random.default_rng(seed)
    meant = draw.normal(size=(num, DIM))
    turned = np.where(np.arange(DIM) < DIM // 2, -2.0, 1.0)
    of = np.repeat(np.arange(num), 3)
    return Material(
        images=unit(meant * turned + 0.1 * draw.normal(size=(num, DIM))),
        texts=unit(meant[of] + 1.2 * draw.normal(size=(3 * num, DIM))),
        picture_of=of,
        text_keys=np.arange(3 * num),
    )


def prepared() -> Prepared:
    return Prepared(
        parent=version(dim=DIM),
        train=world(400, 1),
        dev=world(100, 2),
        keep=None,
        picture_hashes=[],
        text_hashes=[],
        data_digest="",
        problems={},
        counts={"train": 400, "dev": 100, "hard": 0},
    )


def nothing(epoch: Epoch) -> None:
    pass


def test_network_finds_more_than_the_weighted_mean() -> None:
    tuned = tune_fusion(prepared(), SPEC, nothing)
    assert tuned.best.dev.at_1 > tuned.base.dev.at_1 + 0.1
    assert tuned.share > 0


def test_no_step_is_taken_that_forgets_what_is_to_be_kept() -> None:
    """Of pictures that say what is meant the network spoils what the mean finds."""
    plain = world(100, 3)
    turned = np.where(np.arange(DIM) < DIM // 2, -1.0, 1.0).astype(np.float32)
    kept = replace(plain, images=plain.images * turned)
    with_keep = replace(prepared(), keep=kept)
    lax = tune_fusion(with_keep, replace(SPEC, max_forgotten=1.0), nothing)
    assert lax.best.kept.at_1 < lax.base.kept.at_1 - 0.05
    with pytest.raises(TrainingFailed, match="--max-forgotten"):
        tune_fusion(with_keep, replace(SPEC, max_forgotten=0.0), nothing)


def test_same_seed_gives_the_same_weights_and_another_others() -> None:
    short = replace(SPEC, head=replace(SPEC.head, epochs=3))
    other = replace(short, head=replace(short.head, seed=1))
    hashes = [tune_fusion(prepared(), each, nothing).weights_hash for each in (short, short, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_pictures_with_one_caption_teach_nothing() -> None:
    one_each = world(60, 1)
    first = np.arange(0, 180, 3)
    single = replace(
        one_each,
        texts=one_each.texts[first],
        picture_of=np.arange(60),
        text_keys=np.arange(60),
    )
    with pytest.raises(PairsError, match="0 pictures have two captions or more"):
        tune_fusion(replace(prepared(), train=single), SPEC, nothing)


def made(dim: int, seed: int = 0) -> Fusion:
    draw = np.random.default_rng(seed)
    shapes = ((3 * dim, 8), (8,), (8, dim), (dim,))
    return Fusion(0.25, *(draw.normal(size=shape).astype(np.float32) for shape in shapes))


def test_fusion_that_was_packed_fuses_alike() -> None:
    draw = np.random.default_rng(3)
    pictures, texts = (unit(draw.normal(size=(5, DIM))) for _ in range(2))
    fusion = made(DIM)
    again = Fusion.unpacked(fusion.packed())
    np.testing.assert_array_equal(again(pictures, texts), fusion(pictures, texts))
    mean = 0.75 * pictures + 0.25 * texts
    np.testing.assert_allclose(fusion.towards(0.0, 0.25)(pictures, texts), unit(mean), atol=1e-6)


def test_pictures_are_fused_with_their_own_passages_and_passages_stay(document: Collection) -> None:
    fusion = made(DOC_DIM)
    base = version_of_parent(document)
    with document.write() as con:
        lonely = ids_by_ordinal(con)[25]
        con.execute("UPDATE chunk SET parent = NULL WHERE chunk_id = ?", [lonely])
        space = register_space(
            con, Space(name="f", parent=base, kind="fusion", maps=fusion.packed())
        )
    assert fill_spaces(document, "run") == 40
    before, after = rows_of(document, base), rows_of(document, space)
    with document.read() as con:
        ids = ids_by_ordinal(con)
    for place in range(20):
        picture, passage = ids[20 + place], ids[place]
        np.testing.assert_allclose(after[passage], before[passage], atol=1e-6)
        expected = fusion(before[picture][None], before[passage][None])[0]
        if picture == lonely:
            expected = before[picture]
        np.testing.assert_allclose(after[picture], expected, atol=1e-5)
    assert fill_spaces(document, "again") == 0


def test_what_was_learned_is_a_space_beside_its_parent(album: Album, tmp_path: Path) -> None:
    own = Collection(shutil.copy(album.collection, tmp_path / "own.duckdb"))
    table = tmp_path / "pairs.csv"
    with table.open("w", newline="") as file:
        rows = [(str(p), f"number {n} {w}") for n, p in enumerate(album.pictures) for w in "ab"]
        csv.writer(file).writerows([("path", "caption"), *rows])
    spec = FinetuneSpec(pairs=str(table), depth="fusion", name="fused", device="cpu")
    given = prepare(own, spec)
    tuned = replace(tune_fusion(prepared(), SPEC, nothing), maps=made(given.parent.dim).packed())
    with own.write() as con:
        space = register_tuned(con, given, tuned, spec, "run")
        assert space.derived is not None
        assert space.derived.kind == "fusion"
        assert space.dim == given.parent.dim
        assert model_versions.find(con, "fused")
    assert fill_spaces(own, "run") == len(album.pictures)


def test_no_edges_are_no_edges() -> None:
    none = Edges.of(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert len(none.joined(none)) == 0
    assert len(none.changed_since(none)) == 0
