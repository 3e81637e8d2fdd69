"""Say how a model's texts are prepared: tokenizer, length, prompts, pooling.

Owns the reading of the tokenizer's and sentence-transformers' configuration files; refuses to
tokenise. A module that it does not know is refused, because a silently skipped step would give
vectors of another space. Two equal fingerprints give equal inputs to the model.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models.folder import ModelFiles, digest, hash_of, read_list, read_object
from crossmodal.models.kinds import ModelKind

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
_OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# A mean over the square root of the length differs from the mean by its length only, and every
# vector is brought to length 1.
_POOLINGS = {
    "cls": "cls",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean",
    "lasttoken": "lasttoken",
}


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
    """cls, max, mean or lasttoken; empty where the model pools by itself."""
    document_prompt: str = ""
    query_prompt: str = ""

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of all that decides a text's vector but the weights."""
        return digest({**asdict(self), "text_revision": TEXT_REVISION})


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
    pooling = _pooling(files, bool(document or query))
    if kind.encoders["text"] == "qwen":
        document, query = document or _QWEN_DOCUMENT, query or _QWEN_QUERY
        pooling = pooling if read_list(folder, "modules.json") else "lasttoken"
    return TextPreprocess(
        tokenizer=_tokenizer_hash(files),
        max_length=_max_length(files, kind, sentence.get("max_seq_length")),
        lower_case=bool(sentence.get("do_lower_case")),
        pooling=pooling,
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


def _pooling(files: ModelFiles, has_prompt: bool) -> str:
    """Return how token vectors become one: as the modules say, else the mean."""
    modules = read_list(files.directory, "modules.json")
    known = {_module(module) for module in modules}
    if unknown := known - {"Transformer", "Pooling", "Normalize"}:
        raise ModelUnsupported(
            f"{files.name} has the modules {', '.join(sorted(unknown))}, which are not known here; "
            "known are Transformer, Pooling and Normalize"
        )
    folders = [str(module.get("path", "")) for module in modules if _module(module) == "Pooling"]
    if not folders:
        return "mean"
    folder = folders[0]
    if len(folders) > 1 or Path(folder).name != folder:
        raise ModelUnsupported(f"{files.name} has an odd modules.json: pooling in {folders!r}")
    config = read_object(files.directory / folder, "config.json")
    if not config:
        raise ModelUnavailable(
            f"{files.directory / folder} has no config.json: copy the model's subfolders there too"
        )
    if has_prompt and config.get("include_prompt") is False:
        raise ModelUnsupported(f"{files.name} leaves its prompt out of the pooling, unknown here")
    return _pooling_mode(files, config)


def _module(module: dict[str, Any]) -> str:
    return str(module.get("type", "")).rsplit(".", 1)[-1]


def _pooling_mode(files: ModelFiles, config: dict[str, Any]) -> str:
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _OLD_POOLINGS.items() if config.get(key)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ModelUnsupported(
            f"{files.name} pools by {modes!r}; known are one of {', '.join(_POOLINGS)}"
        )
    return _POOLINGS[modes[0]]


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
