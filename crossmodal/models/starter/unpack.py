"""Turn the shipped files of the built-in model into ordinary model folders.

Owns the format of ``vision.npz`` and ``text.npz``: plain zip files of ``.npy`` members that numpy
reads. A matrix ``k`` lies as ``k.q`` (int8, ``[in, out]``, its columns sorted by spread: the zip's
Huffman coder then sees like beside like), ``k.o`` (that order) and ``k.s`` (float16 step of each
input column); ``k.r`` and ``k.t`` are int8 with a float16 step for each row. The text tower of the
image-text model is the sentence encoder plus ``k.a`` transposed times ``k.b``. Refuses to know
where folders lie, and to import torch.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float32]]

IMAGE_TEXT = "image-text"
SENTENCE = "sentence"
_STEPS = (".s", ".t", ".o")


def tensors(path: Path) -> Tensors:
    """Return all that one shipped file holds, as float32; a delta as the pair ``k.a``, ``k.b``.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such file.
    """
    with np.load(path, allow_pickle=False) as stored:
        return dict(_restored(stored))


def _restored(stored: Any) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for name in stored.files:
        key = name[:-2]
        if name.endswith(".q"):
            yield key, _by_column(stored[name], stored[f"{key}.o"], stored[f"{key}.s"])
        elif name.endswith(".r"):
            yield key, _by_row(stored[name], stored[f"{key}.t"])
        elif not name.endswith(_STEPS):
            yield name, stored[name].astype(np.float32)


def _by_column(
    integers: NDArray[np.int8], order: NDArray[np.uint16], steps: NDArray[np.float16]
) -> NDArray[np.float32]:
    # Put in order and transposed while they are bytes: four times less to move.
    whole = np.ascontiguousarray(integers[np.argsort(order)].T)
    return whole.astype(np.float32) * steps.astype(np.float32)


def _by_row(integers: NDArray[np.int8], steps: NDArray[np.float16]) -> NDArray[np.float32]:
    wide = steps.astype(np.float32).reshape(-1, *[1] * (integers.ndim - 1))
    return integers.astype(np.float32) * wide


def models(shipped: Path) -> dict[str, Tensors]:
    """Return the weights of the image-text model and of the sentence encoder."""
    text = tensors(shipped / "text.npz")
    sentence = {
        key.removeprefix("sent."): value for key, value in text.items() if key.startswith("sent.")
    }
    image_text = tensors(shipped / "vision.npz")
    for key, value in sentence.items():
        image_text[f"text_model.{key}"] = _of_text_tower(key, value, text)
    for key in ("text_projection.weight", "logit_scale"):
        image_text[key] = text[key]
    return {IMAGE_TEXT: image_text, SENTENCE: sentence}


def _of_text_tower(key: str, base: NDArray[np.float32], text: Tensors) -> NDArray[np.float32]:
    own = text.get(f"clip.{key}")
    if own is not None:
        return own
    if f"clip.{key}.a" in text:
        return base + text[f"clip.{key}.a"].T @ text[f"clip.{key}.b"]
    return base


def write_models(shipped: Path, into: Path) -> None:
    """Write ``into/image-text`` and ``into/sentence``: ordinary model folders, in float16."""
    from safetensors.numpy import save_file

    for name, weights in models(shipped).items():
        folder = into / name
        shutil.copytree(shipped / "json" / name, folder)
        shutil.copyfile(shipped / "tokenizer.json", folder / "tokenizer.json")
        half = {key: value.astype(np.float16, order="C") for key, value in weights.items()}
        save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
