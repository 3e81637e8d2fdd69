from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from crossmodal.errors import ModelUnavailable
from tests.drawn import draw_picture
from tests.tiny_model import (
    build_tiny_clip,
    build_tiny_dual_encoder,
    build_tiny_siglip,
)

BUILDERS = {
    "clip": build_tiny_clip,
    "siglip": build_tiny_siglip,
    "dual encoder": build_tiny_dual_encoder,
}
CUDA_FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
CPU_FULL = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
TEXTS = ["a red car", "two dogs on the grass"]


def pixels(encoder, count: int) -> np.ndarray:
    return np.stack([encoder.preprocess.apply(draw_picture(number)) for number in range(count)])


def fail_for(encoder, condition, error=CUDA_FULL) -> list[int]:
    """Make the vision tower run out of memory under a condition; return the sizes it was given."""
    sizes: list[int] = []

    def hook(_module, args, kwargs):
        values = kwargs.get("pixel_values", args[0] if args else None)
        sizes.append(len(values))
        if condition(values):
            raise error

    encoder._model.vision_model.register_forward_pre_hook(hook, with_kwargs=True)
    return sizes


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {name: build(root / name) for name, build in BUILDERS.items()}


@pytest.mark.parametrize("family", BUILDERS)
def test_vectors_are_those_of_the_models_own_pipeline(models, load, family) -> None:
    from transformers import (
        AutoModel,
        AutoTokenizer,
        CLIPImageProcessorPil,
        SiglipImageProcessorPil,
    )

    directory, encoder = models[family], load(models[family])
    model = AutoModel.from_pretrained(directory).eval()
    processor = SiglipImageProcessorPil if family == "siglip" else CLIPImageProcessorPil
    padding = "max_length" if family == "siglip" else True
    images = [draw_picture(number) for number in range(4)]
    inputs = processor.from_pretrained(directory)(images, return_tensors="pt")
    tokens = AutoTokenizer.from_pretrained(directory)(TEXTS, padding=padding, return_tensors="pt")
    if family == "siglip":
        tokens = {"input_ids": tokens["input_ids"]}
    with torch.inference_mode():
        expected = [
            torch.nn.functional.normalize(output.pooler_output, dim=-1).numpy()
            for output in (model.get_image_features(**inputs), model.get_text_features(**tokens))
        ]
    assert np.allclose(encoder.encode_images(pixels(encoder, 4)).vectors, expected[0], atol=0.01)
    assert np.allclose(encoder.encode_texts(TEXTS), expected[1], atol=1e-5)


@pytest.mark.parametrize("family", BUILDERS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vectors_have_length_one_and_the_promised_shape(models, load, family, dtype) -> None:
    encoder = load(models[family], dtype)
    images = encoder.encode_images(pixels(encoder, 5)).vectors
    texts = encoder.encode_texts(TEXTS)
    for vectors, count in ((images, 5), (texts, 2)):
        assert vectors.shape == (count, encoder.version.dim)
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_its_batch(encoder) -> None:
    batch = pixels(encoder, 7)
    together = encoder.encode_images(batch).vectors
    alone = np.concatenate([encoder.encode_images(batch[i : i + 1]).vectors for i in range(7)])
    assert np.allclose(together, alone, atol=1e-5)


def test_long_and_many_texts_are_embedded(encoder) -> None:
    texts = ["a very long story " * 200, *(f"number {n}" for n in range(150)), ""]
    vectors = encoder.encode_texts(texts)
    assert vectors.shape == (152, encoder.version.dim)
    assert np.allclose(vectors[1:2], encoder.encode_texts(["number 0"]), atol=1e-5)


@pytest.mark.parametrize("family", BUILDERS)
def test_measure_tells_which_texts_are_read_whole(models, load, family) -> None:
    encoder = load(models[family])
    limit = encoder.measure.max_tokens
    assert encoder.encode_passages(["a " * limit, "a " * (limit + 1), "a"]).cut == {1}


def test_queries_of_a_model_without_prompts_are_texts(encoder) -> None:
    assert np.allclose(encoder.encode_queries(TEXTS), encoder.encode_texts(TEXTS), atol=1e-6)
    assert encoder.modalities == {"image", "text"}


def test_nothing_in_gives_nothing_out(encoder) -> None:
    none = np.zeros((0, *encoder.image_size, 3), np.uint8)
    assert encoder.encode_images(none).vectors.shape == (0, encoder.version.dim)
    assert encoder.encode_texts([]).shape == (0, encoder.version.dim)


@pytest.mark.parametrize("error", [CUDA_FULL, CPU_FULL, MemoryError()])
def test_batch_is_halved_until_it_fits_into_memory(encoder, error) -> None:
    batch = pixels(encoder, 8)
    expected = encoder.encode_images(batch).vectors
    sizes = fail_for(encoder, lambda values: len(values) > 2, error)
    encoded = encoder.encode_images(batch)
    assert sizes == [8, 4, 2, 2, 4, 2, 2]
    assert encoded.failed == {}
    assert np.allclose(encoded.vectors, expected, atol=1e-5)


def test_item_that_never_fits_fails_alone(encoder) -> None:
    batch = pixels(encoder, 6)
    batch[4] = 255
    expected = encoder.encode_images(batch).vectors
    fail_for(encoder, lambda values: bool((values.flatten(1).min(dim=1).values > 1.5).any()))
    encoded = encoder.encode_images(batch)
    assert {row: failure.reason for row, failure in encoded.failed.items()} == {4: "out_of_memory"}
    others = [0, 1, 2, 3, 5]
    assert np.allclose(encoded.vectors[others], expected[others], atol=1e-5)


def test_other_errors_of_the_model_are_not_swallowed(encoder) -> None:
    def fail(*_):
        raise RuntimeError("shapes cannot be multiplied")

    encoder._model.vision_model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes"):
        encoder.encode_images(pixels(encoder, 2))


def test_vector_that_is_not_finite_is_a_failure(encoder) -> None:
    batch = pixels(encoder, 3)

    def spoil(_module, _args, output):
        output[1] = float("nan")
        return output

    encoder._model.visual_projection.register_forward_hook(spoil)
    encoded = encoder.encode_images(batch)
    assert {row: failure.reason for row, failure in encoded.failed.items()} == {1: "not_finite"}
    assert np.isfinite(encoded.vectors).all()


def test_incomplete_weights_are_refused(tiny_clip: Path, tmp_path: Path, load) -> None:
    model = Path(shutil.copytree(tiny_clip, tmp_path / "model"))
    tensors = load_file(model / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"lack 1 tensors .*visual_projection"):
        load(model)


def test_damaged_weights_are_refused(tiny_clip: Path, tmp_path: Path, load) -> None:
    model = Path(shutil.copytree(tiny_clip, tmp_path / "model"))
    (model / "model.safetensors").write_bytes(b"not a safetensors file")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load(model)


def test_threads_share_an_encoder(encoder) -> None:
    batch = pixels(encoder, 4)
    expected = encoder.encode_images(batch).vectors
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: encoder.encode_images(batch).vectors, range(12)))
    assert all(np.allclose(vectors, expected, atol=1e-6) for vectors in results)
