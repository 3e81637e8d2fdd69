"""Declare what a person may set on the way in which sources are cut into chunks."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from crossmodal.chunking.rules import ChunkRules, FrameSampling, PageImages, TextChunker
from flows.params.forms import CUTTING, Text

_RULES = ChunkRules()


class ChunkParams(BaseModel):
    """How sources become chunks. Other values cut anew what they concern, and only that.

    What is left open is as the collection's last run had it; the defaults are a new collection's.
    """

    text_chunker: Annotated[TextChunker, CUTTING] = Field(
        default=_RULES.text_chunker,
        title="Passages",
        description="fixed: so many tokens. recursive: paragraphs, then sentences. sentence: whole "
        "sentences. heading: sections. semantic: where the subject changes.",
    )
    chunk_tokens: Annotated[int, CUTTING] = Field(
        default=_RULES.chunk_tokens,
        title="Passage length",
        description="Tokens of a passage; never more than the model for passages reads.",
        ge=8,
        le=8192,
    )
    overlap_tokens: Annotated[int, CUTTING] = Field(
        default=_RULES.overlap_tokens,
        title="Passage overlap",
        description="Tokens that a passage shares with the one before it.",
        ge=0,
        le=1024,
    )
    page_images: Annotated[PageImages, CUTTING] = Field(
        default=_RULES.page_images,
        title="Pages as pictures",
        description="Embed pages of documents as pictures: never, those without text, or always.",
    )
    figures: Annotated[bool, CUTTING] = Field(
        default=_RULES.figures,
        title="Figures",
        description="Embed the pictures inside documents.",
    )
    caption_weight: Annotated[float, CUTTING] = Field(
        default=_RULES.caption_weight,
        title="Weight of captions",
        description="Share of a figure's caption in its vector; 0: the picture alone.",
        ge=0,
        le=0.9,
    )
    frames: Annotated[FrameSampling, CUTTING] = Field(
        default=_RULES.frames,
        title="Frames of films",
        description="keyframes, one every interval, or one a scene.",
    )
    frame_interval_s: Annotated[float, CUTTING] = Field(
        default=_RULES.frame_interval_s,
        title="Frame interval (s)",
        description="Seconds between frames; for scenes, the longest time without one.",
        gt=0,
        le=3600,
    )
    clips: Annotated[bool, CUTTING] = Field(
        default=_RULES.clips,
        title="Films as clips",
        description="One vector for the frames of a scene together, by a model that takes clips.",
    )
    regions: Annotated[int, CUTTING] = Field(
        default=_RULES.regions,
        title="Regions of pictures",
        description="Overlapping parts along the shorter side of a picture, each with a vector of "
        "its own, so that small things are found; 2: about six forward passes more. 0: none.",
        ge=0,
        le=4,
    )
    audio_window_s: Annotated[float, CUTTING] = Field(
        default=_RULES.audio_window_s,
        title="Sound window (s)",
        description="Seconds of sound in one chunk.",
        ge=1,
        le=60,
    )
    rows_per_chunk: Annotated[int, CUTTING] = Field(
        default=_RULES.rows_per_chunk,
        title="Rows of tables",
        description="Rows in one chunk of a table.",
        ge=1,
        le=10_000,
    )
    ocr: Annotated[bool, CUTTING] = Field(
        default=_RULES.ocr,
        title="Text in pictures",
        description="Read the text in pictures, scanned pages and figures; needs crossmodal[ocr].",
    )
    speech_model: Annotated[Text, CUTTING] = Field(
        default=_RULES.speech_model,
        title="Model for speech",
        description="Directory or hub id of a Whisper that writes down what is said in sound and "
        "films without subtitles. Empty: nothing is.",
    )
