"""Name models as users do; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MODEL = "openai/clip-vit-base-patch32"
"""The joint image-text model of a new collection unless another is asked for."""
DEFAULT_TEXT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""What reads the passages of a new collection for which no model at all is named."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Name a model as users do."""

    name: str
    """Hub id, or a local directory."""
    revision: str | None = None
    """Hub branch, tag or commit; ignored for a directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineupSpec:
    """Name which models serve which modality; None leaves it to the collection."""

    joint: ModelSpec | None = None
    """The image-text model; it reads texts too unless ``text`` is named."""
    text: ModelSpec | None = None
    audio: ModelSpec | None = None
