"""Hold what a user may choose about chunking; costs nothing to import.

Each modality's fingerprint holds the rules that change its chunks, and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TextChunker = Literal["fixed", "recursive", "sentence", "heading", "semantic"]
PageImages = Literal["never", "scanned", "always"]
FrameSampling = Literal["keyframes", "interval", "scenes"]


REMEMBERED = (
    "text_chunker",
    "chunk_tokens",
    "overlap_tokens",
    "page_images",
    "figures",
    "caption_weight",
    "frames",
    "frame_interval_s",
    "clips",
    "regions",
    "audio_window_s",
    "rows_per_chunk",
    "ocr",
    "speech_model",
)
"""The rules that a collection keeps, in the order in which forms show them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRules:
    """Say how sources are cut; the limits bound what one source may cost."""

    text_chunker: TextChunker = "recursive"
    chunk_tokens: int = 128
    """Aim of a passage, in tokens of the text encoder; never more than that encoder reads.

    128 with an overlap of 16 found most on Cranfield (docs/quality.md).
    """
    overlap_tokens: int = 16
    page_images: PageImages = "scanned"
    """Embed pages as pictures: never, only where a page has no text, or every page."""
    figures: bool = True
    """Embed the pictures inside documents."""
    caption_weight: float = 0.0
    """Share of a figure's caption in its vector, mixed in the joint space; 0: picture only."""
    frames: FrameSampling = "scenes"
    frame_interval_s: float = 5.0
    """For interval; for scenes, the longest time without a frame."""
    clips: bool = False
    """Embed what a frame stands for as a clip, of several frames, by a model that takes clips."""
    regions: int = 0
    """Overlapping parts of a picture along its shorter side, each a chunk of its own; 0: none."""
    audio_window_s: float = 10.0
    audio_overlap_s: float = 2.0
    rows_per_chunk: int = 20
    ocr: bool = False
    """Read the text in pictures, scanned pages and figures, and search it like other passages."""
    speech_model: str = ""
    """Directory or hub id of what writes down the speech in sound and films; empty: nothing."""
    speech_identity: str = ""
    """What decides its words, in hex: follows from the model's files, and is never asked for."""
    max_pages: int = 2000
    max_chunks: int = 20_000
    """Of one source; more is refused as ``too_many_chunks``."""
    max_seconds: float = 120.0
    """Time that parsing one document, table or film may take before its child process is killed."""
    max_memory_bytes: int = 2_000_000_000
    """Address space that parsing one source in a child process may grow by."""
    max_megapixels: float = 89.5
