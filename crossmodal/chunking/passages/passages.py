"""Turn the blocks of a source into passages that the text encoder reads whole.

Owns which packing each text chunker means and what a passage says about where it stands; texts,
documents, tables and subtitles all come through here. The section of a passage is that of its
first block, and its text begins with the headings of that section, also where it is cut from the
middle: half a section is rarely found by its own words alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import numpy as np

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.boundaries import (
    SECTION,
    SENTENCE,
    TOKEN,
    WORD,
    by_meaning,
    raise_to,
    strengths,
    token_starts,
)
from crossmodal.chunking.passages.packing import Measured, Packing, pack
from crossmodal.chunking.passages.positions import joined_facts, joined_position, part_position
from crossmodal.chunking.passages.stretches import Mark, Stretch, stretches
from crossmodal.chunking.pieces import CutTools, Piece
from crossmodal.chunking.rules import ChunkRules
from crossmodal.records import FURTHER_HEADINGS

# Share of a passage that the headings above it may take.
_HEADINGS_SHARE = 3
# Share of a passage within which a stronger boundary is waited for, and where overlaps begin.
_MANNERS = {
    "fixed": (0.0, TOKEN),
    "recursive": (0.5, WORD),
    "heading": (0.5, WORD),
    "sentence": (0.0, SENTENCE),
    "semantic": (0.5, SENTENCE),
}
_STRONGEST = {"fixed": TOKEN, "sentence": SENTENCE}
"""Chunkers that do not prefer paragraphs to sentences, or sentences to tokens."""


def passages(blocks: Iterable[Block], rules: ChunkRules, tools: CutTools) -> Iterator[Piece]:
    """Yield the passages of a source in reading order, cut by ``rules.text_chunker``.

    None has more than ``rules.chunk_tokens`` tokens, nor more than the encoder reads. Every
    character that is no blank is in one of them at least. Blocks are consumed as needed.
    """
    for stretch in stretches(blocks, apart=rules.text_chunker == "heading"):
        measured, manner = _measure(stretch, rules, tools)
        packing = _packing(manner, rules, tools)
        for begin, stop, head in pack(measured, packing, tools.measure):
            text = head + measured.text[begin:stop]
            yield _piece(text, begin, stop, stretch.marks_of(begin, stop))


def _measure(stretch: Stretch, rules: ChunkRules, tools: CutTools) -> tuple[Measured, str]:
    """Return the text with its tokens and cuts, and the chunker that its cuts are for."""
    text, marks = stretch.text, stretch.marks
    starts = token_starts(text, tools.measure)
    found = strengths(text, starts)
    manner: str = rules.text_chunker
    if manner == "semantic":
        embed = tools.embed_sentences
        meant = by_meaning(text, starts, found, embed) if embed else None
        found, manner = (found, "sentence") if meant is None else (meant, manner)
    if manner in _STRONGEST:
        found = np.minimum(found, _STRONGEST[manner])
    openings = [mark.begin for mark in marks if mark.opens_section]
    if manner not in _STRONGEST:
        raise_to(found, starts, openings, SECTION)
        bodies = [mark.body for mark in marks if mark.body > mark.begin]
        under_headings = np.searchsorted(starts, bodies)
        under_headings = under_headings[under_headings < len(starts)]
        found[under_headings] = np.minimum(found[under_headings], WORD)
    walls = np.searchsorted(starts, openings)
    return Measured(text, starts, found, walls, _heads(stretch, rules, tools)), manner


def _heads(stretch: Stretch, rules: ChunkRules, tools: CutTools) -> Callable[[int], str]:
    """Return what stands over a passage that begins at a character: the innermost that fit."""
    limit = min(rules.chunk_tokens, tools.measure.max_tokens) // _HEADINGS_SHARE

    @lru_cache(maxsize=64)
    def fitting(headings: tuple[str, ...]) -> str:
        for outermost in range(len(headings)):
            head = "\n".join(filter(str.strip, headings[outermost:]))
            if tools.measure.count(head) <= limit:
                return f"{head}\n" if head else ""
        return ""

    return lambda begin: fitting(stretch.above(begin))


def _packing(manner: str, rules: ChunkRules, tools: CutTools) -> Packing:
    most = max(1, min(rules.chunk_tokens, tools.measure.max_tokens))
    least_share, overlap_strength = _MANNERS[manner]
    return Packing(
        max_tokens=most,
        overlap_tokens=min(rules.overlap_tokens, most // 2),
        least_share=least_share,
        overlap_strength=overlap_strength,
    )


def _piece(text: str, begin: int, stop: int, marks: list[Mark]) -> Piece:
    positions = [
        part_position(
            mark.block,
            max(0, begin - mark.body),
            max(0, min(stop - mark.body, len(mark.block.text))),
        )
        for mark in marks
    ]
    blocks = [mark.block for mark in marks]
    headings = dict.fromkeys(heading for block in blocks for heading in block.section)
    further = [heading for heading in headings if heading not in blocks[0].section]
    return Piece(
        kind="passage",
        modality="text",
        text=text,
        section=blocks[0].section,
        position=joined_position(positions),
        facts=joined_facts(blocks) | ({FURTHER_HEADINGS: further} if further else {}),
    )
