"""Recognise what kind of model a folder holds, from its config.json alone.

Owns two tables: the kinds of encoders, a row each, and the model types of every kind with what
their configurations leave out. Refuses every other type by name, because a guess would give
vectors of an unknown space. What runs a kind stands in the table of ``encoders.cache``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossmodal.errors import ModelUnsupported
from crossmodal.models.folder import ModelFiles, read_object

IMAGE_TEXT = {"image": "vision", "text": "text"}
PATCHES_TEXT = {"image": "patches", "text": "text"}
SENTENCE = {"text": "sentence"}
AUDIO_TEXT = {"audio": "audio", "text": "text"}
WAVEFORM_TEXT = {"audio": "waveform", "text": "text"}
GEMMA = {"image": "gemma", "text": "gemma", "audio": "gemma"}
QWEN = {"image": "qwen", "text": "qwen"}
KINDS = {
    "image-text": IMAGE_TEXT,
    "patches-text": PATCHES_TEXT,
    "text": SENTENCE,
    "audio-text": AUDIO_TEXT,
    "waveform-text": WAVEFORM_TEXT,
    "gemma": GEMMA,
    "qwen": QWEN,
}
"""By the name of a kind of encoder, what serves which of its modalities.

A model of Gemma's kind may lack towers, and then serves the others.
"""
TAKES_CLIPS = frozenset({GEMMA["image"], QWEN["image"]})
"""What serves pictures and takes several of them, in order of time, as one item."""


@dataclass(frozen=True, slots=True)
class _Type:
    encoders: dict[str, str]
    # Configurations leave out what equals the default of their class.
    dim: int
    positions: int = 512
    dim_key: tuple[str, ...] = ("projection_dim",)


_HIDDEN = ("hidden_size",)
_TYPES = {
    "clip": _Type(IMAGE_TEXT, 512, 77),
    "chinese_clip": _Type(IMAGE_TEXT, 512),
    "metaclip_2": _Type(IMAGE_TEXT, 512, 77),
    "altclip": _Type(IMAGE_TEXT, 768, 514),
    "siglip": _Type(IMAGE_TEXT, 768, 64, ("vision_config", "hidden_size")),
    "siglip2": _Type(PATCHES_TEXT, 768, 64, ("vision_config", "hidden_size")),
    "tipsv2": _Type(IMAGE_TEXT, 768, 64, ("vision_config", "hidden_size")),
    "vision-text-dual-encoder": _Type(IMAGE_TEXT, 512),
    "clap": _Type(AUDIO_TEXT, 512, 514),
    "pe_audio": _Type(WAVEFORM_TEXT, 1024, 8192, ("text_config", "hidden_size")),
    "embedding_gemma2": _Type(GEMMA, 768, 262_144, ("text_config", "embedding_dim")),
    "qwen3_vl": _Type(QWEN, 4096, 128_000, ("text_config", "hidden_size")),
    "embedding_gemma2_text": _Type(SENTENCE, 768, 262_144, ("embedding_dim",)),
    "albert": _Type(SENTENCE, 4096, dim_key=_HIDDEN),
    "bert": _Type(SENTENCE, 768, dim_key=_HIDDEN),
    "camembert": _Type(SENTENCE, 768, dim_key=_HIDDEN),
    "distilbert": _Type(SENTENCE, 768, dim_key=("dim",)),
    "electra": _Type(SENTENCE, 256, dim_key=_HIDDEN),
    "gemma3_text": _Type(SENTENCE, 2304, 131_072, dim_key=_HIDDEN),
    "modernbert": _Type(SENTENCE, 768, 8192, dim_key=_HIDDEN),
    "mpnet": _Type(SENTENCE, 768, dim_key=_HIDDEN),
    "qwen3": _Type(SENTENCE, 4096, 32768, dim_key=_HIDDEN),
    "roberta": _Type(SENTENCE, 768, dim_key=_HIDDEN),
    "t5": _Type(SENTENCE, 512, dim_key=("d_model",)),
    "xlm-roberta": _Type(SENTENCE, 768, dim_key=_HIDDEN),
}
_TIMM = (
    "its tower for films is a model of timm, which brings torchvision along, and that is never "
    "installed beside crossmodal"
)
_REFUSED = {
    "aimv2": (
        "its class in transformers reads a text both ways or one way, by whether the batch has "
        "padding: the same text would have several vectors"
    ),
    "pe_video": _TIMM,
    "pe_audio_video": _TIMM,
}
"""By type, why a family that is known cannot be used."""
# Their positions are counted from the one after the padding token's.
_OFFSET_POSITIONS = {
    "altclip_text_model",
    "camembert",
    "clap_text_model",
    "mpnet",
    "roberta",
    "xlm-roberta",
}
# Without the configuration of its tower a modality is not served, where a family may lack it.
_TOWERS = {"image": "vision_config", "audio": "audio_config"}
_TEXT_TYPES = {"altclip": "altclip_text_model", "clap": "clap_text_model"}


@dataclass(frozen=True, slots=True)
class ModelKind:
    """Hold what a model's configuration says about its space."""

    model_type: str
    encoders: dict[str, str]
    """One of the values of KINDS."""
    dim: int
    num_positions: int
    """Tokens of one text that its text tower has positions for, special ones included."""


def kind_of(files: ModelFiles) -> ModelKind:
    """Return the kind of a model.

    Raises:
        ModelUnsupported: It is of an unknown type, or its configuration is damaged.
    """
    config = read_object(files.directory, "config.json")
    name = config.get("model_type")
    if not isinstance(name, str) or name not in _TYPES:
        reason = f", which cannot be used: {_REFUSED[name]}" if name in _REFUSED else ""
        raise ModelUnsupported(
            f"{files.name} is of type {name!r}{reason}; models of these types can be used: "
            f"{_known()}"
        )
    known = _TYPES[name]
    try:
        return ModelKind(
            model_type=name,
            encoders=_encoders(config, known),
            dim=_dim(config, known),
            num_positions=_num_positions(name, config, known),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelUnsupported(
            f"the config.json of {files.name} makes no sense: {error}"
        ) from error


def kind_name(encoders: Mapping[str, str]) -> str:
    """Return the name of the kind that serves modalities so; ``encoders`` is a model version's."""
    return next(name for name, kind in KINDS.items() if encoders.items() <= kind.items())


def _known() -> str:
    return "; ".join(
        f"{name}: {', '.join(key for key, known in _TYPES.items() if known.encoders is encoders)}"
        for name, encoders in KINDS.items()
    )


def _encoders(config: dict[str, Any], known: _Type) -> dict[str, str]:
    if known.encoders is not GEMMA:
        return known.encoders
    lacking = {modality for modality, tower in _TOWERS.items() if not config.get(tower)}
    return {m: serving for m, serving in known.encoders.items() if m not in lacking}


def _dim(config: dict[str, Any], known: _Type) -> int:
    value: Any = config
    for key in known.dim_key:
        value = (value or {}).get(key)
    return _positive(value or known.dim)


def _num_positions(name: str, config: dict[str, Any], known: _Type) -> int:
    text = config if known.encoders is SENTENCE else config.get("text_config") or {}
    positions = _positive(text.get("max_position_embeddings") or known.positions)
    text_type = text.get("model_type") or _TEXT_TYPES.get(name)
    if text_type not in _OFFSET_POSITIONS:
        return positions
    padding = 1 if text_type == "mpnet" else text.get("pad_token_id", 1)
    return _positive(positions - int(padding or 0) - 1)


def _positive(value: Any) -> int:
    number = int(value)
    if number <= 0:
        raise ValueError(f"{number} is not above zero")
    return number
