"""Turn the blocks of a source into passages that the text encoder reads whole.

Owns how blocks join, what a passage says about where it stands, and which packing each text
chunker means; texts, documents, tables and subtitles all come through here. A heading stands in
the text once, where its section begins, so that its words can be found; the section path of a
passage is that of its first block.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from tasks.chunking.blocks import Block
from tasks.chunking.pieces import CutTools, Piece
from tasks.chunking.rules import ChunkRules
from tasks.chunking.split import (
    SECTION,
    SENTENCE,
    TOKEN,
    WORD,
    by_meaning,
    raise_to,
    strengths,
    token_starts,
)
from tasks.chunking.split_packing import Measured, Packing, pack
from tasks.chunking.split_position import joined_facts, joined_position, part_position

# Bounds what is measured at once; passages do not reach over its edge.
_STRETCH_CHARS = 200_000
_JOIN = "\n\n"
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


@dataclass(frozen=True, slots=True)
class _Mark:
    """Say where in a stretch a block begins, its headings first, and where its own text does."""

    begin: int
    body: int
    block: Block
    opens_section: bool


@dataclass(slots=True)
class _Stretch:
    parts: list[str] = field(default_factory=list)
    marks: list[_Mark] = field(default_factory=list)
    num_chars: int = 0

    def add(self, block: Block, headings: str, *, opens_section: bool) -> None:
        begin = self.num_chars + (len(_JOIN) if self.parts else 0)
        body = begin + len(headings)
        self.parts.append(headings + block.text)
        self.marks.append(_Mark(begin, body, block, opens_section))
        self.num_chars = body + len(block.text)


def passages(blocks: Iterable[Block], rules: ChunkRules, tools: CutTools) -> Iterator[Piece]:
    """Yield the passages of a source in reading order, cut by ``rules.text_chunker``.

    None has more than ``rules.chunk_tokens`` tokens, nor more than the encoder reads. Every
    character that is no blank is in one of them at least. Blocks are consumed as needed.
    """
    for stretch in _stretches(blocks, apart=rules.text_chunker == "heading"):
        text = _JOIN.join(stretch.parts)
        measured, manner = _measure(text, stretch.marks, rules, tools)
        packing = _packing(manner, rules, tools)
        begins = [mark.begin for mark in stretch.marks]
        for begin, stop in pack(measured, packing, tools.measure):
            inside = slice(bisect_right(begins, begin) - 1, bisect_right(begins, stop - 1))
            yield _piece(text[begin:stop], begin, stop, stretch.marks[inside])


def _stretches(blocks: Iterable[Block], *, apart: bool) -> Iterator[_Stretch]:
    """Collect blocks into stretches; ``apart``: each section begins a stretch of its own."""
    stretch = _Stretch()
    section: tuple[str, ...] = ()
    for block in blocks:
        if not block.text.strip():
            continue
        opens_section, headings = block.section != section, _new_headings(section, block)
        for part in _parts(block):
            full = stretch.num_chars + len(part.text) > _STRETCH_CHARS
            if stretch.parts and (full or (apart and opens_section)):
                yield stretch
                stretch = _Stretch()
            stretch.add(part, headings, opens_section=opens_section)
            opens_section, headings = False, ""
        section = block.section
    if stretch.parts:
        yield stretch


def _new_headings(before: tuple[str, ...], block: Block) -> str:
    """Return the headings, a line each, that have come since the block before.

    A block that begins with its own heading does not get it twice.
    """
    section = block.section
    num_shared = next(
        (i for i, (old, new) in enumerate(zip(before, section, strict=False)) if old != new),
        min(len(before), len(section)),
    )
    headings = section[num_shared:]
    if headings and block.text.lstrip().startswith(headings[-1]):
        headings = headings[:-1]
    return "".join(f"{heading}\n" for heading in headings if heading.strip())


def _parts(block: Block) -> Iterator[Block]:
    """Yield a huge block in parts, cut at the end of a paragraph, a line or a word at best."""
    text, begin = block.text, 0
    while begin < len(text):
        stop = begin + _STRETCH_CHARS
        if stop < len(text):
            middle = begin + _STRETCH_CHARS // 2
            ends = (text.rfind(mark, middle, stop) for mark in ("\n\n", "\n", " "))
            stop = next((end for end in ends if end > 0), stop - 1) + 1
        part = text[begin:stop]
        if part.strip():
            position = part_position(block, begin, begin + len(part))
            yield replace(block, text=part, position=position)
        begin = stop


def _measure(
    text: str, marks: list[_Mark], rules: ChunkRules, tools: CutTools
) -> tuple[Measured, str]:
    """Return the text with its tokens and cuts, and the chunker that its cuts are for."""
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
    return Measured(text, starts, found, np.searchsorted(starts, openings)), manner


def _packing(manner: str, rules: ChunkRules, tools: CutTools) -> Packing:
    most = max(1, min(rules.chunk_tokens, tools.measure.max_tokens))
    least_share, overlap_strength = _MANNERS[manner]
    return Packing(
        max_tokens=most,
        overlap_tokens=min(rules.overlap_tokens, most // 2),
        least_share=least_share,
        overlap_strength=overlap_strength,
    )


def _piece(text: str, begin: int, stop: int, marks: list[_Mark]) -> Piece:
    positions = [
        part_position(
            mark.block,
            max(0, begin - mark.body),
            max(0, min(stop - mark.body, len(mark.block.text))),
        )
        for mark in marks
    ]
    blocks = [mark.block for mark in marks]
    return Piece(
        kind="passage",
        modality="text",
        text=text,
        section=blocks[0].section,
        position=joined_position(positions),
        facts=joined_facts(blocks),
    )
