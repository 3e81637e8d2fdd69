"""Weave pictures between passages, and keep to the limits, whatever the format."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from crossmodal.chunking.documents import cut
from crossmodal.chunking.documents.items import Block, Flaw, Item, Picture
from crossmodal.chunking.pieces import CutTools, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused
from tests.chunking.document_makers import (
    TYPES,
    Pdf,
    WordMeasure,
    docx,
    drawing,
    paragraph,
    picture,
    pieces,
    reason,
    sentences,
    zipped,
)

RULES = ChunkRules(chunk_tokens=8, overlap_tokens=0)
TOOLS = CutTools(measure=WordMeasure())


def block(text: str, page: int = 1) -> Block:
    return Block(text=text, position={"page": page})


def figure(before: str = "", page: int = 1, shade: int = 0, side: int = 2) -> Picture:
    return Picture(
        kind="figure",
        rgb=bytes([shade]) * (side * side * 3),
        width=side,
        height=side,
        before=before,
        position={"page": page},
    )


def woven(*items: Item) -> list[Piece | Flaw]:
    return list(cut._Weaver(iter(items)).pieces(RULES, TOOLS))


def test_picture_follows_the_passage_with_the_words_before_it() -> None:
    first, second = "one two three four five six seven", "eight nine ten eleven twelve thirteen"
    found = woven(block(first), figure("six seven"), block(second), figure("thirteen"))
    assert [(p.kind, p.text or p.parent) for p in found] == [
        ("passage", first),
        ("figure", 0),
        ("passage", second),
        ("figure", 2),
    ]


def test_picture_without_words_before_it_closes_its_page() -> None:
    text = "one two three four five six seven"
    found = woven(figure(page=1), block(text, 1), block(text, 2), figure(page=3), block(text, 4))
    assert [(p.kind, p.position["page"]) for p in found] == [
        ("passage", 1),
        ("figure", 1),
        ("passage", 2),
        ("figure", 3),
        ("passage", 4),
    ]
    assert [p.parent for p in found if p.kind == "figure"] == [0, None]


def test_flaws_do_not_count_among_the_ordinals() -> None:
    text = "one two three four five six seven"
    found = woven(Flaw("page 1", "damaged", "?"), block(text), block(text, 2), figure(text, 2))
    numbered = [piece for piece in found if isinstance(piece, Piece)]
    assert sum(isinstance(piece, Flaw) for piece in found) == 1
    assert numbered[-1].kind == "figure"
    assert numbered[numbered[-1].parent].kind == "passage"


def test_pictures_do_not_pile_up_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "_MAX_WAITING_BYTES", 50_000)
    made: list[int] = []

    def items() -> Iterator[Item]:
        for number in range(100):
            made.append(number)
            yield block(f"words of number {number}")
            yield figure(side=64, shade=number)

    found = cut._Weaver(items()).pieces(RULES, TOOLS)
    shown = list(islice(found, 6))
    assert len(made) < 20
    shown += list(found)
    shades = [int(piece.picture[0, 0, 0]) for piece in shown if piece.kind == "figure"]
    assert shades == list(range(100))


def test_pixels_are_writable_rgb() -> None:
    (found,) = woven(figure(side=3, shade=7))
    assert found.picture.shape == (3, 3, 3)
    assert found.picture.dtype == np.uint8
    assert found.picture.flags.writeable
    assert found.modality == "image"


@pytest.mark.parametrize("suffix", sorted(TYPES))
def test_no_bytes_and_wrong_bytes_are_refused(suffix: str) -> None:
    assert reason(b"", suffix) == "empty"
    for data in (b"\0" * 5000, b"<html>no document</html>", zipped({"a.txt": "x"})):
        assert reason(data, suffix) in ("damaged", "no_content")


def test_every_format_has_a_parser_that_is_there() -> None:
    assert set(TYPES.values()) <= set(cut.MEDIA_PATTERNS)
    for media_type in cut.MEDIA_PATTERNS:
        assert callable(cut._parser(media_type))


def test_too_many_chunks_are_refused() -> None:
    data = docx(*[paragraph(" ".join(["word"] * 8)) for _ in range(30)])
    assert reason(data, "docx", chunk_tokens=8, overlap_tokens=0, max_chunks=29) == (
        "too_many_chunks"
    )
    assert reason(data, "docx", chunk_tokens=8, overlap_tokens=0, max_chunks=30) == "cut"


def test_time_limit_ends_the_parsing_of_a_document() -> None:
    pdf = Pdf()
    for page in range(400):
        pdf.page().lines(50, 750, list(sentences(f"page {page}", 30)))
    data, started = pdf.build(), time.monotonic()
    assert reason(data, "pdf", page_images="always", max_seconds=0.4) == "timed_out"
    assert time.monotonic() - started < 60


def test_memory_limit_refuses_a_document_or_a_figure() -> None:
    image = picture("red", 6000, 6000)
    data = docx(paragraph("text"), f"<w:p>{drawing('a')}</w:p>", images={"a": image})
    assert reason(data, "docx", max_memory_bytes=2_000_000_000) == "cut"
    limited = reason(data, "docx", max_memory_bytes=100_000_000)
    assert limited in ("out_of_memory", "cut")
    if limited == "cut":
        found = pieces(data, "docx", max_memory_bytes=100_000_000)
        assert [f.reason for f in found if isinstance(f, Flaw)] == ["out_of_memory"]


def test_document_left_half_way_leaves_no_child_running() -> None:
    import psutil

    before = {child.pid for child in psutil.Process().children()}
    data = docx(*[paragraph("word " * 30_000) for _ in range(30)])
    source = Source("file:///a.docx", TYPES["docx"], data)
    found = cut.cut(source, ChunkRules(), TOOLS)
    next(found)
    found.close()
    busy = [
        child
        for child in psutil.Process().children()
        if child.pid not in before and child.status() == psutil.STATUS_RUNNING
    ]
    assert busy == []


def test_refusal_names_what_is_wrong() -> None:
    with pytest.raises(Refused) as caught:
        pieces(b"%PDF-1.7", "pdf")
    assert "PDFium cannot open it" in caught.value.detail
