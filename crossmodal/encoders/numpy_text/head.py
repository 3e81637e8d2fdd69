"""Compute in numpy what ``encoders.sentence_head`` does with torch, for one text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crossmodal.encoders.numpy_text.towers import gelu, layer_norm
from crossmodal.encoders.numpy_text.weights import Floats, Weights
from crossmodal.models.folder import MODULE_WEIGHTS, ModelFiles
from crossmodal.models.sentence_modules import Step
from crossmodal.models.text_preprocess import TextPreprocess

_EPS = 1e-5
_POOLS: dict[str, Callable[[Floats], Floats]] = {
    "mean": lambda state_TD: state_TD.mean(axis=0),
    "mean_sqrt_len_tokens": lambda state_TD: state_TD.sum(axis=0) / np.sqrt(len(state_TD)),
    "weightedmean": lambda state_TD: np.average(
        state_TD, axis=0, weights=np.arange(1, len(state_TD) + 1)
    ),
    "cls": lambda state_TD: state_TD[0],
    "max": lambda state_TD: state_TD.max(axis=0),
    "lasttoken": lambda state_TD: state_TD[-1],
}
# The others of sentence_modules.ACTIVATIONS are left to torch.
_ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "Identity": lambda values: values,
    "Tanh": np.tanh,
    "ReLU": lambda values: np.maximum(values, 0),
    "GELU": gelu,
}


def numpy_head(files: ModelFiles, settings: TextPreprocess) -> Callable[[Floats], Floats]:
    """Return what makes the vector of a text of its (tokens, dim) states.

    Raises:
        KeyError: a tensor is missing, or an activation is not known here.
        OSError, ValueError: a module's weights are none.
    """
    pools = [_POOLS[mode] for mode in settings.pooling.split("+")]
    steps = [_step(files, step) for step in settings.steps]

    def head(state_TD: Floats) -> Floats:
        vector_D = np.concatenate([pool(state_TD) for pool in pools]).astype(np.float32)
        for step in steps:
            vector_D = step(vector_D)
        return vector_D

    return head


def _step(files: ModelFiles, step: Step) -> Callable[[Floats], Floats]:
    if step.kind == "Normalize":
        return lambda vector_D: vector_D / np.float32(max(float(np.linalg.norm(vector_D)), 1e-12))
    weights = Weights([files.directory / step.folder / MODULE_WEIGHTS], "float32")
    if step.kind == "LayerNorm":
        return lambda vector_D: layer_norm(weights, "norm", vector_D, _EPS)
    activation = _ACTIVATIONS[step.activation]
    tensors = {name: weights.get(name) for name in step.shapes}

    def dense(vector_D: Floats) -> Floats:
        out_D = activation(tensors["linear.weight"] @ vector_D + tensors.get("linear.bias", 0))
        if not step.has_residual:
            return out_D
        through = tensors.get("residual.weight")
        return out_D + (vector_D if through is None else through @ vector_D)

    return dense
