"""A text tower in numpy gives what torch gives, and is used only where that was measured."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from crossmodal.encoders.cache import load_version
from crossmodal.encoders.numpy_text import checked
from crossmodal.encoders.numpy_text.encoder import NumpyTexts
from crossmodal.encoders.numpy_text.towers import gelu
from crossmodal.encoders.numpy_text.weights import from_bfloat16, to_bfloat16
from crossmodal.errors import ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles
from crossmodal.models.options import ModelSpec
from crossmodal.records import ModelVersion
from tests.tiny_model import (
    build_tiny_clip,
    build_tiny_dual_encoder,
    build_tiny_sentence,
    build_tiny_siglip,
)

TEXTS = ["a red car", "two dogs on the grass", "x", "", "words " * 400, "[SEP] <|endoftext|> 北京"]
FAMILIES = {
    "clip": build_tiny_clip,
    "dual encoder": build_tiny_dual_encoder,
    "sentence": build_tiny_sentence,
}


@pytest.fixture(autouse=True)
def _cache_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_CACHE", str(tmp_path / "cache"))


def described(directory: Path, dtype: str = "float32") -> tuple[ModelFiles, ModelVersion]:
    files = model_files.resolve(ModelSpec(str(directory)))
    return files, model_files.describe(files, dtype, model_files.weights_hash(files))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_numpy_gives_what_torch_gives(tmp_path: Path, family: str, dtype: str) -> None:
    files, version = described(FAMILIES[family](tmp_path / "model"), dtype)
    wanted = load_version(version, "cpu").encode_queries(TEXTS)
    found = NumpyTexts(files, version).encode_queries(TEXTS)
    assert found.dtype == np.float32
    assert (1 - (found * wanted).sum(axis=1)).max() < 1e-4
    assert dtype == "bfloat16" or np.abs(found - wanted).max() < 1e-3
    assert checked._noted(version) is True


@pytest.mark.meaning
def test_numpy_gives_what_the_built_in_model_gives() -> None:
    files = model_files.resolve(ModelSpec("starter"))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    wanted = load_version(version, "cpu").encode_queries(TEXTS)
    assert np.abs(NumpyTexts(files, version).encode_queries(TEXTS) - wanted).max() < 1e-5


def test_other_families_are_refused_and_torch_answers(tmp_path: Path) -> None:
    files, version = described(build_tiny_siglip(tmp_path / "model"))
    with pytest.raises(ModelUnsupported, match="numpy"):
        NumpyTexts(files, version)
    load_version(version, "cpu")
    assert checked._noted(version) is False


def test_a_tower_that_differs_is_noted_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, version = described(build_tiny_clip(tmp_path / "model"))
    monkeypatch.setattr(NumpyTexts, "_ids", lambda self, text: np.array([1, 2, 3]))
    load_version(version, "cpu")
    monkeypatch.delitem(sys.modules, "torch")
    assert checked._noted(version) is False
    assert checked.numpy_texts(files, version) is None


def test_weights_that_end_in_the_middle_are_refused(tmp_path: Path) -> None:
    files, version = described(build_tiny_clip(tmp_path / "model"))
    data = files.weights[0].read_bytes()
    for num_bytes in (4, 100):
        files.weights[0].write_bytes(data[:num_bytes])
        with pytest.raises(ModelUnsupported):
            NumpyTexts(files, version)


def test_gelu_and_rounding_are_torch_s() -> None:
    values = np.linspace(-6, 6, 2001, dtype=np.float32)
    exact = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in values.tolist()]
    assert np.abs(gelu(values) - exact).max() < 1e-6
    rounded = torch.from_numpy(values).bfloat16().float().numpy()
    assert np.array_equal(from_bfloat16(to_bfloat16(values)), rounded)
