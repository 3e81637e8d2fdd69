"""Say how a model's texts are prepared: tokenizer, length, prompts, pooling.

Owns the reading of the tokenizer's and sentence-transformers' configuration files, but for its
modules (``sentence_modules``); refuses to tokenise. Two equal fingerprints give equal inputs to the
model, and the same way from its tokens to a vector.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models.folder import ModelFiles, digest, hash_of, read_list, read_object
from crossmodal.models.kinds import ModelKind
from crossmodal.models.sentence_modules import Step, sentence_modules

TEXT_REVISION = 1
"""Raised when the same settings would give other tokens or vectors; part of the fingerprint."""

TOKENIZER_FILE = "tokenizer.json"
_OTHER_TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "added_tokens.json",
)
_TOKENIZER_SETTINGS = (
    "do_lower_case",
    "strip_accents",
    "tokenize_chinese_chars",
    "add_prefix_space",
    "add_bos_token",
    "add_eos_token",
)
# Trained without a mask, so that the padding is a part of the text.
_UNMASKED = {"siglip", "siglip2"}
# What serves texts as sentence-transformers do: with prompts, and pooled here.
_WITH_PROMPTS = {"sentence", "gemma", "qwen"}
# What Qwen3-VL embedding models are told where their folder does not say otherwise, as in the
# script that is published beside them.
_QWEN_DOCUMENT = "Represent the user's input."
_QWEN_QUERY = "Retrieve images or text relevant to the user's query."
_NO_LIMIT = 10**9
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPreprocess:
    """Hold all that decides what a text's vector is, next to the weights."""

    tokenizer: str
    """SHA-256 over the tokenizer's files and settings."""
    max_length: int
    """Tokens of one text that the model reads, special ones included."""
    lower_case: bool = False
    pad_to_max: bool = False
    """SigLIP was trained without a mask: it attends to the padding."""
    pooling: str = ""
    """Some of ``sentence_modules.POOLINGS``, joined by +; empty where the model pools by itself."""
    steps: tuple[Step, ...] = ()
    """What a vector goes through after the pooling."""
    document_prompt: str = ""
    query_prompt: str = ""

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of all that decides a text's vector but the weights."""
        settings = asdict(self)
        if not self.steps:  # versions without any are older than the steps
            del settings["steps"]
        return digest({**settings, "text_revision": TEXT_REVISION})

    @property
    def num_poolings(self) -> int:
        """Return how many pooled vectors stand one after the other."""
        return self.pooling.count("+") + 1


def readable(text: str) -> str:
    """Return the text with half characters replaced, as long as before: tokenizers take none."""
    return _SURROGATE.sub("\ufffd", text)


def text_preprocess(files: ModelFiles, kind: ModelKind) -> TextPreprocess:
    """Return how the model's texts are prepared.

    Raises:
        ModelUnavailable: The tokenizer's files are missing.
        ModelUnsupported: A step is unknown, or a file is damaged.
    """
    folder = files.directory
    if kind.encoders["text"] not in _WITH_PROMPTS:
        return TextPreprocess(
            tokenizer=_tokenizer_hash(files),
            max_length=_max_length(files, kind, None),
            lower_case=kind.model_type == "siglip2",
            pad_to_max=kind.model_type in _UNMASKED,
        )
    sentence = read_object(folder, "sentence_bert_config.json")
    document, query = _prompts(read_object(folder, "config_sentence_transformers.json"))
    modules = sentence_modules(files, bool(document or query))
    pooling = modules.pooling
    if kind.encoders["text"] == "qwen":
        document, query = document or _QWEN_DOCUMENT, query or _QWEN_QUERY
        pooling = pooling if read_list(folder, "modules.json") else "lasttoken"
    return TextPreprocess(
        tokenizer=_tokenizer_hash(files),
        max_length=_max_length(files, kind, sentence.get("max_seq_length")),
        lower_case=bool(sentence.get("do_lower_case")),
        pooling=pooling,
        steps=modules.steps,
        document_prompt=document,
        query_prompt=query,
    )


def _tokenizer_hash(files: ModelFiles) -> str:
    folder = files.directory
    found = [folder / TOKENIZER_FILE]
    if not found[0].is_file():
        found = [path for name in _OTHER_TOKENIZER_FILES if (path := folder / name).is_file()]
    if not found:
        raise ModelUnavailable(
            f"{folder} has no tokenizer: copy the model's {TOKENIZER_FILE} there too"
        )
    config = read_object(folder, "tokenizer_config.json")
    settings = {key: config[key] for key in _TOKENIZER_SETTINGS if config.get(key) is not None}
    return digest({"files": hash_of(tuple(found)), "settings": settings})


def _max_length(files: ModelFiles, kind: ModelKind, wanted: Any) -> int:
    """Return the shorter of what the tokenizer gives and what there are positions for."""
    limit = wanted or read_object(files.directory, "tokenizer_config.json").get("model_max_length")
    try:
        length = int(min(float(limit or _NO_LIMIT), kind.num_positions))
    except (TypeError, ValueError) as error:
        raise ModelUnsupported(f"{files.name} reads texts up to {limit!r} tokens") from error
    if length < 1:
        raise ModelUnsupported(f"{files.name} reads texts up to {limit!r} tokens")
    return length


def _prompts(config: dict[str, Any]) -> tuple[str, str]:
    """Return what goes before a document and before a query, as sentence-transformers chooses."""
    prompts = config.get("prompts")
    if not isinstance(prompts, dict):
        return "", ""
    default = prompts.get(config.get("default_prompt_name"))
    documents = (prompts.get(name) for name in ("document", "passage", "corpus"))
    document = next((prompt for prompt in documents if prompt is not None), default)
    query = prompts.get("query")
    return str(document or ""), str((default if query is None else query) or "")
