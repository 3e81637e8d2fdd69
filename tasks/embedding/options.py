"""Hold what a user may choose about models and embedding; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tasks.chunking.rules import ChunkRules

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedOptions:
    """Bound and place the work of embedding."""

    device: str = "auto"
    batch_size: int = 0
    """Most chunks in one forward pass; on the processor at most as many as its cache holds.

    0: as many as suit the device.
    """
    found_batches: Mapping[str, int] = field(default_factory=dict)
    """By modality, what suits the device as measured; counts where none was named."""
    runner: Literal["native", "ray"] = "native"
    """Where Daft runs a shard's query: in this process, or on a Ray cluster."""
    max_megapixels: float = 89.5
    max_file_bytes: int = 512_000_000
    chunk_rules: ChunkRules = field(default_factory=ChunkRules)
