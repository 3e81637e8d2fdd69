"""Move the image tower too: all weights, or low-rank matrices that are merged into plain ones.

Pictures are decoded as indexing does, and kept as pixels while they fit. LoRA by peft (extra
``finetune``): after the training its matrices are gone, and the model has its own names again.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.errors import ExtraMissing, ModelUnsupported, PairsError, Refused
from crossmodal.previews.preview import Subject
from crossmodal.training.material import Material
from crossmodal.training.towers import TextTower, Weights

if TYPE_CHECKING:
    import torch
    from PIL import Image

_MAX_KEPT_BYTES = 2_000_000_000
_MAX_FILE_BYTES = 512_000_000
_BLOCK = 16
_RANK = 16
_TARGETS = ("q_proj", "v_proj", "query", "value")
"""Queries and values of attention, as CLIP, SigLIP and BERT call them."""

Pixels = npt.NDArray[np.uint8]


class BothTowers(TextTower):
    """Move every weight of both towers."""

    sees_otherwise = True

    def _prepare(self) -> None:
        self._known: dict[int, Pixels] = {}
        for parameter in self.model.parameters():
            parameter.requires_grad_(True)

    def images(self, material: Material, places: np.ndarray, *, hard: bool = False) -> torch.Tensor:
        """Return (n, dim) unit vectors of pictures, or of hard negatives, with gradients.

        Raises:
            PairsError: a picture cannot be read any more.
        """
        pictures = material.hard_pictures if hard else material.pictures
        return self.encoder.trained_images(self._pixels([pictures[place] for place in places]))

    def encoded(self, material: Material) -> Material:
        """Return the material with the vectors that the towers give by now."""
        found = np.zeros_like(material.images)
        for start in range(0, len(found), _BLOCK):
            places = np.arange(start, min(start + _BLOCK, len(found)))
            with self.still():
                found[places] = self.images(material, places).cpu().numpy()
        return replace(super().encoded(material), images=found)

    def _pixels(self, pictures: Sequence[Subject]) -> Pixels:
        return np.stack([self._pixels_of(picture) for picture in pictures])

    def _pixels_of(self, picture: Subject) -> Pixels:
        known = self._known.get(id(picture))
        if known is not None:
            return known
        try:
            decoded = _decoded(picture, self.encoder.preprocess.min_side)
        except Refused as refused:
            raise PairsError(
                f"{picture.uri} can be learned from no more: {refused.detail}. Index again, or "
                "leave it out of the pairs"
            ) from refused
        pixels: Pixels = self.encoder.preprocess.apply(decoded)
        if (len(self._known) + 1) * pixels.nbytes < _MAX_KEPT_BYTES:
            self._known[id(picture)] = pixels
        return pixels


class LoraTowers(BothTowers):
    """Move low-rank matrices beside the attention of both towers."""

    def _prepare(self) -> None:
        super()._prepare()
        peft = _peft()
        targets = _targets(self.model)
        self._plain = {f"{name}.weight" for name in targets}
        self._before = {
            name: parameter.detach().clone()
            for name, parameter in self.model.named_parameters()
            if name in self._plain
        }
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            config = peft.LoraConfig(r=_RANK, lora_alpha=_RANK, target_modules=targets)
            peft.inject_adapter_in_model(config, self.model)
        self.model.logit_scale.requires_grad_(True)

    def learned(self, weights: Weights) -> tuple[Weights, Weights]:
        """Merge the matrices of the best epoch; return the weights that they changed."""
        first = {name: self.base[name] for name in _scalars(self.base)}
        self.put(weights)
        _merge(self.model)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in self._plain or name in first)
        self.base = self._before | first
        return self.base, self.weights()


def _merge(model: Any) -> None:
    """Add the matrices to the layers that they stand beside, and take them away."""
    wrapped = {n: m for n, m in model.named_modules() if hasattr(m, "get_base_layer")}
    for name, layer in wrapped.items():
        layer.merge()
        holder, _, own = name.rpartition(".")
        setattr(model.get_submodule(holder), own, layer.get_base_layer())


def _scalars(weights: Weights) -> list[str]:
    return [name for name in weights if name in ("logit_scale", "logit_bias")]


def _targets(model: Any) -> list[str]:
    """Return the names of the layers that get matrices beside them.

    Raises:
        ModelUnsupported: there are none of a known name.
    """
    found = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in _TARGETS]
    if not found:
        raise ModelUnsupported(
            f"{type(model).__name__} has no layers called {', '.join(_TARGETS)}: it cannot be "
            "trained at --depth lora; take text or full"
        )
    return found


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ExtraMissing("--depth lora needs peft: pip install 'crossmodal[finetune]'") from error
    return peft


def _decoded(picture: Subject, min_side: int) -> Image.Image:
    """Return a picture as indexing decodes it, or the part of a document or film.

    Raises:
        Refused: it is gone, changed or damaged.
    """
    from PIL import Image

    from crossmodal.chunking.walled_picture import decode_walled
    from crossmodal.files.read import read_source
    from crossmodal.pictures.decode import ImageLimits
    from crossmodal.previews.content import content_of
    from crossmodal.previews.preview import preview

    if picture.kind == "image":
        limits = ImageLimits(min_side=min_side)
        return decode_walled(read_source(picture.uri, _MAX_FILE_BYTES), limits).image
    shown = preview(picture, content_of(picture.uri), 2 * min_side)
    return Image.open(io.BytesIO(shown)).convert("RGB")
