"""The contact sheet shows what was embedded: a film's frame, a document's page or figure."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from crossmodal.chunking.documents import cut as documents
from crossmodal.chunking.pieces import CutTools, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.previews.contact_sheet import QueryRow, contact_sheet
from crossmodal.records import Hit
from tests.chunking.clips import film, scenes, tone, wav
from tests.chunking.document_makers import Pdf, picture, pptx, sentences, shape, slide_picture
from tests.chunking.measures import wordpiece_measure
from tests.search.hits import hit

DECK = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

MIDDLE = (32 + 116, 32 + 46 + 87)
"""Of the first tile."""


def tile_of(found: Hit, folder: Path) -> tuple[int, int, int]:
    """Return the colour in the middle of the only tile."""
    contact_sheet([QueryRow("q", [found])], folder / "sheet.png")
    with Image.open(folder / "sheet.png") as sheet:
        colour = sheet.convert("RGB").getpixel(MIDDLE)
    assert isinstance(colour, tuple)
    return colour[0], colour[1], colour[2]


def figure_of(path: Path, media_type: str) -> Hit:
    """Return a hit on the first figure that the file is cut into."""
    source = Source(str(path), media_type, path.read_bytes())
    tools = CutTools(measure=wordpiece_measure())
    cut = documents.cut(source, ChunkRules(), tools)
    piece = next(p for p in cut if isinstance(p, Piece) and p.kind == "figure")
    meta = {**piece.position, **piece.facts}
    return hit(path, kind=piece.kind, media_type=media_type, text=piece.text, meta=meta)


def is_near(colour: tuple[int, int, int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 40 for a, b in zip(colour, wanted, strict=True))


@pytest.mark.parametrize(("at_s", "wanted"), [(1.0, (200, 40, 40)), (3.0, (40, 200, 40))])
def test_frame_is_that_of_the_moment(
    tmp_path: Path, at_s: float, wanted: tuple[int, int, int]
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(film(scenes([2, 2])))
    found = hit(path, kind="frame", media_type="video/mp4", meta={"start_s": at_s, "frame_s": at_s})
    assert is_near(tile_of(found, tmp_path), wanted)


def test_figure_and_page_of_a_pdf_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "paper.pdf"
    lines = list(sentences("ducks", 20))
    pdf = Pdf().page().lines(50, 750, lines).image(150, 250, 300, 225, "red")
    path.write_bytes(pdf.build())
    assert is_near(tile_of(figure_of(path, "application/pdf"), tmp_path), (255, 0, 0))
    page = hit(path, kind="page_image", media_type="application/pdf", meta={"page": 1})
    assert is_near(tile_of(page, tmp_path), (255, 0, 0))


def test_picture_of_a_slide_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "deck.pptx"
    slide = shape("Ducks", "title") + slide_picture("i0", "a blue duck")
    path.write_bytes(pptx(slide, images={"i0": picture("blue")}))
    assert is_near(tile_of(figure_of(path, DECK), tmp_path), (0, 0, 255))


def test_sound_is_a_wave_and_no_grey_tile(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(wav(tone(2)))
    meta = {"start_s": 0.0, "end_s": 2.0}
    found = hit(path, kind="window", modality="audio", media_type="audio/wav", meta=meta)
    assert tile_of(found, tmp_path) not in ((217, 217, 222), (242, 242, 244))
