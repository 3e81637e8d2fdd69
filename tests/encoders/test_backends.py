"""OpenVINO runs an image tower where it gives torch's vectors, and nowhere else."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crossmodal.encoders.backends import checked, names, openvino_tower
from crossmodal.encoders.backends.checked import MIN_COSINE, by_openvino
from crossmodal.encoders.cache import load_version
from crossmodal.encoders.forward import on_one_core
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import ExtraMissing, ModelUnsupported
from tests.embedding.conftest import Load
from tests.tiny_model import build_tiny_dual_encoder, build_tiny_siglip, build_tiny_siglip2

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="crossmodal[openvino] is not installed"
)
# Its own warnings at import, and torch's of tracing, are no concern of a test here.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROSSMODAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "openvino"


@needs_openvino
@pytest.mark.parametrize("dtype", MIN_COSINE)
def test_openvino_gives_the_vectors_of_torch(tiny_clip: Path, load: Load, dtype: str) -> None:
    encoder = load(tiny_clip, dtype)
    other = by_openvino(encoder)
    pixels = encoder.preprocess.noise(11)
    wanted = encoder.encode_images(pixels).vectors
    with on_one_core():
        found = other.encode_images(pixels)
    assert found.failed == {}
    assert (found.vectors * wanted).sum(axis=1).min() >= MIN_COSINE[dtype]
    assert other.version == encoder.version
    assert np.array_equal(other.encode_texts(["a boat"]), encoder.encode_texts(["a boat"]))


@needs_openvino
@pytest.mark.parametrize("build", [build_tiny_siglip, build_tiny_dual_encoder])
def test_families_whose_pictures_have_one_shape_are_converted(tmp_path, load, build) -> None:
    encoder = load(build(tmp_path / "model"))
    pixels = encoder.preprocess.noise(3)
    found = by_openvino(encoder).encode_images(pixels).vectors
    assert np.abs(found - encoder.encode_images(pixels).vectors).max() < 1e-4


@needs_openvino
def test_a_tower_is_converted_once_and_kept_whole(tiny_clip, load, cache, monkeypatch) -> None:
    encoder = load(tiny_clip)
    by_openvino(encoder)
    (folder,) = cache.iterdir()
    assert {path.name for path in folder.iterdir()} == {"tower.xml", "tower.bin", "tower.json"}
    monkeypatch.setattr(openvino_tower, "converted", lambda _: pytest.fail("converted again"))
    by_openvino(encoder)


@needs_openvino
@pytest.mark.parametrize("name", ["tower.xml", "tower.bin", "tower.json"])
def test_a_damaged_cache_is_made_anew(tiny_clip, load, cache, name: str) -> None:
    encoder = load(tiny_clip)
    by_openvino(encoder)
    (folder,) = cache.iterdir()
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2] + b"?" + whole[len(whole) // 2 + 1 :])
    pixels = encoder.preprocess.noise(2)
    found = by_openvino(encoder).encode_images(pixels).vectors
    assert np.abs(found - encoder.encode_images(pixels).vectors).max() < 1e-4
    assert openvino_tower._kept(folder) is not None
    assert list(cache.iterdir()) == [folder]


@needs_openvino
def test_a_cache_that_cannot_be_written_hinders_nothing(tiny_clip, load, cache) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    encoder = load(tiny_clip)
    assert by_openvino(encoder).encode_images(encoder.preprocess.noise(1)).failed == {}


@needs_openvino
def test_no_more_towers_are_kept_than_said(tiny_clip, load, cache) -> None:
    for number in range(openvino_tower._MAX_KEPT + 2):
        (cache / f"old{number}").mkdir(parents=True)
    by_openvino(load(tiny_clip))
    assert len(list(cache.iterdir())) == openvino_tower._MAX_KEPT


@needs_openvino
def test_other_vectors_are_not_taken(tiny_clip, load, monkeypatch) -> None:
    encoder = load(tiny_clip)
    tower = openvino_tower.opened(encoder)

    def moved(pixels: np.ndarray):
        features = tower(pixels)
        features[:, 0] += 0.05 * features.norm(dim=1)
        return features

    monkeypatch.setattr(checked, "opened", lambda _, keep: moved)
    with pytest.raises(ModelUnsupported, match=r"cosine 0\.\d+, allowed is 0\.99999"):
        by_openvino(encoder)


@needs_openvino
def test_what_openvino_raises_becomes_a_sentence(tiny_clip, load, monkeypatch) -> None:
    def fails(_: TransformersEncoder) -> None:
        raise RuntimeError("no such operation")

    monkeypatch.setattr(openvino_tower, "converted", fails)
    with pytest.raises(ModelUnsupported, match="no such operation; leave --backend out"):
        by_openvino(load(tiny_clip))


def test_models_that_it_cannot_run_are_refused_before_anything_is_converted(tmp_path, load) -> None:
    from crossmodal.models import files as model_files
    from crossmodal.models.options import ModelSpec

    files = model_files.resolve(ModelSpec(str(build_tiny_siglip2(tmp_path / "model"))))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    with pytest.raises(ModelUnsupported, match="all have one shape"):
        load_version(version, "cpu", names.OPENVINO)


def test_without_openvino_the_backend_names_its_extra(tiny_clip, load, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'crossmodal\[openvino\]'"):
        by_openvino(load(tiny_clip))


@needs_openvino
def test_openvino_tells_nobody_that_it_is_used() -> None:
    code = (
        "from crossmodal.encoders.backends.openvino_tower import openvino; openvino();"
        "import sys; print(sys.modules['openvino_telemetry'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
