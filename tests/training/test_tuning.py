"""Faster ways are tried on a sample; a smaller input can be written and used."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from crossmodal.cli.models import models
from crossmodal.encoders.backends.int8_tower import with_tower
from crossmodal.encoders.cache import load_version
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import (
    ExtraMissing,
    ModelUnavailable,
    ModelUnsupported,
    PairsError,
    ParametersError,
    PathError,
)
from crossmodal.models import files as model_files
from crossmodal.models.folder import TOWER, ModelFiles
from crossmodal.models.options import ModelSpec
from crossmodal.records import ModelVersion
from crossmodal.training.recall import Recall
from crossmodal.training.tuning.sample import FEWEST, Sample, sample_of
from crossmodal.training.tuning.try_ways import Tried
from crossmodal.training.tuning.tune import TuneSpec, Tuning, advice, tune, tuning_table
from tests.shell import CROSSMODAL

HAS_OPENVINO = importlib.util.find_spec("openvino") is not None
HAS_NNCF = HAS_OPENVINO and importlib.util.find_spec("nncf") is not None
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of smooth pictures, a broken one, and a table of captions above it."""
    root = tmp_path_factory.mktemp("photos")
    (root / "images").mkdir()
    rng = np.random.default_rng(3)
    for number in range(FEWEST + 4):
        corners = rng.integers(0, 256, (3, 3, 3), np.uint8)
        Image.fromarray(corners).resize((60, 48)).save(root / "images" / f"{number:02}.png")
    (root / "images" / "broken.png").write_bytes(b"no picture")
    rows = [{"path": f"images/{n:02}.png", "caption": f"picture {n}"} for n in range(FEWEST + 2)]
    (root / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root


def described(directory: Path) -> tuple[ModelFiles, ModelVersion]:
    files = model_files.resolve(ModelSpec(str(directory)))
    return files, model_files.describe(files, "float32", model_files.weights_hash(files))


def spec_of(model: Path, tmp_path: Path, **named: object) -> TuneSpec:
    spec = TuneSpec(collection=str(tmp_path / "none.duckdb"), model=str(model))
    return replace(spec, **named)


@pytest.fixture
def tried(tiny_clip: Path, photos: Path, tmp_path: Path) -> Tuning:
    return tune(spec_of(tiny_clip, tmp_path, captions=str(photos / "captions.jsonl")))


def test_each_way_is_measured_against_today(tried: Tuning) -> None:
    by_name = {way.way: way for way in tried.ways}
    today = tried.ways[0]
    assert (today.use, today.is_other_version) == ("as today", False)
    assert today.cosine == pytest.approx(1, abs=1e-5)
    assert today.overlap_at_10 == 1
    smaller = by_name[today.way.replace("32 px", "24 px")]
    assert smaller.is_other_version
    assert smaller.use == "tune --write DEST --input-px 24, backfill --model DEST"
    assert smaller.cosine < 0.9999
    for way in tried.ways:
        assert way.problem or (way.images_per_s > 0 and way.ratio > 0 and way.megabytes > 0)
        assert way.problem or 0 <= way.recall.at_1 <= way.recall.at_10 <= 1


@pytest.mark.skipif(not HAS_OPENVINO, reason="crossmodal[openvino] is not installed")
def test_openvino_is_the_same_version(tried: Tuning) -> None:
    today = tried.ways[0]
    other = next(way for way in tried.ways if way.way == today.way.replace("torch", "openvino"))
    assert not other.is_other_version
    assert other.use == "index --backend openvino"
    assert other.cosine > 0.998


def test_a_way_that_cannot_be_had_says_why(
    tiny_clip: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    found = tune(spec_of(tiny_clip, tmp_path, images=str(photos), input_px=(16,)))
    without = [way for way in found.ways if way.way.startswith("openvino")]
    assert without
    assert all("crossmodal[openvino]" in way.problem for way in without)
    assert all(way.images_per_s is None for way in without)
    assert "cannot be taken" in str(tuning_table(found).rows)


def test_a_smaller_input_is_written_and_serves_as_any_model(
    tiny_clip: Path, photos: Path, tmp_path: Path
) -> None:
    dest = tmp_path / "smaller"
    spec = spec_of(tiny_clip, tmp_path, images=str(photos), input_px=(24,), write=str(dest))
    found = tune(spec)
    assert found.written == str(dest)
    assert f"--model {dest}" in found.advice
    version = described(dest)[1]
    encoder = load_version(version, "cpu")
    assert encoder.image_size == (24, 24)
    assert encoder.encode_images(encoder.preprocess.noise(2)).failed == {}
    assert json.loads((dest / "config.json").read_text())["vision_config"]["image_size"] == 24
    assert "interpolated" in (dest / "README.md").read_text()
    texts = load_version(version, "cpu").encode_texts(["a boat"])
    first = described(tiny_clip)[1]
    assert np.allclose(texts, load_version(first, "cpu").encode_texts(["a boat"]), atol=1e-5)


@pytest.mark.parametrize(
    ("named", "error", "match"),
    [
        ({"input_px": (20,)}, ParametersError, "give a multiple of 8 below 32"),
        ({"input_px": (40,)}, ParametersError, "give a multiple of 8 below 32"),
        ({"write": "dest"}, ParametersError, "--write needs to know what"),
        ({"images": "/no/such/folder"}, PathError, "there is no folder"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_measured(
    tiny_clip: Path, photos: Path, tmp_path: Path, named: dict, error: type, match: str
) -> None:
    with pytest.raises(error, match=match):
        tune(spec_of(tiny_clip, tmp_path, **({"images": str(photos)} | named)))


@pytest.mark.skipif(not HAS_NNCF, reason="crossmodal[tune] is not installed")
def test_a_tower_of_integers_is_written_and_serves_as_a_version_of_its_own(
    tiny_clip: Path, photos: Path, tmp_path: Path
) -> None:
    dest = tmp_path / "integers"
    spec = spec_of(tiny_clip, tmp_path, images=str(photos), int8=True, write=str(dest))
    found = tune(spec)
    rounded = next(way for way in found.ways if "int8" in way.way)
    assert rounded.use.startswith("tune --write DEST --int8, backfill --model DEST")
    assert 0.9 < rounded.cosine < 1
    today = found.ways[0]
    bytes_each = 4 if "float32" in today.way else 2
    assert rounded.megabytes == pytest.approx(today.megabytes / bytes_each)
    with pytest.raises(ModelUnsupported, match="of integers already"):
        tune(spec_of(dest, tmp_path, images=str(photos)))
    files, version = described(dest)
    before = described(tiny_clip)[1]
    assert version.weights_hash != before.weights_hash
    encoder = load_version(version, "cpu")
    pixels = encoder.preprocess.noise(6)
    vectors = encoder.encode_images(pixels).vectors
    plain = load_version(before, "cpu")
    cosines = (vectors * plain.encode_images(pixels).vectors).sum(axis=1)
    assert 0.9 < cosines.min() < 0.99999
    assert np.allclose(encoder.encode_texts(["a boat"]), plain.encode_texts(["a boat"]), atol=1e-5)
    assert np.allclose(vectors[:1], encoder.encode_images(pixels[:1]).vectors, atol=1e-3)
    assert files.tower == tuple(dest / name for name in TOWER)


@pytest.mark.skipif(not HAS_NNCF, reason="crossmodal[tune] is not installed")
def test_a_tower_of_integers_that_cannot_serve_here_says_why(
    tiny_clip: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "integers"
    tune(spec_of(tiny_clip, tmp_path, images=str(photos), int8=True, write=str(dest)))
    files, version = described(dest)
    encoder = TransformersEncoder.load(files, version, "cpu")
    with monkeypatch.context() as other:
        other.setitem(sys.modules, "openvino", None)
        with pytest.raises(ExtraMissing, match=r"crossmodal\[openvino\]"):
            with_tower(encoder, files)
    encoder.device = "cuda"
    with pytest.raises(ModelUnsupported, match="say --device cpu"):
        with_tower(encoder, files)
    encoder.device = "cpu"
    proof = dest / "image_tower.json"
    told = json.loads(proof.read_text())
    proof.write_text(json.dumps({"vectors": (-np.array(told["vectors"])).tolist()}))
    with pytest.raises(ModelUnsupported, match="other vectors on this processor"):
        with_tower(encoder, files)
    proof.write_text("{")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        with_tower(encoder, files)
    proof.write_text(json.dumps(told))
    files.tower[0].write_text("<net>")
    with pytest.raises(ModelUnavailable, match="write it anew"):
        with_tower(encoder, files)
    changed = model_files.weights_hash(model_files.resolve(ModelSpec(str(dest))))
    assert changed != version.weights_hash


def test_a_folder_that_is_taken_stays(tiny_clip: Path, photos: Path, tmp_path: Path) -> None:
    spec = spec_of(tiny_clip, tmp_path, images=str(photos), input_px=(24,), write=str(photos))
    with pytest.raises(PathError, match="holds something else"):
        tune(spec)


def test_too_few_pictures_are_told_of(tiny_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    with pytest.raises(PairsError, match="0 pictures, and 16 are the fewest"):
        tune(spec_of(tiny_clip, tmp_path, images=str(tmp_path / "few")))


def test_the_sample_is_spread_over_the_folder(photos: Path, tmp_path: Path) -> None:
    from crossmodal.ledger.collection import Collection

    found = sample_of(Collection(tmp_path / "none.duckdb"), str(photos), "", FEWEST)
    names = [Path(uri).name for uri in found.uris]
    assert len(set(names)) == FEWEST
    assert (names[0], names[-1]) == ("00.png", "broken.png")


def way(name: str, ratio: float, recall: float | None, *, other: bool = True) -> Tried:
    found = None if recall is None else Recall(recall, 1.0)
    return Tried(way=name, is_other_version=other, use=name, ratio=ratio, recall=found)


def test_advice_prefers_the_same_vectors_then_what_loses_little() -> None:
    plain, told = Sample(("a",)), Sample(("a",), (("word",),))
    today = way("today", 1.0, 0.9, other=False)
    same = way("openvino", 1.4, 0.9, other=False)
    small, poor = way("small", 1.6, 0.895), way("poor", 2.5, 0.7)
    assert "openvino (1.40 times" in advice([today, same, poor], told)
    both = advice([today, small, same], told)
    assert "openvino (1.40 times" in both
    assert "; or small (1.60 times" in both
    assert "small" not in advice([today, way("small", 1.45, 0.9), same], told)
    assert "small (1.60 times" in advice([today, small, poor], told)
    assert advice([today, poor], told).startswith("next: nothing")
    bare = way("small", 1.6, None)
    assert "--captions" in advice([replace(today, recall=None), bare], plain)


@pytest.mark.skipif(not HAS_NNCF, reason="crossmodal[tune] is not installed")
def test_integers_that_this_processor_cannot_run_stop_no_other_way(
    tiny_clip: Path, photos: Path, tmp_path: Path
) -> None:
    # Where it has bfloat16, its oneDNN is held to instructions without; elsewhere all is as ever.
    held = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    command = [CROSSMODAL, "models", "tune", "--json"]
    command += ["-c", str(tmp_path / "none.duckdb"), "--model", str(tiny_clip)]
    command += ["--images", str(photos), "--num", "18", "--int8"]
    done = subprocess.run(command, env=held, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(way["images_per_s"] or way["problem"] for way in json.loads(done.stdout)["ways"])


def test_the_command_prints_json(tiny_clip: Path, photos: Path, tmp_path: Path) -> None:
    command = ["tune", "-c", str(tmp_path / "none.duckdb"), "--model", str(tiny_clip)]
    command += ["--images", str(photos), "--num", "18", "--input-px", "16", "--json"]
    done = CliRunner().invoke(models, command)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["num_pictures"] == 17  # one is broken
    assert told["ways"][0]["use"] == "as today"
    assert told["advice"].startswith("next: ")
