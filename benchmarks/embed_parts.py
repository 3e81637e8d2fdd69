"""Do what every way of embedding pictures needs: load, decode, run a tower of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""(n, dim) float32 of length 1."""


def decoded_ahead(
    processor: Any, paths: Sequence[str], size: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the pixels of one batch of pictures after another, threads decoding the next."""
    batches = [paths[i : i + size] for i in range(0, len(paths), size)]
    with ThreadPoolExecutor() as pool:
        ahead = pool.map(lambda path: pixels_of(processor, [path]), batches[0])
        for following in [*batches[1:], ()]:
            pixels = np.concatenate(list(ahead))
            ahead = pool.map(lambda path: pixels_of(processor, [path]), following)
            yield pixels


def parts(model: Path, dtype: str) -> tuple[Any, Any, Any]:
    """Return the image processor, the tokenizer and the model in a number format."""
    import torch
    from transformers import AutoModel, AutoTokenizer, CLIPImageProcessorPil
    from transformers.utils import logging

    logging.disable_progress_bar()
    loaded = AutoModel.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
    return (
        CLIPImageProcessorPil.from_pretrained(model),
        AutoTokenizer.from_pretrained(model),
        loaded,
    )


def pixels_of(processor: Any, paths: Sequence[str]) -> npt.NDArray[np.float32]:
    """Decode pictures whole and prepare them as the model's own processor does."""
    from PIL import Image, ImageOps

    images = [ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in paths]
    pixels: npt.NDArray[np.float32] = processor(images=images, return_tensors="np")["pixel_values"]
    return pixels


def features(model: Any, pixels: npt.NDArray[np.float32]) -> Vectors:
    """Run the vision tower over (n, 3, height, width) pixels."""
    import torch

    with torch.inference_mode():
        found = model.get_image_features(pixel_values=torch.from_numpy(pixels).to(model.dtype))
        return _unit(found)


def text_vectors(tokenizer: Any, model: Any, texts: Sequence[str]) -> Vectors:
    """Run the text tower in batches of 64."""
    import torch

    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), 64):
            batch = list(texts[start : start + 64])
            tokens = tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
            found.append(_unit(model.get_text_features(**tokens)))
    return np.concatenate(found)


def _unit(output: Any) -> Vectors:
    import torch

    features = getattr(output, "pooler_output", output).float()
    vectors: Vectors = torch.nn.functional.normalize(features, dim=-1).numpy()
    return vectors
