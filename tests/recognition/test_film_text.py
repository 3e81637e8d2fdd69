"""Text that is seen in a film is read with its second, and each picture of it once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("rapidocr", reason="the extra ocr is not installed")

from crossmodal.chunking.pieces import ClipForm, Piece, Source
from crossmodal.chunking.registry import chunker_of
from crossmodal.chunking.rules import ChunkRules
from crossmodal.embedding.written import legible, with_written
from crossmodal.recognition.ocr import TextReader
from tests.chunking.clips import film, tools

RULES = ChunkRules(ocr=True)
CLIPS = replace(RULES, clips=True)
SIGNS = ("PLATFORM NINE", "GATE B7", "PLATFORM NINE")


def sign(text: str, shade: int = 255, size: tuple[int, int] = (640, 360)) -> np.ndarray:
    picture = Image.new("RGB", size, (shade, shade, shade))
    pen = ImageDraw.Draw(picture)
    pen.text((size[0] // 8, size[1] // 3), text, "black", ImageFont.load_default(size[1] // 8))
    return np.asarray(picture)


def read(data: bytes, rules: ChunkRules = RULES, min_side: int | None = None) -> list[Piece]:
    lent = replace(tools(min_side=min_side), clip=ClipForm(2, 48))
    source = Source("/films/signs.mp4", "video/mp4", data)
    pieces = chunker_of("video").cut(source, rules, legible(lent))
    return [p for p in with_written(pieces, rules, lent) if isinstance(p, Piece)]


@pytest.fixture
def num_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by one with each picture that is read, for real."""
    seen: list[int] = []
    really = TextReader.read

    def counted(self: TextReader, pixels: Any) -> Any:
        seen.append(1)
        return really(self, pixels)

    monkeypatch.setattr(TextReader, "read", counted)
    return seen


def test_each_sign_is_read_once_with_the_second_at_which_it_is_seen(num_read: list[int]) -> None:
    blank = np.full((360, 640, 3), 90, np.uint8)
    pictures = [p for text in SIGNS for p in (*[sign(text)] * 20, *[blank] * 20)]
    pieces = read(film(pictures))
    frames = [piece for piece in pieces if piece.kind == "frame"]
    written = [piece for piece in pieces if piece.kind == "ocr"]
    assert len(frames) > len(num_read) == 3
    assert [piece.text for piece in written] == ["PLATFORM NINE", "GATE B7"]
    first, second = (piece.position["start_s"] for piece in written)
    assert 0 <= first < 2
    assert 4 <= second < 6
    for piece in written:
        assert piece.parent is not None
        assert piece.position["start_s"] == frames[piece.parent].position["frame_s"]
        assert piece.facts["ocr_score"] > 0.5


def test_frames_that_differ_in_a_few_letters_are_both_read() -> None:
    pictures = [sign(text, shade) for text, shade in (("TRACK 11", 255), ("TRACK 74", 235))]
    pieces = read(film([picture for picture in pictures for _ in range(20)]))
    assert [p.text for p in pieces if p.kind == "ocr"] == ["TRACK 11", "TRACK 74"]


def test_small_letters_are_read_however_small_the_model_wants_its_pictures() -> None:
    small = sign("", size=(1280, 720)).copy()
    picture = Image.fromarray(small)
    ImageDraw.Draw(picture).text((500, 640), "Directed by Ada", "black", ImageFont.load_default(26))
    pieces = read(film([np.asarray(picture)] * 10), min_side=64)
    assert [p.text for p in pieces if p.kind == "ocr"] == ["Directed by Ada"]


def test_films_are_cut_anew_only_where_reading_is_asked_for() -> None:
    from crossmodal.records import Lineup
    from tests.ledger.build import version

    lineup = Lineup.of(version())
    plain = chunker_of("video").fingerprint(ChunkRules(), lineup)
    assert chunker_of("video").fingerprint(RULES, lineup) != plain


def test_clip_is_read_at_the_frame_that_stands_for_it(num_read: list[int]) -> None:
    shades = zip(SIGNS[:2], (255, 160), strict=True)
    pieces = read(film([sign(*shown) for shown in shades for _ in range(20)]), CLIPS)
    clips = [piece for piece in pieces if piece.kind == "clip"]
    written = [piece for piece in pieces if piece.kind == "ocr"]
    assert len(num_read) == len(clips) == 2
    assert [(piece.text, piece.parent) for piece in written] == [(SIGNS[0], 0), (SIGNS[1], 1)]
