"""Score pictures of pages by late interaction: ColPali, ColQwen2, ColModernVBERT and NeoMME.

Owns how each processor is asked for queries and for pictures; the vectors are the model's own, of
the tokens that it does not pad. A page keeps hundreds of them, so they are worth keeping.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.rerankers.reranker import Floats, Side, Tokens, max_sim
from crossmodal.encoders.rerankers.running import (
    LoadedReranker,
    config_of,
    load_processor,
    load_weights,
)
from crossmodal.errors import RerankFailed
from crossmodal.models.folder import ModelFiles
from crossmodal.models.text_preprocess import readable

if TYPE_CHECKING:
    from PIL.Image import Image

# Pictures, tiles, channels, height, width.
_TILED = 5
PAGES = ("ColPaliForRetrieval", "ColQwen2ForRetrieval", "ColModernVBertForRetrieval")


class LatePages(LoadedReranker):
    """Serve multi-vector models of page pictures."""

    pairs = frozenset({("text", "image")})
    side_px = 1600
    batch = 2
    is_late = True

    def __init__(self, files: ModelFiles, model: Any, device: str) -> None:
        super().__init__(files, model, device)
        self._query = lru_cache(maxsize=16)(self._encoded_query)
        self._prepare()

    def scores(self, query: Side, candidates: Sequence[Side]) -> Floats:
        """Return (n,) float32 sums of best matches, higher is better."""
        return self.scores_of_tokens(query, self.tokens(candidates))

    def scores_of_tokens(self, query: Side, tokens: Sequence[Tokens]) -> Floats:
        """Return (n,) float32 sums of best matches, higher is better."""
        return max_sim(self._query(query.text), tokens)

    def tokens(self, candidates: Sequence[Side]) -> list[Tokens]:
        """Return the (t, dim) token vectors of each page."""
        # One by one: pages differ in size, and padding one picture to another's costs more.
        inputs = (self._document_inputs(side) for side in candidates)
        return [self._vectors(each).astype(np.float16) for each in inputs]

    def patch_map(self, text: str, picture: Image) -> Floats:
        """Return (down, across) float32 mean cosines of each patch with the tokens of a query."""
        inputs = self._document_inputs(Side(picture=picture))
        kept = inputs["attention_mask"][0].bool()
        is_patch = (inputs["input_ids"][0] == self._processor.image_token_id)[kept].numpy()
        patches = _units(self._vectors(inputs)[is_patch])
        down, across = self._grid(inputs, len(patches))
        likeness: Floats = (patches @ _units(self._query(text)).T).mean(axis=1)
        return likeness.reshape(down, across)

    def _grid(self, inputs: Any, num_patches: int) -> tuple[int, int]:
        """Return how many patches a picture has, down and across."""
        if "image_grid_thw" in inputs:
            merge = self._processor.image_processor.merge_size
            _, down, across = inputs["image_grid_thw"][0].tolist()
            return down // merge, across // merge
        side, pixels = math.isqrt(num_patches), inputs["pixel_values"]
        if side**2 != num_patches or (pixels.ndim == _TILED and pixels.shape[1] > 1):
            raise RerankFailed(f"{self.label} cuts a picture into tiles, which lie in no one grid")
        return side, side

    def _prepare(self) -> None:
        self._processor = load_processor(self._files, "AutoProcessor")

    def _query_inputs(self, text: str) -> Any:
        plain = without_special(self._processor.tokenizer, readable(text))
        return self._processor.process_queries(text=[plain])

    def _document_inputs(self, side: Side) -> Any:
        return self._processor.process_images(images=[side.picture])

    def _encoded_query(self, text: str) -> Floats:
        return self._vectors(self._query_inputs(text))

    def _vectors(self, inputs: Any) -> Floats:
        mask = inputs["attention_mask"][0].bool().numpy()
        array: Floats = self._run(inputs).embeddings[0].float().cpu().numpy()[mask]
        if not np.isfinite(array).all():
            raise RerankFailed(f"{self.label} gave token vectors that are no numbers")
        return array


def _units(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def without_special(tokenizer: Any, text: str) -> str:
    """Return a text in which no special token of the tokenizer stands, such as of a picture."""
    for token in sorted(tokenizer.get_added_vocab(), key=len, reverse=True):
        text = text.replace(token, " ")
    return text


def load(files: ModelFiles, device: str) -> LatePages:
    """Return the model of pages of a folder.

    Raises:
        ModelUnsupported: its inputs cannot be prepared.
        ModelUnavailable: its files are damaged.
    """
    name = config_of(files)["architectures"][0]
    model, place = load_weights(files, lambda t: getattr(t, name), device)
    return LatePages(files, model, place)
