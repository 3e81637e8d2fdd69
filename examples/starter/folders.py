"""Write the folders of ordinary models that the built-in model is made of, or made from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from crossmodal.models.starter import unpack
from examples.starter.sources import VISION, bert_settings, weights_of

_TEXT_SIDE = ("text_model.", "text_projection.", "logit_scale")


def image_text_config(tower: Path) -> Any:
    """Return the configuration of the image-text model: float16 on disk, float32 in memory."""
    from transformers import BertConfig, CLIPVisionConfig, VisionTextDualEncoderConfig

    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        CLIPVisionConfig(**VISION),
        BertConfig(**bert_settings(tower)),
        projection_dim=VISION["projection_dim"],
    )
    config.architectures = ["VisionTextDualEncoderModel"]
    config.dtype = "float32"
    return config


def write_image_text_files(tower: Path, out: Path) -> None:
    """Write what an image-text model has beside its weights and its tokenizer."""
    from transformers import CLIPImageProcessorPil

    size = {"height": VISION["image_size"], "width": VISION["image_size"]}
    process = CLIPImageProcessorPil(size={"shortest_edge": VISION["image_size"]}, crop_size=size)
    process.save_pretrained(out)
    image_text_config(tower).save_pretrained(out)


def write_base(vision: Path, tower: Path, out: Path) -> None:
    """Write the image-text model of a ``vision.npz`` and a text tower, to be trained further."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tower / name, out / name)
    write_image_text_files(tower, out)
    images = {key: torch.from_numpy(value.copy()) for key, value in unpack.tensors(vision).items()}
    texts = {k: v for k, v in weights_of(tower).items() if k.startswith(_TEXT_SIDE)}
    save_file(images | texts, out / "model.safetensors", metadata={"format": "pt"})
