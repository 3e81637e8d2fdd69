"""Cut slides: titles, tables, notes and pictures, slide by slide."""

from __future__ import annotations

from crossmodal.chunking.pieces import Flaw
from tests.chunking.document_makers import (
    of_kind,
    picture,
    pieces,
    pptx,
    reason,
    shape,
    slide_picture,
    words,
    zipped,
)


def test_slide_has_its_title_as_section_and_its_number_as_page() -> None:
    data = pptx(
        shape("body text of one", "body") + shape("One", "title"),
        shape("Two", "ctrTitle") + shape("more text on two"),
    )
    first, second = of_kind(pieces(data, "pptx", chunk_tokens=6, overlap_tokens=0), "passage")
    assert (first.section, first.position) == (("One",), {"page": 1})
    assert first.text == "One\nbody text of one"
    assert (second.section, second.position) == (("Two",), {"page": 2})


def test_numbers_dates_and_footers_are_not_said() -> None:
    data = pptx(shape("words") + shape("7", "sldNum") + shape("May", "dt") + shape("Inc.", "ftr"))
    assert words(pieces(data, "pptx")) == "words"


def test_table_is_read_by_rows() -> None:
    rows = "".join(
        "<a:tr>" + "".join(f"<a:tc><a:p><a:t>{cell}</a:t></a:p></a:tc>" for cell in row) + "</a:tr>"
        for row in (("name", "born"), ("Ada", "1815"))
    )
    data = pptx(f"<p:graphicFrame><a:tbl>{rows}</a:tbl></p:graphicFrame>")
    assert words(pieces(data, "pptx")).split("\n\n") == ["name | born", "Ada | 1815"]


def test_notes_are_read() -> None:
    assert "say hello" in words(pieces(pptx(shape("x"), notes="say hello"), "pptx"))


def test_picture_belongs_to_its_slide_and_is_shown_once() -> None:
    data = pptx(
        shape("Ducks", "title") + shape("They swim.") + slide_picture("i", "a yellow duck"),
        shape("Again", "title") + shape("More words.") + slide_picture("i"),
        images={"i": picture("yellow")},
    )
    found = pieces(data, "pptx", chunk_tokens=4, overlap_tokens=0)
    (figure,) = of_kind(found, "figure")
    assert figure.caption == "a yellow duck"
    assert figure.section == ("Ducks",)
    assert figure.position == {"page": 1}
    assert figure.parent is not None
    assert found[figure.parent].position == {"page": 1}


def test_slide_of_a_picture_only_is_cut() -> None:
    data = pptx(slide_picture("i"), images={"i": picture("yellow")})
    assert [piece.kind for piece in pieces(data, "pptx")] == ["figure"]


def test_broken_slide_is_a_flaw() -> None:
    data = pptx(shape("good"), "<a:broken>")
    found = pieces(data, "pptx")
    assert words(found) == "good"
    assert [(f.part, f.reason) for f in found if isinstance(f, Flaw)] == [("page 2", "damaged")]


def test_too_many_slides_are_refused() -> None:
    data = pptx(*[shape("x")] * 4)
    assert reason(data, "pptx", max_pages=3) == "too_many_pages"
    assert reason(data, "pptx", max_pages=4) == "cut"


def test_empty_deck_has_no_content() -> None:
    assert reason(pptx(), "pptx") == "no_content"
    assert reason(zipped({"ppt/presentation.xml": "<x/>"}), "pptx") == "no_content"
