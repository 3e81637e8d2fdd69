"""Text that is drawn into pictures is read from them; pictures without text are not recognised."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("rapidocr", reason="the extra ocr is not installed")

from crossmodal.recognition.ocr import TextLine, TextReader, paragraphs, text_reader

LINES = ["Invoice 4711", "Two chickens, 3 apples", "Total 1,284.50 EUR"]


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return text_reader()


def drawn(lines: list[str], *, size: int = 40, turn: int = 0) -> np.ndarray:
    picture = Image.new("RGB", (900, 80 + 90 * len(lines)), "white")
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        pen.text((60, 50 + 90 * number), line, "black", ImageFont.load_default(size))
    return np.asarray(picture.rotate(turn, expand=True))


def test_lines_are_read_in_order_with_figures_and_commas(reader: TextReader) -> None:
    assert [line.text for line in reader.read(drawn(LINES))] == LINES


def test_box_of_a_line_is_where_it_was_drawn(reader: TextReader) -> None:
    [line] = reader.read(drawn(["Harbour"]))
    left, top, right, bottom = line.box
    assert 40 <= left <= 65
    assert 45 <= top < bottom <= 110
    assert right < 300


def test_page_on_its_head_is_read_from_its_own_top(reader: TextReader) -> None:
    assert [line.text for line in reader.read(drawn(LINES, turn=180))] == LINES


def test_colours_are_not_swapped_on_the_way_to_the_engine(reader: TextReader) -> None:
    picture = Image.new("RGB", (600, 140), (255, 0, 0))
    ImageDraw.Draw(picture).text((40, 40), "STOP HERE", "white", ImageFont.load_default(48))
    assert [line.text for line in reader.read(np.asarray(picture))] == ["STOP HERE"]


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (64, 64)])
def test_picture_without_text_gives_no_line(reader: TextReader, size: tuple[int, int]) -> None:
    assert reader.read(np.full((*size, 3), 255, np.uint8)) == []


def test_lines_that_stand_apart_are_paragraphs() -> None:
    rows = [("What is", 10), ("the code?", 50), ("It is 4711.", 160), ("right column", 10)]
    lines = [TextLine(text, (5, top, 200, top + 30), 0.9) for text, top in rows]
    assert paragraphs(lines) == ["What is\nthe code?", "It is 4711.", "right column"]
    assert paragraphs([]) == []


def test_picture_without_text_is_not_recognised(
    reader: TextReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a picture without text went through the recogniser")

    monkeypatch.setattr(reader._engine, "recognize_txt", fail)
    picture = Image.linear_gradient("L").convert("RGB")
    assert reader.read(np.asarray(picture)) == []
