"""Clips get the vectors that their family's own class gives the same frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crossmodal.encoders.cache import load_encoder
from crossmodal.encoders.encoder import Encoder
from crossmodal.models import files as model_files
from crossmodal.models.clip_preprocess import ClipPatches, clip_form, frames_of, times_s
from crossmodal.models.options import ModelSpec
from crossmodal.models.patch_preprocess import shapes_of
from tests.tiny_model import (
    GEMMA_PREPROCESSING,
    QWEN_CLIPS,
    build_tiny_clip,
    build_tiny_gemma,
    build_tiny_qwen,
)

FPS = 5.0
SIZES = [(96, 64), (50, 90), (20, 150), (7, 5)]
BUILT: dict[str, Callable[[Path], Path]] = {"gemma": build_tiny_gemma, "qwen": build_tiny_qwen}


def described(folder: Path) -> Any:
    files = model_files.resolve(ModelSpec(str(folder)))
    return files, model_files.describe(files, "float32", model_files.weights_hash(files))


def preprocess_of(encoder: Encoder) -> ClipPatches:
    assert isinstance(encoder.preprocess, ClipPatches)
    return encoder.preprocess


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_encoder(*described(build_tiny_gemma(tmp_path_factory.mktemp("gemma") / "m")), "cpu")


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_encoder(*described(build_tiny_qwen(tmp_path_factory.mktemp("qwen") / "m")), "cpu")


@pytest.fixture(params=BUILT)
def either(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def frames(num: int, size: tuple[int, int] = (96, 64), seed: int = 0) -> list[Image.Image]:
    values = np.random.default_rng(seed).integers(0, 255, (num, 6, 7, 3), np.uint8)
    return [Image.fromarray(one).resize(size, Image.Resampling.BICUBIC) for one in values]


def times(num: int) -> list[float]:
    return [number / FPS for number in range(num)]


def resized(images: list[Image.Image], height: int, width: int) -> np.ndarray:
    """Return (frames, 3, height, width) values from 0 to 255."""
    smaller = [
        np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0))
        for image in images
    ]
    return np.stack(smaller).transpose(0, 3, 1, 2).astype(np.float32)


@pytest.mark.parametrize("num", [2, 3, 6])
@pytest.mark.parametrize("size", SIZES)
def test_clips_are_those_of_qwens_own_processor(qwen: Any, num: int, size: tuple[int, int]) -> None:
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import (
        Qwen3VLVideoProcessor,
        smart_resize,
    )

    images = frames(num, size)
    bounds = QWEN_CLIPS["size"]
    height, width = smart_resize(
        num + num % 2,
        *reversed(size),
        factor=8,
        min_pixels=bounds["shortest_edge"],
        max_pixels=bounds["longest_edge"],
    )
    scaled = torch.from_numpy(resized(images, height, width) / 127.5 - 1)
    patches, *grid = Qwen3VLVideoProcessor().patchify(scaled[None], 4, 2, 2)
    moments = Qwen3VLProcessor._calculate_timestamps(None, list(range(num)), FPS)
    config, tokens = qwen.model.config, qwen._special
    pads = tokens.name(config.video_token_id) * (grid[1] * grid[2] // 4)
    seen = "".join(f"<{at:.1f} seconds><|vision_start|>{pads}<|vision_end|>" for at in moments)
    talk = (
        "<|im_start|>system\nRepresent the user's input.<|im_end|>\n<|im_start|>user\n"
        f"{seen}<|im_end|>\n<|im_start|>assistant\n"
    )
    ids = torch.tensor([tokens.ids(talk, whole=False)])
    with torch.inference_mode():
        states = qwen.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values_videos=patches[0],
            video_grid_thw=torch.tensor([grid]),
            mm_token_type_ids=(ids == config.video_token_id).int() * 2,
        ).last_hidden_state
    expected = torch.nn.functional.normalize(states[0, -1], dim=0).numpy()
    rows = preprocess_of(qwen).clip(images, times(num))[None]
    assert [frames_of(rows)[0] // 2, *shapes_of(rows)[0]] == grid
    assert np.allclose(qwen.encode_images(rows).vectors[0], expected, atol=1e-5)


@pytest.mark.parametrize("num", [1, 4])
@pytest.mark.parametrize("size", SIZES[:3])
def test_clips_are_those_of_gemmas_own_processor(
    gemma: Any, num: int, size: tuple[int, int]
) -> None:
    from transformers.models.embedding_gemma2.processing_embedding_gemma2 import (
        get_aspect_ratio_preserving_size,
    )

    settings: Any = GEMMA_PREPROCESSING["video_processor"]
    most = settings["max_soft_tokens"] * 4
    images = frames(num, size)
    height, width = get_aspect_ratio_preserving_size(*reversed(size), 4, most, 2)
    down, across = height // 4, width // 4
    values = resized(images, height, width) / 255
    patches = np.zeros((num, most, 48), np.float32)
    patches[:, : down * across] = (
        values.reshape(num, 3, down, 4, across, 4)
        .transpose(0, 2, 4, 3, 5, 1)
        .reshape(num, down * across, 48)
    )
    places = np.full((num, most, 2), -1)
    places[:, : down * across] = [(x, y) for y in range(down) for x in range(across)]
    config = gemma.model.config
    frame = [
        config.boi_token_id,
        *[config.video_token_id] * (down * across // 4),
        config.eoi_token_id,
    ]
    ids = torch.tensor([[2, *frame * num, 3]])  # [CLS] and [SEP] of the tiny tokenizer
    with torch.inference_mode():
        states = gemma.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values_videos=torch.from_numpy(patches),
            video_position_ids=torch.from_numpy(places),
            num_frames_per_video=torch.tensor([num]),
        ).last_hidden_state
    expected = torch.nn.functional.normalize(states[0].mean(dim=0), dim=0).numpy()
    rows = preprocess_of(gemma).clip(images, times(num))[None]
    assert np.allclose(gemma.encode_images(rows).vectors[0], expected, atol=1e-5)


def test_pictures_and_clips_of_one_batch_have_the_vectors_that_they_have_alone(either: Any) -> None:
    preprocess = preprocess_of(either)
    rows = np.stack(
        [
            preprocess.clip(frames(4), times(4)),
            preprocess.apply(frames(1)[0]),
            preprocess.clip(frames(2, (40, 90), seed=3), times(2)),
            *[preprocess.apply(image) for image in frames(9, (30, 50), seed=2)],
        ]
    )
    together = either.encode_images(rows)
    singly = np.concatenate([either.encode_images(row[None]).vectors for row in rows])
    assert not together.failed
    assert np.allclose(together.vectors, singly, atol=1e-5)
    assert float(singly[0] @ singly[1]) < 0.999


def test_order_of_the_frames_is_seen(either: Any) -> None:
    preprocess, images = preprocess_of(either), frames(4)
    rows = np.stack([preprocess.clip(seen, times(4)) for seen in (images, images[::-1])])
    forwards, backwards = either.encode_images(rows).vectors
    assert float(forwards @ backwards) < 0.99999


def test_clip_travels_as_large_as_a_picture(either: Any) -> None:
    preprocess = preprocess_of(either)
    form = clip_form(preprocess)
    assert form is not None
    assert form.num_frames == {"GemmaEncoder": 4, "QwenEncoder": 8}[type(either).__name__]
    for size in [*SIZES, (2000, 3)]:
        row = preprocess.clip(frames(form.num_frames, size), times(form.num_frames))
        assert row.shape == preprocess.apply(frames(1)[0]).shape
        assert times_s(row) == times(form.num_frames)
        assert frames_of(row[None])[0] * shapes_of(row[None])[0].prod() < len(row)


@pytest.mark.parametrize(
    "other",
    [{"image_mean": [0.4, 0.5, 0.6]}, {"patch_size": 8}, {"add_timestamps": True}, {"size": 12}],
)
def test_model_that_prepares_clips_unlike_pictures_takes_only_pictures(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    folder = build_tiny_qwen(tmp_path / "model")
    (folder / "video_preprocessor_config.json").write_text(json.dumps(QWEN_CLIPS | other))
    image = model_files.preprocessing(described(folder)[0]).image
    assert image is not None
    assert clip_form(image) is None


def test_folder_that_says_nothing_of_clips_is_as_its_class_has_it(tmp_path: Path) -> None:
    folder = build_tiny_qwen(tmp_path / "model")
    before = described(folder)[1].fingerprint
    (folder / "video_preprocessor_config.json").unlink()
    files, version = described(folder)
    form = clip_form(model_files.preprocessing(files).image)
    assert form is not None
    assert form.num_frames == 8
    assert version.fingerprint != before, "its clips are of other sizes"


def test_model_of_single_pictures_takes_no_clips(tmp_path: Path) -> None:
    files, _ = described(build_tiny_clip(tmp_path / "model"))
    assert clip_form(model_files.preprocessing(files).image) is None
