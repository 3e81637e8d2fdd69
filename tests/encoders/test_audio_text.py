"""No weights of a real CLAP can be had offline, so what is tested here is the plumbing.

Vectors are compared with those of transformers' own extractor and model, with random weights.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossmodal.encoders.audio_text import AudioEncoder
from crossmodal.encoders.cache import load_version
from crossmodal.encoders.mel import LogMel
from crossmodal.errors import ModelMismatch, ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.audio_preprocess import AudioPreprocess
from crossmodal.models.options import ModelSpec
from tests.tiny_model import build_tiny_clap

RATE_HZ = 8000
TEXTS = ["a dog barks", "rain"]
REAL = AudioPreprocess(
    sample_rate_hz=48_000,
    num_samples=480_000,
    fft_size=1024,
    hop=480,
    num_mels=64,
    min_hz=50,
    max_hz=14_000,
    fused=False,
    padding="repeatpad",
)


def noise(num_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


def tone(hz: float, num_samples: int = RATE_HZ) -> np.ndarray:
    return np.sin(np.arange(num_samples) * 2 * np.pi * hz / RATE_HZ).astype(np.float32)


WINDOWS = [noise(RATE_HZ), tone(440), tone(1200, 3000), np.zeros(RATE_HZ, np.float32)]


def load(directory: Path, dtype: str = "float32") -> AudioEncoder:
    files = model_files.resolve(ModelSpec(str(directory)))
    version = model_files.describe(files, dtype, model_files.weights_hash(files))
    return AudioEncoder.load(files, version, "cpu")


@pytest.fixture(scope="module")
def directories(tmp_path_factory) -> dict[bool, Path]:
    root = tmp_path_factory.mktemp("models")
    return {fused: build_tiny_clap(root / f"fused-{fused}", fused=fused) for fused in (True, False)}


@pytest.fixture
def encoder(directories) -> AudioEncoder:
    """Return a freshly loaded tiny CLAP, free to be tampered with."""
    return load(directories[False])


@pytest.fixture
def model(directories, tmp_path: Path) -> Path:
    """Return a copy of the tiny CLAP, free to be tampered with."""
    return Path(shutil.copytree(directories[False], tmp_path / "model"))


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("fused", [True, False])
def test_vectors_are_those_of_the_models_own_pipeline(directories, fused) -> None:
    from transformers import AutoModel, AutoTokenizer, ClapFeatureExtractor

    directory = directories[fused]
    model = AutoModel.from_pretrained(directory).eval()
    extractor = ClapFeatureExtractor.from_pretrained(directory)
    inputs = extractor(WINDOWS, sampling_rate=RATE_HZ, return_tensors="pt")
    tokens = AutoTokenizer.from_pretrained(directory)(TEXTS, padding=True, return_tensors="pt")
    inputs["is_longer"] = torch.zeros(len(WINDOWS), 1, dtype=torch.bool)
    inputs["input_features"] = inputs["input_features"].float()
    tokens.pop("token_type_ids")
    with torch.inference_mode():
        audio = model.get_audio_features(**inputs).pooler_output.numpy()
        text = model.get_text_features(**tokens).pooler_output.numpy()
    encoder = load(directory)
    assert ((encoder.encode_audio(WINDOWS).vectors * audio).sum(axis=1) > 0.9999).all()
    assert np.allclose(encoder.encode_texts(TEXTS), text, atol=1e-5)


@pytest.mark.parametrize("fused", [True, False])
def test_spectrogram_of_real_size_equals_the_extractors(fused: bool) -> None:
    from transformers import ClapFeatureExtractor

    truncation = "fusion" if fused else "rand_trunc"
    extractor = ClapFeatureExtractor(truncation=truncation, frequency_min=50)
    window = noise(480_000)
    expected = extractor([window], sampling_rate=48_000, return_tensors="np")["input_features"]
    mel = LogMel(replace(REAL, fused=fused), "cpu")(torch.from_numpy(window[None]))
    assert mel.shape == (1, 1001, 64)
    assert np.allclose(mel[0].numpy(), expected[0, 0], atol=0.01)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vectors_have_length_one_and_the_promised_shape(directories, fused, dtype) -> None:
    encoder = load(directories[fused], dtype)
    audio, texts = encoder.encode_audio(WINDOWS), encoder.encode_texts(TEXTS)
    assert audio.failed == {}
    for vectors, count in ((audio.vectors, len(WINDOWS)), (texts, len(TEXTS))):
        assert (vectors.shape, vectors.dtype) == ((count, encoder.version.dim), np.float32)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.encode_audio([]).vectors.shape == (0, encoder.version.dim)


@pytest.mark.parametrize("fused", [True, False])
def test_same_sound_gets_the_same_vector_whatever_its_batch(directories, fused) -> None:
    encoder = load(directories[fused])
    windows = [noise(1000 * (1 + number % 20), number) for number in range(40)]
    together = encoder.encode_audio(windows).vectors
    alone = np.concatenate([encoder.encode_audio([window]).vectors for window in windows])
    assert np.allclose(together, alone, atol=1e-4)


def test_short_window_is_repeated_as_the_model_was_trained(encoder) -> None:
    short = noise(3000)
    filled = np.concatenate([short, short, np.zeros(2000, np.float32)])
    vectors = encoder.encode_audio([short, filled]).vectors
    assert np.allclose(vectors[0], vectors[1], atol=1e-6)


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("pad", [1, 2, 3, 0, 0, 0, 0]),
        ("repeat", [1, 2, 3, 1, 2, 3, 1]),
        ("repeatpad", [1, 2, 3, 1, 2, 3, 0]),
    ],
)
def test_window_is_filled_as_the_configuration_says(model: Path, padding, expected) -> None:
    edit_json(model / "preprocessor_config.json", padding=padding, fft_window_size=4)
    edit_json(model / "preprocessor_config.json", max_length_s=7 / RATE_HZ)
    audio = model_files.preprocessing(model_files.resolve(ModelSpec(str(model)))).audio
    assert audio is not None
    assert audio.fit(np.array([1, 2, 3], np.float32))[0].tolist() == expected


def test_nothing_of_a_long_window_is_lost(encoder) -> None:
    window = np.concatenate([noise(RATE_HZ), tone(440)])
    halves = encoder.encode_audio([noise(RATE_HZ), tone(440)]).vectors
    mean = halves.mean(axis=0)
    expected = mean / np.linalg.norm(mean)
    assert np.allclose(encoder.encode_audio([window]).vectors[0], expected, atol=1e-5)


def test_window_without_samples_fails_alone(encoder) -> None:
    expected = encoder.encode_audio([tone(440), tone(880)]).vectors
    encoded = encoder.encode_audio([tone(440), np.zeros(0, np.float32), tone(880)])
    assert {row: failure.reason for row, failure in encoded.failed.items()} == {1: "no_content"}
    assert np.allclose(encoded.vectors[[0, 2]], expected, atol=1e-5)


def test_window_with_numbers_that_are_none_fails_alone(encoder) -> None:
    broken = noise(3 * RATE_HZ)
    broken[100] = np.nan
    encoded = encoder.encode_audio([tone(440), broken])
    assert {row: failure.reason for row, failure in encoded.failed.items()} == {1: "not_finite"}
    assert np.isfinite(encoded.vectors).all()
    assert not encoded.vectors[1].any()


def test_window_of_two_channels_is_a_bug_of_the_caller(encoder) -> None:
    with pytest.raises(ValueError, match=r"one channel; .*\(2, 8000\)"):
        encoder.encode_audio([np.zeros((2, RATE_HZ), np.float32)])


def test_batch_is_halved_until_it_fits_into_memory(encoder) -> None:
    windows = [noise(RATE_HZ, seed) for seed in range(8)]
    expected = encoder.encode_audio(windows).vectors
    sizes: list[int] = []

    def hook(_module, _args, kwargs):
        sizes.append(len(kwargs["input_features"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    encoder._model.audio_model.register_forward_pre_hook(hook, with_kwargs=True)
    assert np.allclose(encoder.encode_audio(windows).vectors, expected, atol=1e-4)
    assert sizes == [8, 4, 2, 2, 4, 2, 2]


def test_rate_and_window_are_known_without_the_weights(directories) -> None:
    files = model_files.resolve(ModelSpec(str(directories[False])))
    audio = model_files.preprocessing(files).audio
    assert audio is not None
    assert (audio.sample_rate_hz, audio.window_s) == (RATE_HZ, 1.0)


def test_version_that_a_collection_names_is_loaded_as_an_audio_encoder(directories) -> None:
    files = model_files.resolve(ModelSpec(str(directories[False])))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    loaded = load_version(version, "cpu")
    assert isinstance(loaded, AudioEncoder)
    assert loaded.modalities == {"audio", "text"}
    with pytest.raises(ModelMismatch, match="embeds audio and text, not image"):
        _ = loaded.preprocess


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature_extractor_type": "WhisperFeatureExtractor"}, "not an audio model"),
        ({"sampling_rate": 0}, "out of range"),
        ({"sampling_rate": "fast"}, "cannot be prepared"),
        ({"max_length_s": 10**9}, "out of range"),
        ({"fft_window_size": 10**6}, "out of range"),
        ({"frequency_min": 5000}, "out of range"),
        ({"padding": "mirror"}, "known are repeatpad"),
        ({"truncation": "fusion"}, "contradicts itself"),
    ],
)
def test_sound_that_cannot_be_prepared_is_refused(model: Path, changes, message) -> None:
    edit_json(model / "preprocessor_config.json", **changes)
    with pytest.raises(ModelUnsupported, match=message):
        load(model)


def test_extractor_saved_inside_the_processor_counts_first(model: Path) -> None:
    config = json.loads((model / "preprocessor_config.json").read_text())
    combined = {"feature_extractor": {**config, "padding": "pad"}}
    (model / "processor_config.json").write_text(json.dumps(combined))
    (model / "preprocessor_config.json").unlink()
    audio = model_files.preprocessing(model_files.resolve(ModelSpec(str(model)))).audio
    assert audio is not None
    assert audio.padding == "pad"
