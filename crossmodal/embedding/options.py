"""Hold what a user may choose about models and embedding; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from crossmodal.chunking.rules import ChunkRules


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedOptions:
    """Choose the device, the batch size and the limits of embedding."""

    device: str = "auto"
    backend: str = "auto"
    """What runs image towers: torch, openvino, or what was measured to be faster."""
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
