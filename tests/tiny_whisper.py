"""Make a tiny Whisper of its real class that says "so" about once a second, whatever it hears.

Random weights would say nothing that holds twice. Here the last layer norm leaves a constant, so
that the model prefers a word to any other, and whole seconds to other times; Whisper's own rules of
decoding turn that into segments.
"""

from __future__ import annotations

from pathlib import Path

WORD = "so"
_SIZE = 16


def build_tiny_whisper(dest: Path, *, word: str = WORD, no_speech: bool = False) -> Path:
    """Write the model's directory; with ``no_speech`` it takes everything for silence."""
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    special = ["<|startoftranscript|>", "<|transcribe|>", "<|startofprev|>", "<|nospeech|>"]
    tokenizer = WhisperTokenizer(
        vocab={f"\u0120{word}": 0, "<|endoftext|>": 1},
        merges=[],
        extra_special_tokens=[*special, "<|notimestamps|>"],
    )
    end, start, silent, untimed = (
        tokenizer.convert_tokens_to_ids(name)
        for name in ("<|endoftext|>", special[0], special[3], "<|notimestamps|>")
    )
    config = WhisperConfig(
        vocab_size=untimed + 1502,
        d_model=_SIZE,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=_SIZE,
        decoder_ffn_dim=_SIZE,
        max_target_positions=64,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
    )
    torch.manual_seed(3)
    model = WhisperForConditionalGeneration(config)
    with torch.no_grad():
        decoder = model.model.decoder
        decoder.layer_norm.weight.zero_()
        decoder.layer_norm.bias.fill_(1.0)
        words = decoder.embed_tokens.weight
        words.zero_()
        words[0] = 60 / _SIZE
        words[untimed + 1 :: 50] = 57 / _SIZE
        words[silent] = (90 if no_speech else 0) / _SIZE
    model.generation_config = GenerationConfig(
        suppress_tokens=[silent],
        begin_suppress_tokens=[],
        no_timestamps_token_id=untimed,
        decoder_start_token_id=start,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        max_initial_timestamp_index=50,
        max_length=64,
        return_timestamps=False,
        is_multilingual=False,
    )
    model.save_pretrained(dest)
    WhisperProcessor(WhisperFeatureExtractor(feature_size=80), tokenizer).save_pretrained(dest)
    return dest
