"""Score pictures by our own small cross-attention over a dual encoder's frozen tokens.

Owns the folder that it lies in: ``config.json`` names the architecture, the shape and the base with
the hash of its weights, ``model.safetensors`` holds the network alone. Over the towers of any other
base its weights would mean nothing, so it is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from crossmodal.encoders.rerankers.frozen_towers import FrozenTowers, Words
from crossmodal.encoders.rerankers.reranker import Floats, Side, Tokens
from crossmodal.encoders.rerankers.running import LoadedReranker, config_of
from crossmodal.errors import ModelUnavailable, ModelUnsupported, RerankFailed
from crossmodal.models.folder import ModelFiles, digest

if TYPE_CHECKING:
    import torch

    from crossmodal.encoders.rerankers.cross_attention_network import CrossAttention, Shape

T = TypeVar("T")

ARCHITECTURE = "CrossmodalCrossAttention"
_WIDEST = 8192


class FrozenTokens(LoadedReranker):
    """Serve cross-attention over frozen patch and word tokens."""

    batch = 16

    def __init__(
        self, files: ModelFiles, network: CrossAttention, towers: FrozenTowers, asks: Sequence[str]
    ) -> None:
        super().__init__(files, network.to(towers.encoder.device), towers.encoder.device)
        self.pairs = frozenset((modality, "image") for modality in asks)
        self._towers = towers
        self._words = lru_cache(maxsize=16)(self._read)
        self.side_px = 2 * towers.encoder.preprocess.min_side
        base = towers.encoder.version.fingerprint
        self.fingerprint = digest({"network": self.fingerprint, "base": base})

    def scores(self, query: Side, candidates: Sequence[Side]) -> Floats:
        """Return (n,) float32 logits of a match, higher is better."""
        return self.scores_of_tokens(query, self.tokens(candidates))

    def scores_of_tokens(self, query: Side, tokens: Sequence[Tokens]) -> Floats:
        """Return (n,) float32 logits of a match, higher is better."""
        import torch

        words = self._asked_by(query) if query.picture else self._words(query.text)
        num = len(tokens)
        inputs = {
            "vectors": words.vectors.expand(num, -1),
            "words": words.states.expand(num, -1, -1),
            "mask": words.mask.expand(num, -1),
            "tokens": torch.from_numpy(np.stack(tokens).astype(np.float32)),
        }
        return self._finite(self._run(inputs, by_picture=query.picture is not None))

    def tokens(self, candidates: Sequence[Side]) -> list[Tokens]:
        """Return the (1 + p, width) tokens of each picture, its own vector first."""
        pictures = [side.picture for side in candidates if side.picture is not None]
        found = self._of_towers(lambda: self._towers.tokens(pictures))
        if not all(np.isfinite(one).all() for one in found):
            raise RerankFailed(f"{self.label} gave token vectors that are no numbers")
        return found

    def _asked_by(self, query: Side) -> Words:
        """Return what a picture that asks is to the network, in the place of words."""
        import torch

        (tokens,) = self.tokens([query])
        rows = torch.from_numpy(tokens.astype(np.float32))[None]
        return as_words(rows, self._model.dim)

    def _read(self, text: str) -> Words:
        return self._of_towers(lambda: self._towers.words([text]))

    def _of_towers(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (MemoryError, RuntimeError) as error:
            cause = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise RerankFailed(f"{self.label} cannot judge these pairs: {cause}") from error


def load(files: ModelFiles, device: str) -> FrozenTokens:
    """Return the reranker of a folder.

    Raises:
        ModelUnsupported: its configuration is damaged, or its base is another model by now.
        ModelUnavailable: its files are damaged, or its base is not to be had.
    """
    config = config_of(files)
    base, shape = _base_of(files, config), _shape_of(files, config)
    towers = FrozenTowers.load(base["name"], device)
    if towers.weights_hash != base["weights_hash"]:
        raise ModelUnsupported(
            f"{files.name} was trained over the towers of {base['name']} with weights "
            f"{base['weights_hash'][:8]}, but that model has weights {towers.weights_hash[:8]} "
            "now: put the base back that it was trained with, or train it again"
        )
    return FrozenTokens(files, _filled(files, shape), towers, _asks_of(files, config))


def as_words(tokens: torch.Tensor, dim: int) -> Words:
    """Return (n, 1 + p, width) tokens of pictures as what they are where they ask."""
    import torch

    states = tokens[:, 1:]
    return Words(tokens[:, 0, :dim], states, torch.ones(states.shape[:2], dtype=torch.bool))


def write(
    folder: Path,
    network: CrossAttention,
    shape: Shape,
    towers: FrozenTowers,
    asks: Sequence[str] = ("text",),
) -> None:
    """Write the folder, which must exist; ``asks`` are the modalities of its questions."""
    from safetensors.torch import save_file

    version = towers.encoder.version
    config = {
        "architectures": [ARCHITECTURE],
        "base": {"name": version.name, "weights_hash": towers.weights_hash},
        "shape": asdict(shape),
        "asks": list(asks),
    }
    weights = {name: values.detach().cpu().clone() for name, values in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _base_of(files: ModelFiles, config: dict[str, Any]) -> dict[str, str]:
    base = config.get("base")
    named = isinstance(base, dict) and all(
        isinstance(base.get(key), str) and base[key] for key in ("name", "weights_hash")
    )
    if not named:
        raise ModelUnsupported(
            f"{files.name} does not say which base it was trained over: its config.json needs "
            '"base" with "name" and "weights_hash"'
        )
    return dict(config["base"])


def _asks_of(files: ModelFiles, config: dict[str, Any]) -> list[str]:
    asks = config.get("asks")
    if isinstance(asks, list) and asks and set(asks) <= {"text", "image"}:
        return asks
    raise ModelUnsupported(
        f'{files.name} does not say what it was taught to answer: its config.json needs "asks", '
        f"a list of text and image, not {asks!r}"
    )


def _shape_of(files: ModelFiles, config: dict[str, Any]) -> Shape:
    from crossmodal.encoders.rerankers.cross_attention_network import Shape

    given, names = config.get("shape"), {field.name for field in fields(Shape)}
    numbers = given if isinstance(given, dict) and set(given) == names else {"": None}
    if all(type(n) is int and 0 < n <= _WIDEST for n in numbers.values()):
        shape = Shape(**numbers)
        if shape.width % shape.heads == 0 and shape.layers <= 16:
            return shape
    raise ModelUnsupported(
        f"{files.name} has the shape {given!r} in its config.json: {', '.join(sorted(names))} are "
        f"needed, whole numbers from 1 to {_WIDEST}, up to 16 layers, width divisible by heads"
    )


def _filled(files: ModelFiles, shape: Shape) -> CrossAttention:
    from safetensors.torch import load_file

    from crossmodal.encoders.rerankers.cross_attention_network import CrossAttention

    network = CrossAttention(shape)
    try:
        network.load_state_dict(load_file(files.weights[0]))
    except Exception as error:  # safetensors raises types of its own
        cause = " ".join(str(error).split())[:300]
        raise ModelUnavailable(f"{files.directory} cannot be loaded: {cause}") from error
    return network.eval()
