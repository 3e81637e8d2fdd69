"""Move the image tower too: all weights, or low-rank matrices that are merged into plain ones.

Pictures are decoded as indexing does, and kept as pixels while they fit. LoRA by peft (extra
``finetune``): after the training its matrices are gone, and the model has its own names again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.errors import ExtraMissing, ModelUnsupported
from crossmodal.training.epochs import Weights
from crossmodal.training.material import Material
from crossmodal.training.pixels import PixelStore
from crossmodal.training.precision import mixed
from crossmodal.training.towers import TextTower

if TYPE_CHECKING:
    import torch

_BLOCK = 16
_RANK = 16
_TARGETS = ("q_proj", "v_proj", "query", "value")
"""Queries and values of attention, as CLIP, SigLIP and BERT call them."""


class BothTowers(TextTower):
    """Move every weight of both towers."""

    sees_otherwise = True

    def _prepare(self) -> None:
        self._pixels = PixelStore(self.encoder.preprocess)
        for parameter in self.model.parameters():
            parameter.requires_grad_(True)

    def images(self, material: Material, places: np.ndarray, *, hard: bool = False) -> torch.Tensor:
        """Return (n, dim) unit vectors of pictures, or of hard negatives, with gradients.

        Raises:
            PairsError: a picture cannot be read any more.
        """
        pictures = material.hard_pictures if hard else material.pictures
        return self.encoder.trained_images(self._pixels.of([pictures[place] for place in places]))

    def encoded(self, material: Material) -> Material:
        """Return the material with the vectors that the towers give by now."""
        found = np.zeros_like(material.images)
        for start in range(0, len(found), _BLOCK):
            places = np.arange(start, min(start + _BLOCK, len(found)))
            with self.still(), mixed(self.device):
                found[places] = self.images(material, places).cpu().numpy()
        return replace(super().encoded(material), images=found)


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
