"""Hold what a user may choose about models and embedding; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MODEL = "openai/clip-vit-base-patch32"

DEFAULT_MODEL = "openai/clip-vit-base-patch32"
"""What a new collection is embedded with unless another model is asked for."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Name a model as users do."""

    name: str
    """Hub id, or a local directory."""
    revision: str | None = None
    """Hub branch, tag or commit; ignored for a directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedOptions:
    """Bound and place the work of embedding."""

    device: str = "auto"
    batch_size: int = 32
    """Images in one forward pass."""
    max_megapixels: float = 89.5
    max_file_bytes: int = 512_000_000
