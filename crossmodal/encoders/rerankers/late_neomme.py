"""Prepare the inputs of NeoMME, whose own processor needs a library that is not installed here.

Owns the layout of a page, ``<doc> <img>`` and then a row of patches and ``<row>`` after ``<row>``,
with a position on either axis, and how pixels become patches; as transformers' ``NeoMMEProcessor``
and ``NeoMMEImageProcessor`` lay them out, but scaled by Pillow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.rerankers.late_pages import LatePages, without_special
from crossmodal.encoders.rerankers.reranker import Side
from crossmodal.encoders.rerankers.running import config_of, load_weights
from crossmodal.errors import ModelUnsupported
from crossmodal.models.folder import ModelFiles, read_object
from crossmodal.models.text_preprocess import readable

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

NEOMME = "NeoMMEForRetrieval"
_MARKS = ("document", "image", "row")


class NeoPages(LatePages):
    """Serve NeoMME over page pictures and passages."""

    pairs = frozenset({("text", "image"), ("text", "text")})

    def _prepare(self) -> None:
        tokenizer, folder = self._tokenizer, self._files.directory
        found = {mark: getattr(tokenizer, f"{mark}_token_id", None) for mark in _MARKS}
        ids = {mark: int(number) for mark, number in found.items() if number is not None}
        if len(ids) < len(_MARKS) or not tokenizer.chat_template:
            raise ModelUnsupported(
                f"{self._files.name} lacks the tokens {' and '.join(_MARKS)} or a chat template"
            )
        self._ids = ids
        combined = read_object(folder, "processor_config.json").get("image_processor")
        self._pixels = combined or read_object(folder, "preprocessor_config.json")

    def _query_inputs(self, text: str) -> Any:
        return self._texts(text, "query")

    def _document_inputs(self, side: Side) -> Any:
        if side.picture is None:
            return self._texts(side.text, "document")
        patches, rows, columns = self._patches(side.picture)
        return _page(patches, (rows, columns), self._ids)

    def _texts(self, text: str, task: str) -> Any:
        plain = without_special(self._tokenizer, readable(text))
        content = [{"type": "text", "text": plain}]
        written = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], task=task, tokenize=False
        )
        return self._tokenizer(
            written,
            add_special_tokens=False,
            split_special_tokens=False,
            truncation=True,
            max_length=self._positions,
            return_tensors="pt",
        )

    def _patches(self, picture: Image) -> tuple[torch.Tensor, int, int]:
        """Return the (rows * columns, 3 * patch ** 2) patches of a picture, and both counts."""
        import torch
        from PIL import Image as pillow

        size = int(self._model.config.patch_size)
        width, height = _within(picture.size, self._pixels)
        scaled = picture.resize((width, height), pillow.Resampling.BILINEAR)
        rows, columns = math.ceil(height / size), math.ceil(width / size)
        canvas = np.zeros((rows * size, columns * size, 3), np.float32)
        canvas[:height, :width] = np.asarray(scaled, np.float32) / 255
        mean = np.array(self._pixels.get("image_mean") or [0.5] * 3, np.float32)
        std = np.array(self._pixels.get("image_std") or [0.5] * 3, np.float32)
        cut = ((canvas - mean) / std).reshape(rows, size, columns, size, 3).swapaxes(1, 2)
        return torch.from_numpy(cut.reshape(rows * columns, -1)), rows, columns


def load(files: ModelFiles, device: str) -> NeoPages:
    """Return the NeoMME of a folder.

    Raises:
        ModelUnsupported: it lacks tokens or its template.
        ModelUnavailable: its files are damaged.
    """
    name = config_of(files)["architectures"][0]
    model, place = load_weights(files, lambda t: getattr(t, name), device)
    return NeoPages(files, model, place)


def _page(patches: torch.Tensor, grid: tuple[int, int], ids: dict[str, int]) -> dict[str, Any]:
    import torch

    rows, columns = grid
    line = [ids["image"]] * columns + [ids["row"]]
    tokens = torch.tensor([[ids["document"], ids["image"], *line * rows]])
    down, along = np.divmod(np.arange(rows * (columns + 1)), columns + 1)
    places = np.concatenate([[[0, 0], [1, 1]], 2 + np.stack([down, along], axis=1)])
    return {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        "position_ids": torch.from_numpy(places.T[:, None].astype(np.int64)),
        "pixel_values": patches,
    }


def _within(size: tuple[int, int], settings: dict[str, Any]) -> tuple[int, int]:
    """Return width and height within the limits that a checkpoint sets."""
    width, height = size
    limits = settings.get("size") or {}
    scale = 1.0
    if limits.get("min_pixels"):
        scale = max(scale, math.sqrt(limits["min_pixels"] / (width * height)))
    if settings.get("max_side"):
        scale = min(scale, settings["max_side"] / max(width, height))
    if limits.get("max_pixels"):
        scale = min(scale, math.sqrt(limits["max_pixels"] / (width * height)))
    return max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
