"""Judge pairs of a picture and a text with cross-attention: does the text say what is to be seen?

Owns the table of the classes that were trained to match pictures and texts (ITM), and where each
puts its answer. A score is the logit of a match, less that of none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossmodal.encoders.rerankers.reranker import Floats, Side
from crossmodal.encoders.rerankers.running import (
    LoadedReranker,
    config_of,
    load_processor,
    load_weights,
    margin,
)
from crossmodal.models.folder import ModelFiles

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class _Matcher:
    answer: Callable[[Any], torch.Tensor]
    """Takes the output; returns (n, 1) or (n, 2) logits, of a match last."""
    asked: Mapping[str, Any] = field(default_factory=dict)


MATCHERS = {
    "BlipForImageTextRetrieval": _Matcher(lambda out: out.itm_score),
    "Blip2ForImageTextRetrieval": _Matcher(
        lambda out: out.logits_per_image, {"use_image_text_matching_head": True}
    ),
    "ViltForImageAndTextRetrieval": _Matcher(lambda out: out.logits),
    "BridgeTowerForImageAndTextRetrieval": _Matcher(lambda out: out.logits),
}


class PictureMatcher(LoadedReranker):
    """Serve BLIP, BLIP-2, ViLT and BridgeTower."""

    pairs = frozenset({("text", "image"), ("image", "text")})
    batch = 8

    def __init__(self, files: ModelFiles, model: Any, device: str, name: str) -> None:
        super().__init__(files, model, device)
        self._pixels = load_processor(files, "AutoImageProcessor")
        self._matcher = MATCHERS[name]
        self.side_px = _side_px(self._pixels.size)

    def scores(self, query: Side, candidates: Sequence[Side]) -> Floats:
        """Return (n,) float32 logits of a match less those of none, higher is better."""
        pairs = [_pair(query, side) for side in candidates]
        tokens = self._tokens([text for text, _ in pairs])
        pixels = self._pixels(images=[picture for _, picture in pairs], return_tensors="pt")
        inputs = {**self._with_picture_tokens(dict(tokens)), **dict(pixels)}
        return self._finite(margin(self._matcher.answer(self._run(inputs, **self._matcher.asked))))

    def _with_picture_tokens(self, tokens: dict[str, Any]) -> dict[str, Any]:
        """Put in front what newer BLIP-2 checkpoints expect there, and cut off again themselves."""
        import torch

        config = self._model.config
        if getattr(config, "image_token_index", None) is None:
            return tokens
        shape = (len(tokens["input_ids"]), config.num_query_tokens)
        ahead = {
            "input_ids": torch.full(shape, config.image_token_index),
            "attention_mask": torch.ones(shape, dtype=torch.long),
        }
        return {name: torch.cat([put, tokens[name]], dim=1) for name, put in ahead.items()}


def load(files: ModelFiles, device: str) -> PictureMatcher:
    """Return the matcher of a folder.

    Raises:
        ModelUnsupported: its inputs cannot be prepared.
        ModelUnavailable: its files are damaged.
    """
    name = config_of(files)["architectures"][0]
    model, place = load_weights(files, lambda t: getattr(t, name), device)
    return PictureMatcher(files, model, place, name)


def _pair(query: Side, candidate: Side) -> tuple[str, Image | None]:
    """Return the text and the picture of a pair, whichever of them asks."""
    if query.picture is not None:
        return candidate.text, query.picture
    return query.text, candidate.picture


def _side_px(size: Any) -> int:
    """Return the longer side that a processor's ``size`` asks for; ViLT keeps the proportions."""
    sides = [int(value) for value in dict(size).values() if isinstance(value, int)]
    return 2 * max(sides, default=384)
