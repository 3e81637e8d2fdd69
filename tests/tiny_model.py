"""Make tiny models with random weights: offline, deterministic, a second or less.

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


_LIBRARY = "sentence_transformers.models"
_SPECIAL = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}

SIGLIP2_PREPROCESSING = {
    "image_processor_type": "Siglip2ImageProcessor",
    "patch_size": 8,
    "max_num_patches": 16,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "rescale_factor": 1 / 255,
}


QWEN_PREPROCESSING = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "patch_size": 4,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "size": {"shortest_edge": 256, "longest_edge": 4096},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
}
QWEN_CLIPS = {
    **{key: QWEN_PREPROCESSING[key] for key in ("patch_size", "merge_size", "temporal_patch_size")},
    "video_processor_type": "Qwen3VLVideoProcessor",
    "size": {"shortest_edge": 512, "longest_edge": 3072},
}
GEMMA_PREPROCESSING = {
    "image_processor": {
        "image_processor_type": "Gemma4ImageProcessor",
        "patch_size": 4,
        "pooling_kernel_size": 2,
        "max_soft_tokens": 70,
        "do_normalize": False,
        "image_mean": [0.0, 0.0, 0.0],
        "image_std": [1.0, 1.0, 1.0],
        "resample": 3,
    },
    "video_processor": {
        "video_processor_type": "EmbeddingGemma2VideoProcessor",
        "patch_size": 4,
        "pooling_kernel_size": 2,
        "max_soft_tokens": 16,
    },
    "feature_extractor": {
        "feature_extractor_type": "Gemma4AudioFeatureExtractor",
        "feature_size": 32,
        "sampling_rate": 16000,
    },
}


_CLAP_PREPROCESSING = {
    "feature_extractor_type": "ClapFeatureExtractor",
    "sampling_rate": 8000,
    "max_length_s": 1,
    "fft_window_size": 256,
    "hop_length": 80,
    "feature_size": 16,
    "frequency_min": 50,
    "frequency_max": 3500,
    "padding": "repeatpad",
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


def build_tiny_siglip2(dest: Path, seed: int = SEED) -> Path:
    """Write a SigLIP 2 of up to 16 patches an image (NaFlex) and return its directory."""
    from transformers import Siglip2Config, Siglip2Model

    num_tokens = _save_tokenizer(dest)
    vision = {**_TOWER, "patch_size": 8, "num_patches": 16}
    config = Siglip2Config(text_config={**_TOWER, **_text(num_tokens)}, vision_config=vision)
    return _save(Siglip2Model, config, dest, seed, SIGLIP2_PREPROCESSING)


def build_tiny_tipsv2(dest: Path, seed: int = SEED) -> Path:
    """Write a TIPSv2 of two layers a tower, as published without its temperature."""
    from safetensors.torch import load_file, save_file
    from transformers import Tipsv2Config, Tipsv2Model

    num_tokens = _save_letter_tokenizer(dest)
    text = {**_TOWER, "vocab_size": num_tokens, "max_position_embeddings": TEXT_LENGTH}
    vision = {**_TOWER, "image_size": IMAGE_SIZE, "patch_size": 8}
    config = Tipsv2Config(text_config=text, vision_config=vision)
    preprocessing = {
        "image_processor_type": "Tipsv2ImageProcessor",
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    }
    _save(Tipsv2Model, config, dest, seed, preprocessing)
    weights = load_file(dest / "model.safetensors")
    del weights["temperature"]
    save_file(weights, dest / "model.safetensors", {"format": "pt"})
    return dest


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


def build_tiny_sentence(
    dest: Path,
    seed: int = SEED,
    *,
    pooling: str = "mean",
    prompts: dict[str, str] | None = None,
    max_length: int = TEXT_LENGTH,
) -> Path:
    """Write a BERT of two layers as sentence-transformers saves it and return its directory.

    ``max_length`` is what its own configuration asks for; it has positions for TEXT_LENGTH tokens.
    """
    from transformers import BertConfig, BertModel

    num_tokens = _save_letter_tokenizer(dest)
    config = BertConfig(
        **_TOWER, vocab_size=num_tokens, max_position_embeddings=TEXT_LENGTH, pad_token_id=0
    )
    _save(BertModel, config, dest, seed)
    modules = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    _write_json(
        dest / "modules.json",
        [
            {"idx": idx, "name": str(idx), "path": path, "type": f"sentence_transformers.{kind}"}
            for idx, (path, kind) in enumerate(modules.items())
        ],
    )
    _write_json(dest / "1_Pooling" / "config.json", {"pooling_mode": pooling})
    _write_json(dest / "sentence_bert_config.json", {"max_seq_length": max_length})
    _write_json(dest / "config_sentence_transformers.json", {"prompts": prompts or {}})
    return dest


def build_tiny_t5(dest: Path, seed: int = SEED) -> Path:
    """Write the encoder of a T5 of two layers, as GTR and sentence-t5 have it."""
    from transformers import T5Config, T5EncoderModel

    num_tokens = _save_letter_tokenizer(dest)
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    return _save(T5EncoderModel, T5Config(vocab_size=num_tokens, **sizes), dest, seed)


def build_tiny_gemma3(dest: Path, seed: int = SEED) -> Path:
    """Write a text model of two layers that reads both ways, as EmbeddingGemma does."""
    from transformers import Gemma3TextConfig, Gemma3TextModel

    num_tokens = _save_letter_tokenizer(dest)
    config = Gemma3TextConfig(
        **_TOWER,
        num_key_value_heads=1,
        head_dim=16,
        vocab_size=num_tokens,
        max_position_embeddings=TEXT_LENGTH,
        use_bidirectional_attention=True,
        **_SPECIAL,
    )
    return _save(Gemma3TextModel, config, dest, seed)


def chain_modules(
    model: Path, pooling: str | list[str], *steps: tuple[str, dict[str, Any]], seed: int = SEED
) -> Path:
    """Write modules.json of sentence-transformers and the modules behind a model, random.

    A step is a module's name and its config.json.
    """
    import torch
    from safetensors.torch import save_file

    kinds = [("Transformer", {}), ("Pooling", {"embedding_dimension": DIM}), *steps]
    kinds[1][1]["pooling_mode"] = pooling
    paths = ["", *(f"{number}_{kind}" for number, (kind, _) in enumerate(kinds) if number)]
    _write_json(
        model / "modules.json",
        [
            {"idx": idx, "name": str(idx), "path": path, "type": f"{_LIBRARY}.{kind}"}
            for idx, (path, (kind, _)) in enumerate(zip(paths, kinds, strict=True))
        ],
    )
    _write_json(model / "sentence_bert_config.json", {"max_seq_length": TEXT_LENGTH})
    random = torch.Generator().manual_seed(seed)
    for path, (kind, config) in list(zip(paths, kinds, strict=True))[1:]:
        _write_json(model / path / "config.json", config)
        shapes = _shapes(kind, config)
        if shapes:
            tensors = {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}
            save_file(tensors, model / path / "model.safetensors")
    return model


def _shapes(kind: str, config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    if kind == "LayerNorm":
        return dict.fromkeys(("norm.weight", "norm.bias"), (config["dimension"],))
    if kind != "Dense":
        return {}
    shape = (config["out_features"], config["in_features"])
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": shape}
    if config.get("bias", True):
        shapes["linear.bias"] = shape[:1]
    if config.get("use_residual") and shape[0] != shape[1]:
        shapes["residual.weight"] = shape
    return shapes


def build_tiny_clap(dest: Path, seed: int = SEED, *, fused: bool = False) -> Path:
    """Write a CLAP that hears one second at 8 kHz and return its directory."""
    from transformers import ClapAudioConfig, ClapConfig, ClapModel, ClapTextConfig

    num_tokens = _save_letter_tokenizer(dest)
    text = {**_TOWER, "vocab_size": num_tokens, "pad_token_id": 0, "bos_token_id": 2}
    audio = {
        "spec_size": 64,
        "num_mel_bins": 16,
        "window_size": 4,
        "depths": [1, 1],
        "num_hidden_layers": 2,
        "num_attention_heads": [2, 2],
        "patch_embeds_hidden_size": 8,
        "hidden_size": 16,
        "enable_fusion": fused,
        "fusion_type": "aff_2d" if fused else None,
        "patch_embed_input_channels": 1,
    }
    config = ClapConfig(
        text_config=ClapTextConfig(**text, max_position_embeddings=TEXT_LENGTH + 1, eos_token_id=3),
        audio_config=ClapAudioConfig(**audio),
        projection_dim=DIM,
    )
    preprocessing = {**_CLAP_PREPROCESSING, "truncation": "fusion" if fused else "rand_trunc"}
    return _save(ClapModel, config, dest, seed, preprocessing)


def build_tiny_pe_audio(dest: Path, seed: int = SEED) -> Path:
    """Write a PE-Audio that hears at 8 kHz, 20 samples a step, and return its directory."""
    from transformers import PeAudioConfig, PeAudioModel

    num_tokens = _save_letter_tokenizer(dest)
    special = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3}
    text = {**_TOWER, **special, "bos_token_id": 2, "eos_token_id": 3, "model_type": "modernbert"}
    codec = {"encoder_hidden_size": 8, "downsampling_ratios": [4, 5], "codebook_dim": 8}
    config = PeAudioConfig(
        text_config=text | {"vocab_size": num_tokens, "max_position_embeddings": TEXT_LENGTH},
        audio_config={
            **_TOWER,
            "head_dim": 16,
            "dac_config": {**codec, "model_type": "dac", "hidden_size": 16},
        },
    )
    preprocessing = {
        "feature_extractor_type": "PeAudioFeatureExtractor",
        "sampling_rate": 8000,
        "hop_length": 20,
        "feature_size": 1,
    }
    return _save(PeAudioModel, config, dest, seed, preprocessing)


def build_tiny_gemma(dest: Path, seed: int = SEED, *, hears: bool = True) -> Path:
    """Write an EmbeddingGemma 2 of two layers a tower, with or without one that hears."""
    from transformers import AutoTokenizer, EmbeddingGemma2Config, EmbeddingGemma2Model

    _save_letter_tokenizer(dest)
    tokenizer = AutoTokenizer.from_pretrained(dest)
    names = ["<boi>", "<eoi>", "<image>", "<video>", "<boa>", "<eoa>", "<audio>"]
    tokenizer.add_special_tokens({"additional_special_tokens": names})
    tokenizer.save_pretrained(dest)
    boi, eoi, image, video, boa, eoa, audio = tokenizer.convert_tokens_to_ids(names)
    heads = {"num_key_value_heads": 2, "head_dim": 16}
    layers = {"sliding_window": 8, "sliding_window_pattern": 2, "hidden_size_per_layer_input": 8}
    config = EmbeddingGemma2Config(
        text_config={
            **_TOWER,
            **heads,
            **layers,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 4 * TEXT_LENGTH,
            "global_head_dim": 16,
            "num_global_key_value_heads": 1,
            "embedding_dim": DIM,
        },
        vision_config={
            **_TOWER,
            **heads,
            "model_type": "gemma4_vision",
            "patch_size": 4,
            "pooling_kernel_size": 2,
            "position_embedding_size": 256,
        },
        audio_config={
            "model_type": "gemma4_audio",
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "subsampling_conv_channels": [32, 4],
            "output_proj_dims": 32,
        }
        if hears
        else None,
        **{"boi_token_id": boi, "eoi_token_id": eoi, "image_token_id": image},
        **{"video_token_id": video, "boa_token_id": boa, "eoa_token_index": eoa},
        audio_token_id=audio,
    )
    _save(EmbeddingGemma2Model, config, dest, seed)
    _write_json(dest / "processor_config.json", GEMMA_PREPROCESSING)
    return dest


def build_tiny_qwen(dest: Path, seed: int = SEED, *, instruction: str = "") -> Path:
    """Write a Qwen3-VL of two layers a tower; ``instruction`` is for passages and queries alike."""
    from transformers import AutoTokenizer, Qwen3VLConfig, Qwen3VLForConditionalGeneration

    _save_letter_tokenizer(dest, 10 * TEXT_LENGTH)
    if instruction:
        prompts = {"document": instruction, "query": instruction}
        _write_json(dest / "config_sentence_transformers.json", {"prompts": prompts})
    tokenizer = AutoTokenizer.from_pretrained(dest)
    names = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
    names += ["<|image_pad|>", "<|video_pad|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": names})
    tokenizer.save_pretrained(dest)
    _, _, start, end, image, video = tokenizer.convert_tokens_to_ids(names)
    config = Qwen3VLConfig(
        text_config={
            **_TOWER,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 40 * TEXT_LENGTH,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [4, 2, 2],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            **{"hidden_size": 32, "intermediate_size": 64, "depth": 2, "num_heads": 2},
            **{"patch_size": 4, "out_hidden_size": 32, "num_position_embeddings": 64},
            "deepstack_visual_indexes": [0],
        },
        **{"image_token_id": image, "video_token_id": video},
        **{"vision_start_token_id": start, "vision_end_token_id": end},
    )
    _write_json(dest / "video_preprocessor_config.json", QWEN_CLIPS)
    return _save(Qwen3VLForConditionalGeneration, config, dest, seed, QWEN_PREPROCESSING)


def build_tiny_metaclip_2(dest: Path, seed: int = SEED) -> Path:
    """Write a MetaCLIP 2 of two layers a tower and return its directory."""
    from transformers import MetaClip2Config, MetaClip2Model

    num_tokens = _save_tokenizer(dest)
    config = MetaClip2Config(
        text_config={**_TOWER, **_text(num_tokens)}, vision_config=_VISION, projection_dim=DIM
    )
    return _save(MetaClip2Model, config, dest, seed, _CLIP_PREPROCESSING)


def build_tiny_altclip(dest: Path, seed: int = SEED) -> Path:
    """Write an AltCLIP of two layers a tower and return its directory."""
    from transformers import AltCLIPConfig, AltCLIPModel

    num_tokens = _save_letter_tokenizer(dest)
    text = {**_TOWER, "vocab_size": num_tokens, "pad_token_id": 0, "project_dim": DIM}
    config = AltCLIPConfig(
        text_config=text | {"max_position_embeddings": TEXT_LENGTH + 1},
        vision_config=_VISION,
        projection_dim=DIM,
    )
    return _save(AltCLIPModel, config, dest, seed, _CLIP_PREPROCESSING)


def build_tiny_chinese_clip(dest: Path, seed: int = SEED) -> Path:
    """Write a Chinese-CLIP of two layers a tower and return its directory."""
    from transformers import ChineseCLIPConfig, ChineseCLIPModel

    num_tokens = _save_letter_tokenizer(dest)
    text = {**_TOWER, "vocab_size": num_tokens, "pad_token_id": 0}
    config = ChineseCLIPConfig(
        text_config=text | {"max_position_embeddings": TEXT_LENGTH},
        vision_config=_VISION,
        projection_dim=DIM,
    )
    return _save(ChineseCLIPModel, config, dest, seed, _CLIP_PREPROCESSING)


def _text(num_tokens: int) -> dict[str, int]:
    return {
        "vocab_size": num_tokens,
        "max_position_embeddings": TEXT_LENGTH,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }


def _save(
    model_class: Any,
    config: Any,
    dest: Path,
    seed: int,
    preprocessing: dict[str, Any] | None = None,
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
        # A spectrogram is in decibels, which a trained model has learned to expect.
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d) and module.num_features > DIM // 4:
                module.running_mean.fill_(-40)
                module.running_var.fill_(1000)
    model.save_pretrained(dest)
    if preprocessing:
        _write_json(dest / "preprocessor_config.json", preprocessing)
    return dest


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2))


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


def _save_letter_tokenizer(dest: Path, length: int = TEXT_LENGTH) -> int:
    """Write a tokenizer that reads letter by letter, as BERT does, and return how many it has."""
    from transformers import BertTokenizer

    letters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = BertTokenizer(vocab=vocabulary, model_max_length=length)
    dest.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(dest)
    return len(vocabulary)
