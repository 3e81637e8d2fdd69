"""Quantise each tower of the starter model: what is watched, what is rounded, what is left.

The image tower costs about the bits that one asks for. Of the two text towers one is stored: the
sentence encoder; the other is that, as rounded, plus a low-rank delta: the best of its rank for the
inputs that were watched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from examples.starter.quantise import (
    Inputs,
    Members,
    Watch,
    by_row,
    constant,
    energy,
    factor,
    packed,
    rest_of,
    rounded,
)
from examples.starter.sources import TextTower, vision_model

NUM_LAYERS = 12
# The last layer's output is read at its first token alone.
FIRST, FIRST_OF_LAST = 8.0, 60.0
ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
GROUPS = {
    "qkv": ATTENTION,
    "o": ("self_attn.out_proj",),
    "fc1": ("mlp.fc1",),
    "fc2": ("mlp.fc2",),
}
TEXT_LAYERS = (
    "attention.self.query",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)


def pixels(paths: list[Path], size: int = 224) -> Tensor:
    """Return photos as the image tower takes them, ``(n, 3, size, size)`` float32."""
    from transformers import CLIPImageProcessorPil

    process = CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    )
    photos = [Image.open(path).convert("RGB") for path in paths]
    prepared: Tensor = process(photos, return_tensors="pt")["pixel_values"]
    return prepared


@torch.inference_mode()
def watch_images(weights: dict[str, Tensor], photos: list[Path]) -> dict[str, Inputs]:
    """Return the inputs of the image tower's linear layers on ``photos``."""
    model, watch = vision_model(weights), Watch()
    for i, layer in enumerate(model.vision_model.encoder.layers):
        last = FIRST_OF_LAST if i == NUM_LAYERS - 1 else FIRST
        watch.add(layer.self_attn.v_proj, f"{i}.qkv", FIRST)
        watch.add(layer.self_attn.out_proj, f"{i}.o", last)
        watch.add(layer.mlp.fc1, f"{i}.fc1", last)
        watch.add(layer.mlp.fc2, f"{i}.fc2", last)
    for at in range(0, len(photos), 8):
        model(pixel_values=pixels(photos[at : at + 8]))
    return watch.done()


def image_members(
    weights: dict[str, Tensor], inputs: dict[str, Inputs], bits: float, *, bounded: bool
) -> Members:
    """Return the members of the image tower at about ``bits`` bits a weight."""
    members: Members = {}
    for i in range(NUM_LAYERS):
        members |= _image_layer(weights, inputs, (i, bits, bounded))
    return members | rest_of(weights, members)


def _image_layer(
    weights: dict[str, Tensor], inputs: dict[str, Inputs], how: tuple[int, float, bool]
) -> Members:
    i, bits, bounded = how
    plan = []
    for group, names in GROUPS.items():
        given = inputs[f"{i}.{group}"]
        by = factor(given.covariance, 0.15 if len(given.mean) > 1000 else 0.05)
        for name in names:
            key = f"vision_model.encoder.layers.{i}.{name}"
            matrix = weights[f"{key}.weight"]
            plan.append((key, given, (matrix, by, energy(matrix, given))))
    c = constant([matrix for _, _, matrix in plan], bits)
    members: Members = {}
    for key, given, (matrix, by, output) in plan:
        integers, steps = rounded(matrix, by, c * output, bounded=bounded)
        members |= packed(f"{key}.weight", integers, steps)
        error = (matrix - integers.float() * steps) @ given.mean
        members[f"{key}.bias"] = (weights[f"{key}.bias"] + error).half().numpy()
    return members


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChoices:
    """Hold how finely text is rounded (steps relative to what they act on) and the delta."""

    embedding_step: float = 0.1
    layer_step: float = 0.0015
    rank: int = 96
    delta_bits: int = 8


@torch.inference_mode()
def watch_texts(towers: list[tuple[TextTower, list[str], int]]) -> dict[str, Inputs]:
    """Return the inputs of the text layers over (tower, texts, tokens at most), all together."""
    watch = Watch()
    for tower, texts, num_tokens in towers:
        for i, layer in enumerate(tower.text_model.encoder.layer):
            for name in TEXT_LAYERS:
                watch.add(layer.get_submodule(name), f"encoder.layer.{i}.{name}")
        for at in range(0, len(texts), 32):
            tokens = tower.tokenizer(
                texts[at : at + 32],
                padding=True,
                truncation=True,
                max_length=num_tokens,
                return_tensors="pt",
            )
            tower.text_model(**tokens)
    inputs = watch.done()
    for key in [key for key in inputs if key.endswith("query")]:
        inputs[key[:-5] + "key"] = inputs[key[:-5] + "value"] = inputs[key]
    return inputs


def text_members(
    pair: tuple[dict[str, Tensor], dict[str, Tensor]],
    inputs: dict[str, Inputs],
    unused: list[int],
    choices: TextChoices,
) -> Members:
    """Return the members of the pair (tower of the image-text space, sentence encoder).

    ``unused`` are tokens that no text can hold: their rows become zero.
    """
    tower, sentence = pair
    clip = {k.removeprefix("text_model."): v for k, v in tower.items() if "text_model." in k}
    members: Members = {}
    for key, base in sentence.items():
        name = key.removesuffix(".weight")
        if name in inputs:
            members |= _shared_layer(name, (clip, sentence), inputs[name], choices)
        elif name == "embeddings.word_embeddings":
            members |= _tokens(f"sent.{key}", base, unused, choices.embedding_step)
    own = {k: v for k, v in clip.items() if "word_embeddings" not in k and not _is_layer(k, inputs)}
    rest = {k: v for k, v in sentence.items() if not _is_layer(k, inputs)}
    members |= rest_of(rest, members, "sent.") | rest_of(own, members, "clip.")
    members |= by_row("text_projection.weight", tower["text_projection.weight"])
    return members | {"logit_scale": tower["logit_scale"].half().numpy()}


def _is_layer(key: str, inputs: dict[str, Inputs]) -> bool:
    return key.rsplit(".", 1)[0] in inputs


def _tokens(key: str, table: Tensor, unused: list[int], step: float) -> Members:
    steps = torch.full((table.shape[1],), float(step * table.std())).half().float()
    integers = torch.round(table / steps).clamp(-127, 127)
    integers[unused] = 0
    return packed(key, integers.to(torch.int8), steps)


def _shared_layer(
    name: str,
    pair: tuple[dict[str, Tensor], dict[str, Tensor]],
    given: Inputs,
    choices: TextChoices,
) -> Members:
    """Return a matrix of the sentence encoder, the delta of the other tower, and both biases."""
    clip, sentence = pair[0][f"{name}.weight"], pair[1][f"{name}.weight"]
    by = factor(given.covariance, 0.1, 0.05)
    step = choices.layer_step * energy(sentence, given)
    integers, steps = rounded(sentence, by, step, bounded=True)
    stored = integers.float() * steps
    members = packed(f"sent.{name}.weight", integers, steps)
    members |= _delta(f"clip.{name}.weight", clip - stored, given, choices)
    error = (sentence - stored) @ given.mean
    members[f"sent.{name}.bias"] = (pair[1][f"{name}.bias"] + error).half().numpy()
    wrong = clip - stored - restored_delta(members, f"clip.{name}.weight")
    members[f"clip.{name}.bias"] = (pair[0][f"{name}.bias"] + wrong @ given.mean).half().numpy()
    return members


def _delta(key: str, difference: Tensor, given: Inputs, choices: TextChoices) -> Members:
    """Return the best delta of the rank, in the norm of the inputs' covariance."""
    covariance, size = given.covariance, len(given.mean)
    damped = covariance + 1e-3 * covariance.diagonal().mean() * torch.eye(size)
    root = torch.linalg.cholesky(damped)
    u, s, v = torch.linalg.svd(difference @ root, full_matrices=False)
    scale = s[: choices.rank].sqrt()
    a = (u[:, : choices.rank] * scale).T.contiguous()
    solved = torch.linalg.solve_triangular(root.T, v[: choices.rank].T, upper=True).T
    b = solved * scale[:, None]
    bits = choices.delta_bits
    return by_row(f"{key}.a", a, bits) | by_row(f"{key}.b", b.contiguous(), bits)


def restored_delta(members: Members, key: str) -> Tensor:
    """Return the delta ``[out, in]`` as it will be expanded."""
    a, b = (
        torch.from_numpy(members[f"{key}.{part}.r"] * members[f"{key}.{part}.t"][:, None]).float()
        for part in "ab"
    )
    return a.T @ b
