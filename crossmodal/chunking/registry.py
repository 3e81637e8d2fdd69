"""Say which chunker cuts which media type.

Owns the table and the fingerprints under which chunks are kept; refuses to decode anything, and
costs little to import, so that a plan can be made without an image library. A fingerprint changes
only when the same content would give other chunks: with a chunker's revision, with the rules that
it follows, and with the encoder whose tokens measure its passages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import ModuleType

    from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
    from crossmodal.chunking.rules import ChunkRules
    from crossmodal.records import Lineup

DECODE_REVISION = 1
"""Raised when the same bytes would decode to other pixels; part of every preprocessing."""

OCR_REVISION = "PP-OCRv6-small/2"
"""Changed when the text in the same picture would be read differently."""

SPEECH_REVISION = 1
"""Raised when the same recogniser would write the same sound down differently."""

_SOUND_RULES = ("audio_window_s", "audio_overlap_s")
_TEXT_RULES = ("text_chunker", "chunk_tokens", "overlap_tokens")


@dataclass(frozen=True, slots=True)
class Chunker:
    """Describe how the sources of some media types become chunks."""

    name: str
    modality: str
    """Which encoder a line-up must have for these sources to be cut at all."""
    module: str
    """Of this room; offers MEDIA_PATTERNS, REVISION and ``cut``."""
    rules: tuple[str, ...] = ()
    """Fields of ChunkRules that change its chunks."""
    options: tuple[str, ...] = ()
    """Fields of ChunkRules that change its chunks where they are set; before there were such, they
    were not."""
    has_passages: bool = True
    """Whether its passages are measured in the tokens of the encoder that serves texts."""
    has_pictures: bool = False
    """Whether text in its pictures is read where that is asked for."""
    has_sound: bool = False
    """Whether speech in it is written down where that is asked for."""
    embeds_sound: bool = False
    """Whether its sound, beside its pictures, is embedded where a model for sound serves."""

    def load(self) -> ModuleType:
        """Return its module; what is heavy in there waits for the first cut."""
        return import_module(f"crossmodal.chunking.{self.module}")

    def cut(self, source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Flaw]:
        """Yield the pieces of a source in reading order.

        Raises:
            Refused: Nothing of it can be used.
        """
        pieces: Iterator[Piece | Flaw] = self.load().cut(source, rules, tools)
        return pieces

    def fingerprint(self, rules: ChunkRules, lineup: Lineup) -> str:
        """Return what goes into the ledger beside every chunk: ``whole_image/1``."""
        version = f"{self.name}/{self.load().REVISION}"
        followed = {name: asdict(rules)[name] for name in self.rules}
        followed |= {name: asdict(rules)[name] for name in self.options if asdict(rules)[name]}
        serves_texts = "text" in lineup.serving
        reads = rules.ocr and self.has_pictures and serves_texts
        hears = bool(rules.speech_model) and self.has_sound and serves_texts
        if reads or hears:
            followed |= {name: asdict(rules)[name] for name in _TEXT_RULES}
        if reads:
            followed["ocr"] = OCR_REVISION
        if hears:
            followed["speech"] = [SPEECH_REVISION, rules.speech_identity]
        if (self.has_passages or reads or hears) and serves_texts:
            followed["measure"] = lineup.serving["text"].preprocessing
        if self.embeds_sound and "audio" in lineup.serving:
            followed |= {name: asdict(rules)[name] for name in _SOUND_RULES}
        if not followed:
            return version
        settings = json.dumps(followed, sort_keys=True).encode()
        return f"{version}/{hashlib.sha256(settings).hexdigest()[:12]}"


# In order of precedence: the first whose pattern fits a media type is in charge of it.
_CHUNKERS = (
    Chunker(
        "whole_image",
        "image",
        "images",
        options=("regions",),
        has_passages=False,
        has_pictures=True,
    ),
    Chunker(
        "video",
        "image",
        "video.cut",
        ("frames", "frame_interval_s", *_TEXT_RULES),
        ("clips",),
        has_pictures=True,
        has_sound=True,
        embeds_sound=True,
    ),
    Chunker(
        "audio",
        "audio",
        "audio.cut",
        _SOUND_RULES,
        has_passages=False,
        has_sound=True,
    ),
    Chunker("speech", "text", "audio.speech", has_passages=False, has_sound=True),
    Chunker("subtitle", "text", "subtitles.cut", _TEXT_RULES),
    Chunker("table", "text", "tables.cut", ("rows_per_chunk", *_TEXT_RULES), has_pictures=True),
    Chunker(
        "document",
        "text",
        "documents.cut",
        ("page_images", "figures", "caption_weight", *_TEXT_RULES),
        has_pictures=True,
    ),
    Chunker("records", "text", "text.records", _TEXT_RULES),
    Chunker("text", "text", "text.cut", _TEXT_RULES),
)


_BY_NAME = {chunker.name: chunker for chunker in _CHUNKERS}


class InCharge(NamedTuple):
    """Say what a plan notes of the chunker that is in charge of a source."""

    fingerprint: str
    modality: str


def chunker_of(fingerprint: str) -> Chunker:
    """Return the chunker whose fingerprint it is: ``table/1/de6e8d442a60``."""
    return _BY_NAME[fingerprint.partition("/")[0]]


def reader_of(media_type: str) -> Chunker | None:
    """Return the chunker that reads a media type, whichever models serve; None where none does."""
    for chunker in _CHUNKERS:
        if any(fnmatchcase(media_type, pattern) for pattern in chunker.load().MEDIA_PATTERNS):
            return chunker
    return None


def in_charge(rules: ChunkRules, lineup: Lineup) -> dict[str, InCharge]:
    """Return what a plan notes of the chunkers by media pattern, the first to fit first."""
    found: dict[str, InCharge] = {}
    for chunker in _active(rules, lineup):
        noted = InCharge(chunker.fingerprint(rules, lineup), chunker.modality)
        found |= {pattern: noted for pattern in chunker.load().MEDIA_PATTERNS}
    return found


def _active(rules: ChunkRules, lineup: Lineup) -> Iterator[Chunker]:
    """Yield the chunkers of a line-up; recordings are only listened to where none embeds them."""
    for chunker in _CHUNKERS:
        is_needed = chunker.name != "speech" or (
            rules.speech_model and "audio" not in lineup.serving
        )
        if is_needed and chunker.modality in lineup.serving:
            yield chunker
