"""Make tiny rerankers with random weights, a directory of its real class for each family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.tiny_model import (
    _CLIP_PREPROCESSING,
    _TOWER,
    _VISION,
    TEXT_LENGTH,
    _save,
    _save_letter_tokenizer,
    _write_json,
)

SIDE = 32
_PICTURES = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "size": {"height": SIDE, "width": SIDE},
}


def build_cross_encoder(dest: Path, *, labels: int = 1) -> Path:
    """Write a BERT that classifies pairs of texts."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(**_bert(_save_letter_tokenizer(dest)), num_labels=labels)
    return _save(BertForSequenceClassification, config, dest, 7)


def build_blip(dest: Path) -> Path:
    """Write a BLIP that matches pictures and texts."""
    from transformers import BlipConfig, BlipForImageTextRetrieval, BlipTextConfig, BlipVisionConfig

    text = BlipTextConfig(**_bert(_save_letter_tokenizer(dest)), encoder_hidden_size=32)
    vision = BlipVisionConfig(**_VISION)
    config = BlipConfig(text_config=text.to_dict(), vision_config=vision.to_dict())
    pixels = {**_PICTURES, "image_processor_type": "BlipImageProcessor"}
    return _save(BlipForImageTextRetrieval, config, dest, 7, pixels)


def build_blip2(dest: Path) -> Path:
    """Write a BLIP-2 that matches pictures and texts by its Q-Former."""
    from transformers import (
        Blip2Config,
        Blip2ForImageTextRetrieval,
        Blip2QFormerConfig,
        Blip2VisionConfig,
    )

    num_tokens = _save_letter_tokenizer(dest)
    former = Blip2QFormerConfig(
        **_bert(num_tokens), encoder_hidden_size=32, use_qformer_text_input=True
    )
    config = Blip2Config(
        qformer_config=former.to_dict(),
        vision_config=Blip2VisionConfig(**_VISION).to_dict(),
        num_query_tokens=4,
        image_text_hidden_size=16,
    )
    pixels = {**_PICTURES, "image_processor_type": "BlipImageProcessor"}
    return _save(Blip2ForImageTextRetrieval, config, dest, 7, pixels)


def build_vilt(dest: Path) -> Path:
    """Write a ViLT, which reads patches and words in one tower."""
    from transformers import ViltConfig, ViltForImageAndTextRetrieval

    bert = _bert(_save_letter_tokenizer(dest))
    config = ViltConfig(**bert, image_size=SIDE, patch_size=8, max_image_length=-1)
    pixels = {
        **_PICTURES,
        "image_processor_type": "ViltImageProcessor",
        "size": {"shortest_edge": SIDE},
        "size_divisor": 8,
        "do_pad": True,
    }
    return _save(ViltForImageAndTextRetrieval, config, dest, 7, pixels)


def build_bridge_tower(dest: Path) -> Path:
    """Write a BridgeTower, whose two towers meet in every layer."""
    from transformers import BridgeTowerConfig, BridgeTowerForImageAndTextRetrieval

    tower = {**_TOWER, "hidden_size": 64, "intermediate_size": 64}
    text = _bert(_save_letter_tokenizer(dest)) | tower
    config = BridgeTowerConfig(
        **tower,
        text_config={**text, "max_position_embeddings": TEXT_LENGTH + 2},
        vision_config={**_VISION, **tower},
    )
    pixels = {
        **_CLIP_PREPROCESSING,
        "crop_size": {"shortest_edge": SIDE},
        "image_processor_type": "BridgeTowerImageProcessor",
        "size_divisor": 8,
        "do_pad": True,
    }
    return _save(BridgeTowerForImageAndTextRetrieval, config, dest, 7, pixels)


def build_colbert(dest: Path, *, settings: dict[str, Any] | None = None) -> Path:
    """Write a BERT for late interaction; ``settings`` as PyLate writes them, with a projection."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    config = BertConfig(**_bert(_save_letter_tokenizer(dest)))
    _save(BertModel, config, dest, 7)
    if settings is not None:
        _write_json(dest / "config_sentence_transformers.json", settings)
        kinds = {"": "sentence_transformers.models.Transformer", "1_Dense": "pylate.models.Dense"}
        modules = [{"path": path, "type": f"{kind}"} for path, kind in kinds.items()]
        _write_json(dest / "modules.json", modules)
        _write_json(dest / "1_Dense" / "config.json", {"bias": False})
        weight = torch.randn(8, 32, generator=torch.Generator().manual_seed(7))
        save_file({"linear.weight": weight}, dest / "1_Dense" / "model.safetensors")
    return dest


def build_col_qwen2(dest: Path) -> Path:
    """Write a ColQwen2, which gives each patch of a page a vector."""
    from transformers import (
        ColQwen2Config,
        ColQwen2ForRetrieval,
        ColQwen2Processor,
        Qwen2VLImageProcessor,
    )

    special = ["<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = _tokenizer([*special, "<|endoftext|>"])
    pixels = Qwen2VLImageProcessor(
        patch_size=4, merge_size=2, min_pixels=8 * 8, max_pixels=SIDE * SIDE
    )
    vision = {
        "depth": 1,
        "embed_dim": 32,
        "hidden_size": 32,
        "num_heads": 2,
        "patch_size": 4,
        "spatial_merge_size": 2,
    }
    text = {
        **_decoder(tokenizer),
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3]},
    }
    both = {
        "model_type": "qwen2_vl",
        "text_config": text,
        "vision_config": vision,
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
    }
    _save(ColQwen2ForRetrieval, ColQwen2Config(vlm_config=both, embedding_dim=16), dest, 7)
    ColQwen2Processor(image_processor=pixels, tokenizer=tokenizer).save_pretrained(dest)
    return dest


def build_col_pali(dest: Path) -> Path:
    """Write a ColPali: PaliGemma, which reads patches and words in one decoder."""
    from transformers import (
        ColPaliConfig,
        ColPaliForRetrieval,
        ColPaliProcessor,
        SiglipImageProcessor,
    )

    tokenizer = _tokenizer(["<image>"])
    tokenizer.bos_token, tokenizer.image_token = "[CLS]", "<image>"
    tokenizer.image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    pixels = SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    pixels.image_seq_length = (SIDE // 8) ** 2
    processor = ColPaliProcessor(image_processor=pixels, tokenizer=tokenizer)
    vision = {**_VISION, "model_type": "siglip_vision_model", "projection_dim": 32}
    text = {**_decoder(tokenizer), "model_type": "gemma", "num_key_value_heads": 2, "head_dim": 16}
    both = {
        "model_type": "paligemma",
        "vision_config": vision,
        "text_config": text,
        "image_token_index": tokenizer.image_token_id,
        "projection_dim": 32,
        "hidden_size": 32,
    }
    _save(ColPaliForRetrieval, ColPaliConfig(vlm_config=both, embedding_dim=16), dest, 7)
    processor.save_pretrained(dest)
    return dest


def build_col_modern_vbert(dest: Path) -> Path:
    """Write a ColModernVBERT: an encoder of words that also reads patches."""
    from transformers import (
        ColModernVBertConfig,
        ColModernVBertForRetrieval,
        ColModernVBertProcessor,
        Idefics3ImageProcessor,
    )

    places = [f"<row_{i + 1}_col_{j + 1}>" for i in range(6) for j in range(6)]
    special = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"]
    tokenizer = _tokenizer([*special, *places, "<|begin_of_text|>"])
    pixels = Idefics3ImageProcessor(
        size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}
    )
    processor = ColModernVBertProcessor(pixels, tokenizer, image_seq_len=(SIDE // 8 // 2) ** 2)
    vision = {**_VISION, "model_type": "siglip_vision_model"}
    text = {**_decoder(tokenizer), "model_type": "modernbert"}
    text |= {"cls_token_id": 2, "sep_token_id": 3, "local_attention": 16}
    both = {
        "model_type": "modernvbert",
        "vision_config": vision,
        "text_config": text,
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "pixel_shuffle_factor": 2,
    }
    config = ColModernVBertConfig(vlm_config=both, embedding_dim=16)
    _save(ColModernVBertForRetrieval, config, dest, 7)
    processor.save_pretrained(dest)
    return dest


def build_stanford_colbert(dest: Path) -> Path:
    """Write a ColBERT as its authors save it: a BERT with one linear layer behind it."""
    import torch
    from safetensors.torch import load_file, save_file

    build_colbert(dest)
    config = json.loads((dest / "config.json").read_text())
    _write_json(dest / "config.json", config | {"architectures": ["HF_ColBERT"]})
    weights = {f"bert.{k}": v for k, v in load_file(dest / "model.safetensors").items()}
    weights["linear.weight"] = torch.randn(8, 32, generator=torch.Generator().manual_seed(7))
    save_file(weights, dest / "model.safetensors", {"format": "pt"})
    return dest


def build_neomme(dest: Path) -> Path:
    """Write a NeoMME, which reads pages and passages in one tower."""
    from transformers import NeoMMEConfig, NeoMMEForRetrieval

    tokenizer = _tokenizer(["<doc>", "<query>", "<img>", "<row>"])
    names = {"document": "<doc>", "query": "<query>", "image": "<img>", "row": "<row>"}
    for name, token in names.items():
        tokenizer._set_model_specific_special_tokens({f"{name}_token": token})
    config = NeoMMEConfig(
        **_TOWER,
        vocab_size=len(tokenizer),
        num_key_value_heads=2,
        head_dim=16,
        embedding_rank=16,
        embedding_dim=16,
        patch_size=8,
        document_token_id=tokenizer.convert_tokens_to_ids("<doc>"),
        image_token_id=tokenizer.convert_tokens_to_ids("<img>"),
    )
    _save(NeoMMEForRetrieval, config, dest, 7)
    template = (
        "{% for m in messages %}{{ '<query>' if task == 'query' else '<doc>' }}"
        "{% for c in m['content'] %}{{ '<img>' if c['type'] == 'image' else c['text'] }}"
        "{% endfor %}{% endfor %}"
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(dest)
    _write_json(dest / "preprocessor_config.json", {"patch_size": 8, "max_side": 64})
    return dest


def build_judge(dest: Path) -> Path:
    """Write a LLaVA of two layers that can be asked about a picture."""
    from transformers import (
        CLIPImageProcessor,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = _tokenizer(["<image>"])
    text = {**_decoder(tokenizer), "model_type": "llama"}
    config = LlavaConfig(
        text_config=text,
        vision_config={**_VISION, "model_type": "clip_vision_model"},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )
    _save(LlavaForConditionalGeneration, config, dest, 7)
    template = (
        "{% for m in messages %}{% for c in m['content'] %}"
        "{{ '<image>' if c['type'] == 'image' else c['text'] }}{% endfor %}{% endfor %}"
    )
    size = {"height": SIDE, "width": SIDE}
    LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=size),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    ).save_pretrained(dest)
    return dest


def build_shield(dest: Path) -> Path:
    """Write a ShieldGemma 2 of two layers that judges pictures by policies."""
    from transformers import (
        Gemma3ImageProcessor,
        ShieldGemma2Config,
        ShieldGemma2ForImageClassification,
        ShieldGemma2Processor,
    )

    names = ("<boi>", "<eoi>", "<image_soft_token>", "Yes", "No")
    tokenizer = _tokenizer(list(names))
    begin, end, patch, yes, no = (tokenizer.convert_tokens_to_ids(name) for name in names)
    for kind, token in zip(("boi", "eoi", "image"), names, strict=False):
        tokenizer._set_model_specific_special_tokens({f"{kind}_token": token})
    text = {**_decoder(tokenizer), "num_key_value_heads": 2, "head_dim": 16}
    config = ShieldGemma2Config(
        text_config={**text, "model_type": "gemma3_text"},
        vision_config={**_VISION, "model_type": "siglip_vision_model"},
        mm_tokens_per_image=4,
        boi_token_index=begin,
        eoi_token_index=end,
        image_token_index=patch,
    )
    config.yes_token_index, config.no_token_index = yes, no
    _save(ShieldGemma2ForImageClassification, config, dest, 7)
    template = (
        "{% for m in messages %}{% for c in m['content'] %}"
        "{{ '<boi>' if c['type'] == 'image' else c['text'] }}{% endfor %}{% endfor %}"
    )
    ShieldGemma2Processor(
        image_processor=Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE}),
        tokenizer=tokenizer,
        chat_template=template,
        image_seq_length=4,
    ).save_pretrained(dest)
    return dest


def _tokenizer(special: list[str]) -> Any:
    """Return a tokenizer that reads letter by letter and has these tokens beside."""
    import tempfile

    from transformers import BertTokenizer

    with tempfile.TemporaryDirectory() as folder:
        _save_letter_tokenizer(Path(folder))
        tokenizer = BertTokenizer.from_pretrained(folder, model_max_length=4096)
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    return tokenizer


def _decoder(tokenizer: Any) -> dict[str, Any]:
    return {
        **_TOWER,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 4096,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
    }


def _bert(num_tokens: int) -> dict[str, Any]:
    return {
        **_TOWER,
        "vocab_size": num_tokens,
        "max_position_embeddings": TEXT_LENGTH,
        "pad_token_id": 0,
    }
