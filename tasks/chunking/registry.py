"""Say which chunker cuts which media type.

Owns the table and the fingerprints under which chunks are kept; refuses to decode anything, and
costs nothing to import, so that a plan can be made without an image library. A fingerprint changes
only when the same content would give other chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

DECODE_REVISION = 1
"""Raised when the same bytes would decode to other pixels; part of every preprocessing."""


@dataclass(frozen=True, slots=True)
class Chunker:
    """Describe how the sources of some media types become chunks."""

    name: str
    modality: str
    """Which encoder of a model version serves the chunks: image, text or audio."""
    fingerprint: str
    """Goes into the ledger beside every chunk; a new one makes a run cut and embed again."""
    media_patterns: tuple[str, ...]
    """Media types in lower case; ``*`` stands for any subtype."""
    kind: str
    """What one chunk is, such as ``image`` for a whole image."""


_CHUNKERS = (
    Chunker(
        name="whole_image",
        modality="image",
        fingerprint="whole_image/1",
        media_patterns=("image/*",),
        kind="image",
    ),
)


def chunker_for(media_type: str) -> Chunker | None:
    """Return the chunker of a media type, or None where its sources are skipped."""
    for chunker in _CHUNKERS:
        if any(fnmatchcase(media_type.lower(), pattern) for pattern in chunker.media_patterns):
            return chunker
    return None


def fingerprints() -> dict[str, str]:
    """Return the fingerprint of the chunker in charge by media pattern."""
    return {
        pattern: chunker.fingerprint for chunker in _CHUNKERS for pattern in chunker.media_patterns
    }
