"""Rerankers of every family, each a tiny random model of its real class, loaded as folders are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from crossmodal.encoders.rerankers import loading
from crossmodal.encoders.rerankers.loading import load_reranker, register
from crossmodal.encoders.rerankers.reranker import Floats, Reranker, Side, TokenReranker, max_sim
from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models.folder import ModelFiles
from tests import tiny_rerankers as tiny
from tests.tiny_model import build_tiny_clip, build_tiny_sentence

Build = Callable[[Path], Path]
TEXTS = ("a red car", "a boat", "two dogs by the sea")
FAMILIES = {
    "cross-encoder": tiny.build_cross_encoder,
    "colbert": tiny.build_colbert,
    "stanford-colbert": tiny.build_stanford_colbert,
    "blip": tiny.build_blip,
    "blip2": tiny.build_blip2,
    "vilt": tiny.build_vilt,
    "bridge-tower": tiny.build_bridge_tower,
    "col-pali": tiny.build_col_pali,
    "col-qwen2": tiny.build_col_qwen2,
    "col-modern-vbert": tiny.build_col_modern_vbert,
    "neomme": tiny.build_neomme,
    "judge": tiny.build_judge,
}


def pictures() -> list[Image.Image]:
    draw = np.random.default_rng(3)
    return [
        Image.fromarray(draw.integers(0, 255, (40, 40 + 8 * i, 3), dtype=np.uint8))
        for i in range(3)
    ]


def sides(reranker: Reranker) -> list[Side]:
    if ("text", "text") in reranker.pairs:
        return [Side(text=text) for text in TEXTS]
    return [Side(picture=picture) for picture in pictures()]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_scores_pairs_the_same_alone_as_together(family: str, tmp_path: Path) -> None:
    reranker = load_reranker(str(FAMILIES[family](tmp_path / family)), "cpu")
    query, candidates = Side(text="red car"), sides(reranker)
    together = reranker.scores(query, candidates)
    assert (together.shape, together.dtype) == ((3,), np.float32)
    assert len(set(together.tolist())) == 3
    alone = [reranker.scores(query, [candidate])[0] for candidate in candidates]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    other = reranker.scores(Side(text="snow"), candidates)
    assert not np.allclose(together, other)


@pytest.mark.parametrize(
    "family", ["colbert", "stanford-colbert", "col-pali", "col-qwen2", "col-modern-vbert", "neomme"]
)
def test_kept_tokens_score_as_fresh_ones(family: str, tmp_path: Path) -> None:
    reranker = load_reranker(str(FAMILIES[family](tmp_path / family)), "cpu")
    assert isinstance(reranker, TokenReranker)
    query, candidates = Side(text="red car"), sides(reranker)
    kept = reranker.tokens(candidates)
    np.testing.assert_allclose(
        reranker.scores_of_tokens(query, kept), reranker.scores(query, candidates), atol=1e-4
    )
    norms = np.linalg.norm(kept[0].astype(np.float32), axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-3)


def test_a_matcher_reads_a_picture_that_asks_for_texts(tmp_path: Path) -> None:
    matcher = load_reranker(str(tiny.build_blip(tmp_path / "blip")), "cpu")
    asks, texts = Side(picture=pictures()[0]), [Side(text=text) for text in TEXTS]
    asked = matcher.scores(asks, texts)
    turned = [matcher.scores(text, [asks])[0] for text in texts]
    np.testing.assert_allclose(asked, turned, atol=1e-4)


def test_neomme_reads_passages_and_pages(tmp_path: Path) -> None:
    reranker = load_reranker(str(tiny.build_neomme(tmp_path / "m")), "cpu")
    mixed = [Side(text="a boat"), Side(text="its caption", picture=pictures()[0])]
    assert len(reranker.scores(Side(text="<img> <doc> boat"), mixed)) == 2


def test_a_query_is_filled_up_with_masks_only_where_the_model_asks_for_it(tmp_path: Path) -> None:
    asked = {"query_length": 16, "query_prefix": "[Q] ", "model_type": "ColBERT"}
    padded = load_reranker(str(tiny.build_colbert(tmp_path / "pad", settings=asked)), "cpu")
    plain = load_reranker(str(tiny.build_colbert(tmp_path / "plain")), "cpu")
    query = "red car"
    assert padded._encoded_query(query).shape == (16, 8)  # type: ignore[attr-defined]
    assert plain._encoded_query(query).shape == (8, 32)  # type: ignore[attr-defined]


def test_another_projection_is_another_reranker(tmp_path: Path) -> None:
    folder = tiny.build_colbert(tmp_path / "m", settings={"model_type": "ColBERT"})
    before = load_reranker(str(folder), "cpu")
    projection = folder / "1_Dense" / "model.safetensors"
    flipped = load_file(projection)["linear.weight"].flip(1).contiguous()
    save_file({"linear.weight": flipped}, projection)
    after = load_reranker(str(folder), "cpu")
    query, candidates = Side(text="red car"), sides(after)
    assert after.scores(query, candidates).tolist() != before.scores(query, candidates).tolist()
    assert after.fingerprint != before.fingerprint


def test_punctuation_of_documents_matches_nothing_where_it_is_skipped(tmp_path: Path) -> None:
    folder = tiny.build_colbert(tmp_path / "m", settings={"model_type": "ColBERT"})
    reranker = load_reranker(str(folder), "cpu")
    assert isinstance(reranker, TokenReranker)
    (plain,), (dotted,) = reranker.tokens([Side(text="ab")]), reranker.tokens([Side(text="ab!?")])
    assert len(plain) == len(dotted) == 4


def test_the_best_match_of_each_query_token_counts() -> None:
    query = np.eye(2, dtype=np.float32)
    document = np.array([[1, 0], [0.6, 0.8]], np.float16)
    empty = np.zeros((0, 2), np.float16)
    np.testing.assert_allclose(max_sim(query, [document, empty]), [1.8, 0], atol=1e-3)


def test_code_of_a_folder_is_never_run(tmp_path: Path) -> None:
    folder = tiny.build_cross_encoder(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "evil.Evil"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('this code was run')")
    with pytest.raises(ModelUnsupported, match="brings code of its own"):
        load_reranker(str(folder), "cpu")


def test_what_is_no_reranker_is_refused_by_name(tmp_path: Path) -> None:
    for build, told in (
        (build_tiny_clip, "is no reranker: its architecture is CLIPModel"),
        (build_tiny_sentence, "its step Pooling is not one of"),
        (lambda dest: tiny.build_cross_encoder(dest, labels=3), "sorts into 3 classes"),
    ):
        folder = build(tmp_path / told[:8].strip())
        with pytest.raises(ModelUnsupported, match=told):
            load_reranker(str(folder), "cpu")
    with pytest.raises(ModelUnavailable, match="there is no directory"):
        load_reranker(str(tmp_path / "nothing"), "cpu")
    with pytest.raises(ModelUnavailable, match="holds no model"):
        load_reranker(str(tmp_path), "cpu")


def test_lacking_weights_are_not_replaced_by_random_ones(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny.build_cross_encoder(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelUnavailable, match="lack 1 tensors"):
        load_reranker(str(folder), "cpu")


def test_another_room_adds_a_family_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seam for a small cross-attention over frozen patch tokens, trained elsewhere."""

    class Own:
        label, fingerprint, side_px, batch = "own", "own-1", 32, 4
        pairs = frozenset({("text", "image")})

        def scores(self, query: Side, candidates: list[Side]) -> Floats:
            return self.scores_of_tokens(query, self.tokens(candidates))

        def tokens(self, candidates: list[Side]) -> list[np.ndarray]:
            return [np.full((2, 4), len(side.text), np.float16) for side in candidates]

        def scores_of_tokens(self, query: Side, tokens: list[np.ndarray]) -> Floats:
            return np.array([one.sum() for one in tokens], np.float32)

    def load(files: ModelFiles, device: str) -> Reranker:
        return Own()  # type: ignore[return-value]

    monkeypatch.setattr(loading, "_ADDED", {})
    register("CLIPModel", load)
    found = load_reranker(str(build_tiny_clip(tmp_path / "m")), "cpu")
    assert found.label == "own"
    assert isinstance(found, TokenReranker)
