"""Compute what BERT and CLIP's text model make of one text, in float32.

As transformers 5 has them: ``models/bert/modeling_bert.py`` and ``models/clip/modeling_clip.py``.
One text at a time needs no padding, so nothing but CLIP's order of tokens is masked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.numpy_text.weights import Floats, Weights

Activation = Callable[[Floats], Floats]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bert:
    """Hold a BERT; its weights are read at each text, which the system's cache makes cheap."""

    weights: Weights
    config: dict[str, Any]

    def states(self, ids_T: Ids) -> Floats:
        """Return the (tokens, dim) last hidden states."""
        weights, eps = self.weights, float(self.config["layer_norm_eps"])
        before = weights.prefix_of("embeddings.word_embeddings.weight")
        words = weights.rows(f"{before}embeddings.word_embeddings.weight", ids_T)
        places = np.arange(len(ids_T))
        words = words + weights.rows(f"{before}embeddings.position_embeddings.weight", places)
        kinds = weights.rows(f"{before}embeddings.token_type_embeddings.weight", 0 * ids_T)
        state_TD = self._norm(f"{before}embeddings.LayerNorm", words + kinds, eps)
        act = _ACTIVATIONS[self.config["hidden_act"]]
        for number in range(int(self.config["num_hidden_layers"])):
            name = f"{before}encoder.layer.{number}"
            heads = int(self.config["num_attention_heads"])
            names = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
            mixed_TD = _attention(weights, names, state_TD, heads, is_causal=False)
            mixed_TD = _linear(weights, f"{name}.attention.output.dense", mixed_TD)
            state_TD = self._norm(f"{name}.attention.output.LayerNorm", mixed_TD + state_TD, eps)
            wide_TF = act(_linear(weights, f"{name}.intermediate.dense", state_TD))
            out_TD = _linear(weights, f"{name}.output.dense", wide_TF)
            state_TD = self._norm(f"{name}.output.LayerNorm", out_TD + state_TD, eps)
        return state_TD

    def pooled(self, ids_T: Ids) -> Floats:
        """Return the (dim,) output of the pooler: the first token, through a layer and tanh."""
        before = self.weights.prefix_of("embeddings.word_embeddings.weight")
        first_1D = self.states(ids_T)[:1]
        pooled: Floats = np.tanh(_linear(self.weights, f"{before}pooler.dense", first_1D))[0]
        return pooled

    def _norm(self, name: str, values: Floats, eps: float) -> Floats:
        return layer_norm(self.weights, name, values, eps)


@dataclass(frozen=True, slots=True)
class Clip:
    """Hold the text model of a CLIP."""

    weights: Weights
    config: dict[str, Any]

    def pooled(self, ids_T: Ids) -> Floats:
        """Return the (dim,) state of the token that ends the text, after the last norm."""
        weights, config = self.weights, self.config
        eps, heads = float(config.get("layer_norm_eps", 1e-5)), int(config["num_attention_heads"])
        act = _ACTIVATIONS[config.get("hidden_act", "quick_gelu")]
        table = "text_model.embeddings"
        places = np.arange(len(ids_T))
        state_TD = weights.rows(f"{table}.token_embedding.weight", ids_T)
        state_TD = state_TD + weights.rows(f"{table}.position_embedding.weight", places)
        for number in range(int(config["num_hidden_layers"])):
            name = f"text_model.encoder.layers.{number}"
            normed_TD = layer_norm(weights, f"{name}.layer_norm1", state_TD, eps)
            names = [f"{name}.self_attn.{part}_proj" for part in "qkv"]
            mixed_TD = _attention(weights, names, normed_TD, heads, is_causal=True)
            state_TD = state_TD + _linear(weights, f"{name}.self_attn.out_proj", mixed_TD)
            normed_TD = layer_norm(weights, f"{name}.layer_norm2", state_TD, eps)
            wide_TF = act(_linear(weights, f"{name}.mlp.fc1", normed_TD))
            state_TD = state_TD + _linear(weights, f"{name}.mlp.fc2", wide_TF)
        end = _end_of(ids_T, int(config.get("eos_token_id", 49407)))
        last_1D = state_TD[end : end + 1]
        pooled: Floats = layer_norm(weights, "text_model.final_layer_norm", last_1D, eps)[0]
        return pooled


def projected(weights: Weights, pooled_D: Floats) -> Floats:
    """Return a pooled state in the space of texts and pictures."""
    out: Floats = weights.get("text_projection.weight") @ pooled_D
    return out


def _end_of(ids_T: Ids, end_id: int) -> int:
    """Return the place of the end; old configurations name 2, and it has the greatest number."""
    return int(np.argmax(ids_T if end_id == 2 else ids_T == end_id))


def _linear(weights: Weights, name: str, values: Floats) -> Floats:
    out: Floats = values @ weights.get(f"{name}.weight").T + weights.get(f"{name}.bias")
    return out


def layer_norm(weights: Weights, name: str, values: Floats, eps: float) -> Floats:
    """Return values with mean 0 and variance 1 over the last axis, scaled and moved."""
    centred = values - values.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(eps))
    out: Floats = scaled * weights.get(f"{name}.weight") + weights.get(f"{name}.bias")
    return out


def _attention(
    weights: Weights, names: list[str], state_TD: Floats, heads: int, *, is_causal: bool
) -> Floats:
    """Return what attention mixes, before its output layer; ``names`` of query, key and value."""
    num, dim = state_TD.shape
    parts = [_linear(weights, name, state_TD) for name in names]
    query, key, value = (part.reshape(num, heads, dim // heads).swapaxes(0, 1) for part in parts)
    scores_HTT = query @ key.swapaxes(1, 2) / np.float32(np.sqrt(dim // heads))
    if is_causal:
        scores_HTT = scores_HTT + np.triu(np.full((num, num), -np.inf, np.float32), 1)
    share_HTT = np.exp(scores_HTT - scores_HTT.max(axis=-1, keepdims=True))
    share_HTT = share_HTT / share_HTT.sum(axis=-1, keepdims=True)
    mixed: Floats = (share_HTT @ value).swapaxes(0, 1).reshape(num, dim)
    return mixed


def _sigmoid_gelu(values: Floats) -> Floats:
    out: Floats = values / (1 + np.exp(np.clip(-1.702 * values, -80, 80)))
    return out


def gelu(values: Floats) -> Floats:
    """Return x * Phi(x); erf to 1.5e-7, by Abramowitz and Stegun's formula 7.1.26."""
    size = np.abs(values) / np.float32(np.sqrt(2))
    t = 1 / (1 + 0.3275911 * size)
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    )
    erf = np.sign(values) * (1 - series * np.exp(-(size**2)))
    out: Floats = (values * (1 + erf) / 2).astype(np.float32)
    return out


_ACTIVATIONS: dict[str, Activation] = {"quick_gelu": _sigmoid_gelu, "gelu": gelu}
