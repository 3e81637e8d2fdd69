"""Models of several modalities give the vectors that transformers' own parts give."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crossmodal.encoders.cache import load_encoder
from crossmodal.encoders.gemma import GemmaEncoder
from crossmodal.encoders.qwen import QwenEncoder
from crossmodal.encoders.waveform_text import WaveformEncoder
from crossmodal.errors import ModelMismatch, ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.clip_preprocess import MergedPatches, PooledPatches
from crossmodal.models.options import ModelSpec
from crossmodal.models.patch_preprocess import shapes_of
from crossmodal.records import Lineup
from tests.tiny_model import (
    GEMMA_PREPROCESSING,
    QWEN_PREPROCESSING,
    build_tiny_gemma,
    build_tiny_pe_audio,
    build_tiny_qwen,
)

SHAPES = [(40, 40), (90, 30), (7, 200), (300, 2)]


def loaded(folder: Path) -> Any:
    files = model_files.resolve(ModelSpec(str(folder)))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    return load_encoder(files, version, "cpu")


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> GemmaEncoder:
    found = loaded(build_tiny_gemma(tmp_path_factory.mktemp("gemma") / "model"))
    assert isinstance(found, GemmaEncoder)
    return found


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> QwenEncoder:
    found = loaded(build_tiny_qwen(tmp_path_factory.mktemp("qwen") / "model"))
    assert isinstance(found, QwenEncoder)
    return found


@pytest.fixture(scope="module")
def pe_audio(tmp_path_factory: pytest.TempPathFactory) -> WaveformEncoder:
    found = loaded(build_tiny_pe_audio(tmp_path_factory.mktemp("pe") / "model"))
    assert isinstance(found, WaveformEncoder)
    return found


def picture(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width * height).integers(0, 255, (6, 7, 3), np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def noise(num_samples: int) -> np.ndarray:
    return np.random.default_rng(num_samples).uniform(-1, 1, num_samples).astype(np.float32)


def pooled(model: Any, ids: list[int], **inputs: Any) -> np.ndarray:
    """Return the unit vector that a model gives a sequence: the mean of its states."""
    with torch.inference_mode():
        states = model(input_ids=torch.tensor([ids]), **inputs).last_hidden_state[0]
    return torch.nn.functional.normalize(states.mean(dim=0), dim=0).numpy()


def framed(begin: int, token: int, count: int, end: int) -> list[int]:
    return [2, begin, *[token] * count, end, 3]  # [CLS] and [SEP] of the tiny tokenizer


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_pictures_are_those_of_gemmas_own_processor(
    gemma: GemmaEncoder, width: int, height: int
) -> None:
    from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

    image = picture(width, height)
    settings = dict(GEMMA_PREPROCESSING["image_processor"])
    settings.pop("image_processor_type")
    theirs = Gemma4ImageProcessorPil(**settings)(images=[image], return_tensors="pt")
    rows = gemma.preprocess.apply(image)[None]
    down, across = shapes_of(rows)[0].tolist()
    num_tokens = int(theirs["num_soft_tokens_per_image"][0])
    assert down * across == 4 * num_tokens
    expected_pixels = theirs["pixel_values"][0, : down * across].numpy()
    found_pixels = rows[0, 1 : 1 + down * across].reshape(down * across, -1) / 255
    assert np.allclose(found_pixels, expected_pixels, atol=1 / 255 + 1e-6)
    config = gemma.model.config
    ids = framed(config.boi_token_id, config.image_token_id, num_tokens, config.eoi_token_id)
    expected = pooled(
        gemma.model,
        ids,
        pixel_values=theirs["pixel_values"],
        image_position_ids=theirs["image_position_ids"],
    )
    found = gemma.encode_images(rows).vectors[0]
    assert float(found @ expected) > 0.9999


def test_sound_is_that_of_gemmas_own_extractor(gemma: GemmaEncoder) -> None:
    from transformers import Gemma4AudioFeatureExtractor

    sound = noise(9000)
    extractor = Gemma4AudioFeatureExtractor(feature_size=32)
    heard = extractor([sound], sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        output = gemma.model.get_audio_features(**heard)
    config = gemma.model.config
    num_tokens = int(output.attention_mask.sum())
    ids = framed(config.boa_token_id, config.audio_token_id, num_tokens, config.eoa_token_index)
    expected = pooled(gemma.model, ids, **heard)
    assert np.allclose(gemma.encode_audio([sound]).vectors[0], expected, atol=1e-5)


def test_one_version_serves_pictures_texts_and_sound(gemma: GemmaEncoder) -> None:
    assert gemma.version.encoders == {"image": "gemma", "text": "gemma", "audio": "gemma"}
    assert set(Lineup.of(gemma.version).serving) == {"image", "text", "audio"}


def test_gemmas_texts_alone_are_a_text_model(gemma: GemmaEncoder, tmp_path: Path) -> None:
    folder = shutil.copytree(gemma.version.name, tmp_path / "text")
    gemma.model.language_model.save_pretrained(folder)
    alone = loaded(folder)
    assert alone.modalities == {"text"}
    texts = ["a boat", "a much longer text of many words"]
    assert np.allclose(alone.encode_texts(texts), gemma.encode_texts(texts), atol=1e-5)


def test_tower_that_a_model_lacks_is_not_served(tmp_path: Path) -> None:
    deaf = loaded(build_tiny_gemma(tmp_path / "model", hears=False))
    assert deaf.modalities == {"image", "text"}
    with pytest.raises(ModelMismatch, match="embeds image and text, not audio"):
        deaf.encode_audio([noise(100)])


def test_window_longer_than_thirty_seconds_is_heard_in_parts(gemma: GemmaEncoder) -> None:
    parts = gemma.audio.fit(noise(31 * 16_000))
    assert [len(part) for part in parts] == [248_000, 248_000]
    found = gemma.encode_audio([np.concatenate(parts)]).vectors[0]
    summed = gemma.encode_audio(parts).vectors.sum(axis=0)
    assert np.allclose(found, summed / np.linalg.norm(summed), atol=1e-5)


def test_dither_is_refused_because_it_is_chance(tmp_path: Path) -> None:
    folder = build_tiny_gemma(tmp_path / "model")
    changed = json.loads(json.dumps(GEMMA_PREPROCESSING))
    changed["feature_extractor"]["dither"] = 1e-4
    (folder / "processor_config.json").write_text(json.dumps(changed))
    with pytest.raises(ModelUnsupported, match="dither"):
        loaded(folder)


def test_elongated_picture_is_cut_to_what_the_model_takes(gemma: GemmaEncoder) -> None:
    preprocess = gemma.preprocess
    assert isinstance(preprocess, PooledPatches)
    down, across = preprocess.grid(1, 5000)
    assert (down, across) == (2, 140)


def test_sound_and_texts_are_those_of_pe_audios_own_pipeline(pe_audio: WaveformEncoder) -> None:
    from transformers import PeAudioFeatureExtractor

    sound = noise(3011)
    extractor = PeAudioFeatureExtractor(sampling_rate=8000, hop_length=20)
    heard = extractor([sound, sound], sampling_rate=8000, return_tensors="pt")
    tokens = pe_audio._texts.tokens(["a boat", "a much longer text"])
    with torch.inference_mode():
        output = pe_audio.model(
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
            input_values=heard["input_values"],
            padding_mask=heard["padding_mask"],
        )
    texts = torch.nn.functional.normalize(output.text_audio_embeds, dim=1).numpy()
    expected = torch.nn.functional.normalize(output.audio_embeds, dim=1).numpy()
    found = pe_audio.encode_queries(["a boat", "a much longer text"])
    assert np.allclose(found, texts, atol=1e-5)
    assert np.allclose(pe_audio.encode_audio([sound]).vectors[0], expected[0], atol=1e-5)


@pytest.mark.parametrize(("width", "height"), [(40, 40), (90, 30), (7, 200), (300, 20)])
def test_pictures_and_texts_are_those_of_qwens_own_processor(
    qwen: QwenEncoder, width: int, height: int
) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    settings = {k: v for k, v in QWEN_PREPROCESSING.items() if k != "image_processor_type"}
    image = picture(width, height)
    theirs = Qwen2VLImageProcessorPil(**settings)(images=[image], return_tensors="pt")
    rows = qwen.preprocess.apply(image)[None]
    assert shapes_of(rows)[0].tolist() == theirs["image_grid_thw"][0, 1:].tolist()
    ours = qwen._patches(rows, shapes_of(rows), 2)
    assert torch.allclose(ours, theirs["pixel_values"], atol=2 / 255 + 1e-5)
    config, tokens = qwen.model.config, qwen._special
    pads = tokens.name(config.image_token_id) * int(theirs["image_grid_thw"].prod() // 4)
    talk = (
        "<|im_start|>system\nRepresent the user's input.<|im_end|>\n<|im_start|>user\n"
        f"<|vision_start|>{pads}<|vision_end|><|im_end|>\n<|im_start|>assistant\n"
    )
    ids = torch.tensor([tokens.ids(talk, whole=False)])
    with torch.inference_mode():
        states = qwen.model(
            input_ids=ids,
            **theirs,
            mm_token_type_ids=(ids == config.image_token_id).int(),
        ).last_hidden_state
    expected = torch.nn.functional.normalize(states[0, -1], dim=0).numpy()
    assert float(qwen.encode_images(rows).vectors[0] @ expected) > 0.999


def test_queries_are_instructed_unlike_passages(qwen: QwenEncoder) -> None:
    asked, told = qwen.encode_queries(["a boat"])[0], qwen.encode_texts(["a boat"])[0]
    assert float(asked @ told) < 0.999


def test_words_that_look_like_special_tokens_are_words(qwen: QwenEncoder) -> None:
    broken = qwen.encode_texts(["a <|im_end|> boat", "a boat"])
    assert float(broken[0] @ broken[1]) < 0.999
    assert qwen.measure.count("<|im_end|>") > 1


def test_picture_of_a_very_odd_shape_stays_within_bounds(qwen: QwenEncoder) -> None:
    preprocess = qwen.preprocess
    assert isinstance(preprocess, MergedPatches)
    for shape in [(1, 100_000), (100_000, 1), (1, 1), (5000, 4000)]:
        down, across = preprocess.grid(*shape)
        assert 1 <= down * across <= preprocess.max_patches
