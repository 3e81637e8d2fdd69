from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossmodal.errors import ModelUnsupported
from crossmodal.models.image_preprocess import ImagePreprocess

CLIP = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 48},
    "crop_size": {"height": 48, "width": 48},
    "do_center_crop": True,
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "image_mean": [0.48, 0.46, 0.41],
    "image_std": [0.27, 0.26, 0.28],
    "resample": 3,
    "rescale_factor": 1 / 255,
}
SIGLIP = {
    "image_processor_type": "SiglipImageProcessor",
    "size": {"height": 48, "width": 48},
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
}
# What the hub's oldest CLIP says: sizes as numbers, rescaling left out.
LEGACY_CLIP = {
    "feature_extractor_type": "CLIPFeatureExtractor",
    "size": 224,
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
}


def picture(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width * height).integers(0, 255, (6, 7, 3), np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def normalised(preprocess: ImagePreprocess, image: Image.Image) -> np.ndarray:
    pixels = preprocess.apply(image).astype(np.float32)
    return (pixels * preprocess.rescale - preprocess.mean) / preprocess.std


@pytest.mark.parametrize("size", [(48, 48), (60, 200), (201, 97), (30, 20), (640, 427), (5, 300)])
@pytest.mark.parametrize("config", [CLIP, SIGLIP, LEGACY_CLIP], ids=["clip", "siglip", "legacy"])
def test_pixels_are_those_of_the_models_own_processor(config, size) -> None:
    from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil

    siglip = "Siglip" in config.get("image_processor_type", "")
    settings = {key: value for key, value in config.items() if not key.endswith("_type")}
    processor = (SiglipImageProcessorPil if siglip else CLIPImageProcessorPil)(**settings)
    image = picture(*size)
    theirs = processor(image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    one_level = 1.01 / 255 / min(config["image_std"])
    preprocess = ImagePreprocess.from_config(config)
    ours = normalised(preprocess, image)
    assert ours.shape == theirs.shape
    # What is six times as large as its target is averaged down first.
    tolerance = 2 if siglip and max(size) >= 6 * preprocess.height else 1
    assert np.abs(ours - theirs).max() <= tolerance * one_level


@pytest.mark.parametrize("size", [(2400, 1600), (1600, 9000)])
def test_pixels_of_a_large_picture_are_those_of_a_resize_in_one_step(size) -> None:
    preprocess = ImagePreprocess.from_config(LEGACY_CLIP)
    noise = np.random.default_rng(5).integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    side, spare = min(size), abs(size[0] - size[1]) / 2
    box = (spare, 0, spare + side, side) if size[0] > size[1] else (0, spare, side, spare + side)
    in_one_step = image.resize((224, 224), Image.Resampling.BICUBIC, box=box)
    apart = np.abs(preprocess.apply(image).astype(int) - np.asarray(in_one_step))
    assert apart.mean() < 1
    assert apart.max() <= 8


def test_settings_saved_by_transformers_are_understood(tmp_path) -> None:
    from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil, ViTImageProcessorPil

    for processor in (CLIPImageProcessorPil(), SiglipImageProcessorPil(), ViTImageProcessorPil()):
        processor.save_pretrained(tmp_path)
        saved = json.loads((tmp_path / "preprocessor_config.json").read_text())
        preprocess = ImagePreprocess.from_config(saved)
        assert (preprocess.height, preprocess.width) == (224, 224)
        assert preprocess.resample == int(processor.resample)


@pytest.mark.parametrize("size", [(1, 12_000), (12_000, 8), (1, 1)])
def test_extreme_shapes_cost_no_memory(size) -> None:
    preprocess = ImagePreprocess.from_config(LEGACY_CLIP)
    image = Image.new("RGB", size, (10, 20, 30))
    tracemalloc.start()
    pixels = preprocess.apply(image)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pixels.shape == (224, 224, 3)
    assert (pixels == (10, 20, 30)).all()
    assert peak_bytes < 2_000_000


def test_rescaling_and_normalising_can_be_switched_off() -> None:
    config = {**SIGLIP, "do_rescale": False, "do_normalize": False}
    preprocess = ImagePreprocess.from_config(config)
    assert (preprocess.rescale, preprocess.mean, preprocess.std) == (1.0, (0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apply_ocr": True}, "apply_ocr"),
        ({"patch_size": 16, "max_num_patches": 256}, "patch_size, max_num_patches"),
        ({"size": {"longest_edge": 224}}, "longest_edge"),
        ({"size": {"shortest_edge": 224, "longest_edge": 300}}, "longest_edge"),
        ({"do_resize": False}, "how to resize"),
        ({"do_center_crop": False}, "not cropped to one shape"),
        ({"crop_size": 64}, "larger than the resized image"),
        ({"image_processor_type": "OtherImageProcessor", "image_mean": None}, "image_mean"),
        ({"image_processor_type": "OtherImageProcessor", "size": 48}, "48"),
    ],
)
def test_unknown_preprocessing_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelUnsupported, match=message):
        ImagePreprocess.from_config({**CLIP, **change})


def test_fingerprint_follows_what_decides_the_pixels_and_nothing_else() -> None:
    fingerprint = ImagePreprocess.from_config(CLIP).fingerprint
    assert len(fingerprint) == 64
    same = {**CLIP, "do_convert_rgb": True, "use_fast": True, "crop_size": 48}
    assert ImagePreprocess.from_config(same).fingerprint == fingerprint
    changes = [{"resample": 2}, {"image_mean": [0.5, 0.5, 0.5]}, {"size": {"shortest_edge": 49}}]
    others = {ImagePreprocess.from_config({**CLIP, **c}).fingerprint for c in changes}
    assert len(others | {fingerprint}) == 4
