"""Pictures of any shape become patches as the processor of transformers makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crossmodal.encoders.cache import load_encoder
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.models.options import ModelSpec
from crossmodal.models.patch_preprocess import PatchPreprocess, shapes_of
from tests.tiny_model import SIGLIP2_PREPROCESSING, build_tiny_siglip2

PREPROCESS = PatchPreprocess.from_config(SIGLIP2_PREPROCESSING)
SHAPES = [(40, 40), (64, 17), (9, 70), (3, 60), (60, 1), (33, 31)]


def picture(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width * height).integers(0, 255, (6, 7, 3), np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def processed(pictures: list[Image.Image]) -> Any:
    """Return what the processor of transformers that needs no torchvision makes of pictures."""
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    settings = {k: v for k, v in SIGLIP2_PREPROCESSING.items() if k != "image_processor_type"}
    return Siglip2ImageProcessorPil(**settings)(images=pictures, return_tensors="pt")


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_patches_are_those_of_the_models_own_processor(width: int, height: int) -> None:
    image = picture(width, height)
    theirs = processed([image])
    rows = PREPROCESS.apply(image)
    assert rows.shape == (PREPROCESS.height, PREPROCESS.width, 3)
    assert shapes_of(rows[None]).tolist() == theirs["spatial_shapes"].tolist()
    num_patches = int(theirs["pixel_attention_mask"].sum())
    ours = (rows[1 : 1 + num_patches] * PREPROCESS.rescale - PREPROCESS.mean) / PREPROCESS.std
    expected = theirs["pixel_values"][0, :num_patches].numpy()
    assert np.allclose(ours.reshape(num_patches, -1), expected, atol=1e-5)
    assert not rows[1 + num_patches :].any()


def test_vectors_are_those_of_the_models_own_pipeline(tmp_path: Any) -> None:
    files = model_files.resolve(ModelSpec(str(build_tiny_siglip2(tmp_path / "model"))))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    encoder = load_encoder(files, version, "cpu")
    assert isinstance(encoder, TransformersEncoder)
    pictures = [picture(*shape) for shape in SHAPES]
    with torch.inference_mode():
        theirs = encoder.model.get_image_features(**processed(pictures)).pooler_output
    expected = torch.nn.functional.normalize(theirs, dim=1).numpy()
    pixels = np.stack([encoder.preprocess.apply(each) for each in pictures])
    assert np.allclose(encoder.encode_images(pixels).vectors, expected, atol=1e-5)


def test_noise_is_a_square_that_a_model_can_read() -> None:
    noise = PREPROCESS.noise(3)
    assert shapes_of(noise).tolist() == [[4, 4]] * 3
    assert noise.shape == (3, 17, 64, 3)


@pytest.mark.parametrize(
    "changes",
    [{"patch_size": 0}, {"max_num_patches": 10**6}, {"do_resize": False}, {"do_spin": True}],
)
def test_patches_that_cannot_be_cut_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelUnsupported):
        PatchPreprocess.from_config({**SIGLIP2_PREPROCESSING, **changes})


def test_other_settings_are_other_fingerprints() -> None:
    changes = [{"patch_size": 16}, {"max_num_patches": 20}, {"resample": 3}]
    others = {
        PatchPreprocess.from_config({**SIGLIP2_PREPROCESSING, **change}).fingerprint
        for change in changes
    }
    assert len(others | {PREPROCESS.fingerprint}) == 4


def test_pictures_of_tipsv2_are_within_a_grey_level_of_the_tensors_that_it_was_written_for() -> (
    None
):
    """Its own processor resizes tensors by torchvision, which is torch's antialiased resize."""
    preprocess = ImagePreprocess.from_config(
        {"image_processor_type": "Tipsv2ImageProcessor", "size": {"height": 48, "width": 48}}
    )
    image = picture(90, 61)
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    expected = torch.nn.functional.interpolate(tensor, (48, 48), mode="bilinear", antialias=True)
    ours = preprocess.apply(image).astype(int)
    assert np.abs(ours - expected[0].permute(1, 2, 0).numpy()).max() <= 1
    assert (preprocess.mean, preprocess.std) == ((0, 0, 0), (1, 1, 1))
