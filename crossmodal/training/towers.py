"""Lend the towers of an image-text model to a training: which weights move, what goes through.

Owns the depths: ``text`` moves the text tower alone, so pictures are the vectors that are stored
(LiT: Zhai and others, CVPR 2022); ``full`` moves everything, ``lora`` small matrices beside the
attention of both (Hu and others, ICLR 2022), which are merged at the end. Dropout is off. Weights
that come in and go out are plain tensors by the names of the model's own file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import ModelUnsupported
from crossmodal.models.files import files_of
from crossmodal.records import ModelVersion
from crossmodal.training.epochs import Weights
from crossmodal.training.material import Material
from crossmodal.vectors.affine import Floats

if TYPE_CHECKING:
    import torch

_TEXT_SIDE = ("text_model.", "text_projection")
_SCALARS = ("logit_scale", "logit_bias")
_BLOCK = 256


class TextTower:
    """Move the text tower; pictures stay where they are stored."""

    sees_otherwise = False
    """Whether the image tower moves too."""

    def __init__(self, version: ModelVersion, device: str, seed: int = 0) -> None:
        files = files_of(version)
        self.encoder = TransformersEncoder.load(files, replace(version, dtype="float32"), device)
        self.directory = files.directory
        self.device = self.encoder.device
        self.seed = seed
        self.model: Any = self.encoder.model
        if not hasattr(self.model, "logit_scale"):
            raise ModelUnsupported(
                f"{version.label} has no logit_scale to train with: it can be learned from at "
                "--depth head only"
            )
        self._prepare()
        self.base = self.weights()

    def _prepare(self) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.startswith(_TEXT_SIDE) or name in _SCALARS)

    @property
    def own_loss(self) -> str:
        """Return the loss that the model was trained with."""
        return "siglip" if hasattr(self.model, "logit_bias") else "clip"

    @property
    def scale(self) -> torch.Tensor:
        """Return the logarithm of the factor before the loss, which is learned."""
        scale: torch.Tensor = self.model.logit_scale
        return scale

    @property
    def bias(self) -> torch.Tensor | None:
        """Return SigLIP's bias; None where the model has none."""
        return getattr(self.model, "logit_bias", None)

    def freeze_words(self) -> None:
        """Let token embeddings stay, so that words of no caption keep their place beside others."""
        import torch

        num_tokens = self.model.config.text_config.vocab_size
        for module in self.model.modules():
            if isinstance(module, torch.nn.Embedding) and module.num_embeddings == num_tokens:
                module.requires_grad_(False)
        self.base = self.weights()

    def recompute(self) -> None:
        """Let layers be computed again on the way back in place of being kept in memory.

        Raises:
            ModelUnsupported: the model's class cannot do so.
        """
        try:
            # Older releases of transformers have the older name alone.
            named = getattr(self.model, "activation_checkpointing_enable", None)
            (named or self.model.gradient_checkpointing_enable)({"use_reentrant": False})
        except (ValueError, AttributeError) as error:
            raise ModelUnsupported(
                f"{type(self.model).__name__} cannot compute its layers again (gradient "
                f"checkpointing): leave --recompute out ({error})"
            ) from error
        for layer in self.model.modules():
            if getattr(layer, "gradient_checkpointing", False):
                # transformers looks at the layer's own flag; what lies in it stays without dropout.
                layer.training = True

    def moving(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Yield the weights that are trained, by name."""
        return ((n, p) for n, p in self.model.named_parameters() if p.requires_grad)

    def weights(self) -> Weights:
        """Return a copy of the weights that are trained."""
        return {name: parameter.detach().clone() for name, parameter in self.moving()}

    def put(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Set the weights that are trained."""
        import torch

        with torch.no_grad():
            for name, parameter in self.moving():
                parameter.copy_(weights[name])

    def texts(self, words: Sequence[str]) -> torch.Tensor:
        """Return (n, dim) unit vectors through which gradients flow."""
        return self.encoder.trained_texts(words)

    def images(self, material: Material, places: np.ndarray, *, hard: bool = False) -> torch.Tensor:
        """Return (n, dim) unit vectors of pictures, or of hard negatives."""
        import torch

        known = material.hard_images if hard else material.images
        assert known is not None
        return torch.from_numpy(known[places]).to(self.device)

    def encoded(self, material: Material) -> Material:
        """Return the material with the vectors that the towers give by now."""
        return replace(material, texts=self.encode_texts(material.words))

    def encode_texts(self, words: Sequence[str]) -> Floats:
        """Return (n, dim) vectors; each distinct text goes through once."""
        distinct = list(dict.fromkeys(words))
        order = sorted(range(len(distinct)), key=lambda place: len(distinct[place]))
        found = np.zeros((len(distinct), self.encoder.version.dim), np.float32)
        for start in range(0, len(order), _BLOCK):
            places = order[start : start + _BLOCK]
            with self.still():
                found[places] = self.texts([distinct[p] for p in places]).cpu().numpy()
        place_of = {text: place for place, text in enumerate(distinct)}
        return found[[place_of[text] for text in words]]

    def learned(self, weights: Weights) -> tuple[Weights, Weights]:
        """Return base and learned weights by the names of the model's file, ready to go between.

        ``weights`` are those of the best epoch. What moves from now on is what was returned.
        """
        return self.base, weights

    def still(self) -> AbstractContextManager[Any]:
        """Return a context in which nothing is learned."""
        import torch

        return torch.no_grad()
