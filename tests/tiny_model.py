"""Make tiny image-text models with random weights: offline, deterministic, a second or less.

Their vectors mean nothing, but they are real transformers directories that load, tokenise and
embed like large ones. Importing this module costs nothing; building needs torch.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

SEED = 7
DIM = 32
IMAGE_SIZE = 32
TEXT_LENGTH = 24

_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_VISION = {**_TOWER, "image_size": IMAGE_SIZE, "patch_size": 8}
_CLIP_PREPROCESSING = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": IMAGE_SIZE},
    "crop_size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "rescale_factor": 1 / 255,
}
_SIGLIP_PREPROCESSING = {
    "image_processor_type": "SiglipImageProcessor",
    "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
    "rescale_factor": 1 / 255,
}


def build_tiny_clip(dest: Path, seed: int = SEED) -> Path:
    """Write a CLIP of two layers a tower and return its directory; another seed, other weights."""
    from transformers import CLIPConfig, CLIPModel

    num_tokens = _save_tokenizer(dest)
    text = {**_TOWER, **_text(num_tokens)}
    config = CLIPConfig(text_config=text, vision_config=_VISION, projection_dim=DIM)
    return _save(CLIPModel, config, dest, seed, _CLIP_PREPROCESSING)


def build_tiny_siglip(dest: Path, seed: int = SEED) -> Path:
    """Write a SigLIP of two layers a tower and return its directory."""
    from transformers import SiglipConfig, SiglipModel

    num_tokens = _save_tokenizer(dest)
    text = {**_TOWER, **_text(num_tokens)}
    config = SiglipConfig(text_config=text, vision_config=_VISION)
    return _save(SiglipModel, config, dest, seed, _SIGLIP_PREPROCESSING)


def build_tiny_dual_encoder(dest: Path, seed: int = SEED) -> Path:
    """Write a CLIP vision tower joined to a BERT text tower and return its directory."""
    from transformers import (
        BertConfig,
        CLIPVisionConfig,
        VisionTextDualEncoderConfig,
        VisionTextDualEncoderModel,
    )

    num_tokens = _save_tokenizer(dest)
    text = BertConfig(**_TOWER, **_text(num_tokens))
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        CLIPVisionConfig(**_VISION), text, projection_dim=DIM
    )
    return _save(VisionTextDualEncoderModel, config, dest, seed, _CLIP_PREPROCESSING)


def _text(num_tokens: int) -> dict[str, int]:
    return {
        "vocab_size": num_tokens,
        "max_position_embeddings": TEXT_LENGTH,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }


def _save(
    model_class: Any, config: Any, dest: Path, seed: int, preprocessing: dict[str, Any]
) -> Path:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)
        # Fresh towers are near zero; spread weights keep the vectors of two pictures apart.
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(dest)
    (dest / "preprocessor_config.json").write_text(json.dumps(preprocessing, indent=2))
    return dest


def _save_tokenizer(dest: Path) -> int:
    """Write a character-level CLIP tokenizer and return how many tokens it has."""
    from transformers import CLIPTokenizer

    letters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=TEXT_LENGTH)
    dest.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(dest)
    return len(vocabulary)
