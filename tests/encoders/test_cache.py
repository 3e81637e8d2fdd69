from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch

from crossmodal.encoders.cache import _CLASSES, EncoderCache, load_encoder, load_version
from crossmodal.errors import ModelMismatch, ModelUnavailable
from crossmodal.models import files as model_files
from crossmodal.models.files import files_of
from crossmodal.models.kinds import KINDS
from crossmodal.models.options import ModelSpec
from crossmodal.records import ModelVersion
from tests.tiny_model import (
    build_tiny_clip,
    build_tiny_dual_encoder,
    build_tiny_sentence,
    build_tiny_siglip,
)

BUILDERS = {
    "clip": build_tiny_clip,
    "siglip": build_tiny_siglip,
    "dual encoder": build_tiny_dual_encoder,
}


def described(directory: Path) -> ModelVersion:
    files = model_files.resolve(ModelSpec(str(directory)))
    return model_files.describe(files, "float32", model_files.weights_hash(files))


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {name: build(root / name) for name, build in BUILDERS.items()}


def test_every_kind_of_encoder_has_what_runs_it() -> None:
    assert set(_CLASSES) == set(KINDS)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_missing_device_is_refused_with_the_choices(tiny_clip: Path) -> None:
    files = model_files.resolve(ModelSpec(str(tiny_clip)))
    version = model_files.describe(files, "float32", "w" * 64)
    with pytest.raises(ModelUnavailable, match="no device cuda here: use auto or cpu"):
        load_encoder(files, version, "cuda")


def test_model_is_loaded_once_even_by_many_threads(tiny_clip: Path) -> None:
    files = model_files.resolve(ModelSpec(str(tiny_clip)))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: load_encoder(files, version, "cpu"), range(8)))
    assert len({id(encoder) for encoder in loaded}) == 1
    assert load_version(version, "cpu") is loaded[0]


def test_line_up_of_encoders_stays_loaded(models, tmp_path: Path) -> None:
    sentence = build_tiny_sentence(tmp_path / "sentence")
    line_up = [described(directory) for directory in (*models.values(), sentence)]
    loaded = [load_version(version, "cpu") for version in line_up]
    assert len({id(encoder) for encoder in loaded}) == 4
    again = [load_version(version, "cpu") for version in reversed(line_up)]
    assert [id(encoder) for encoder in reversed(again)] == [id(encoder) for encoder in loaded]


def test_encoder_that_was_not_used_for_longest_is_given_up(models) -> None:
    cache = EncoderCache(max_encoders=2)
    line_up = [described(directory) for directory in models.values()]
    clip, siglip, dual = (
        partial(cache.get, files_of(version), version, "cpu") for version in line_up
    )
    first, second = clip(), siglip()
    assert clip() is first
    dual()
    assert clip() is first
    assert siglip() is not second


def test_load_that_failed_is_tried_again(tiny_clip: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_clip, tmp_path / "model"))
    version, cache = described(model), EncoderCache()
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(b"half a download")
    with pytest.raises(ModelUnavailable):
        cache.get(files_of(version), version, "cpu")
    (model / "model.safetensors").write_bytes(weights)
    assert cache.get(files_of(version), version, "cpu").version == version


def test_directory_that_has_changed_is_not_taken_for_the_old_version(tmp_path: Path) -> None:
    directory = build_tiny_clip(tmp_path / "model")
    files = model_files.resolve(ModelSpec(str(directory)))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    build_tiny_clip(directory, seed=8)
    with pytest.raises(ModelMismatch, match=r"has changed since .*index again with --model"):
        load_version(version, "cpu")
