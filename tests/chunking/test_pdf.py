"""Cut PDF files: reading order, headings, figures, scans, and pages that fail."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from crossmodal.chunking.pieces import Flaw, Piece
from tests.chunking.document_makers import Pdf, of_kind, pieces, reason, sentences, words

CURVES = " ".join(
    f"{150 + 20 * i} 400 m {160 + 20 * i} {420 + 9 * i} {170 + 20 * i} 390 "
    f"{180 + 20 * i} {430 + 7 * i} c S"
    for i in range(12)
)


def scanned(*texts: str) -> bytes:
    """Return pages that are pictures of text."""
    pages = []
    for text in texts:
        page = Image.new("RGB", (600, 800), "white")
        ImageDraw.Draw(page).text((60, 60), text, fill="black", font_size=40)
        pages.append(page)
    stream = io.BytesIO()
    pages[0].save(stream, "PDF", save_all=True, append_images=pages[1:])
    return stream.getvalue()


def colour(piece: Piece) -> tuple[int, int, int]:
    assert isinstance(piece.picture, np.ndarray)
    height, width, _ = piece.picture.shape
    red, green, blue = piece.picture[height * 3 // 4, width * 3 // 4]
    return int(red), int(green), int(blue)


def test_lines_are_joined_to_paragraphs_and_pages_are_kept() -> None:
    data = (
        Pdf()
        .page()
        .lines(50, 700, ["The first paragraph begins here", "and it ends here."])
        .lines(50, 600, ["The second one is alone."])
        .page()
        .lines(50, 700, ["Another page has other words."])
        .build()
    )
    first, second = of_kind(pieces(data, "pdf", chunk_tokens=14, overlap_tokens=0), "passage")
    assert first.text.split("\n\n") == [
        "The first paragraph begins here and it ends here.",
        "The second one is alone.",
    ]
    assert first.position == {"page": 1}
    assert second.position == {"page": 2}


def test_large_and_bold_lines_are_headings() -> None:
    data = (
        Pdf()
        .page()
        .text(50, 750, "A Book of Cats", 24)
        .text(50, 700, "2.1 Cats at night", 10, font="B")
        .lines(50, 680, list(sentences("night", 6)))
        .text(50, 500, "The last chapter", 16)
        .lines(50, 470, list(sentences("end", 6)))
        .build()
    )
    sections = [p.section for p in of_kind(pieces(data, "pdf", chunk_tokens=90), "passage")]
    assert sections[0] == ("A Book of Cats", "2.1 Cats at night")
    assert sections[-1] == ("A Book of Cats", "The last chapter")


def test_bookmarks_say_what_the_headings_are() -> None:
    data = (
        Pdf()
        .page()
        .text(50, 750, "Shouted, but no heading", 24)
        .text(50, 700, "1 Cats")
        .lines(50, 650, list(sentences("cat", 4)))
        .page()
        .text(50, 700, "2 Dogs")
        .lines(50, 650, list(sentences("dog", 4)))
        .page()
        .lines(50, 650, list(sentences("bird", 4)))
        .bookmark("Cats", 0)
        .bookmark("Dogs", 1)
        .bookmark("Birds", 2)
        .build()
    )
    found = of_kind(pieces(data, "pdf", chunk_tokens=60, overlap_tokens=0), "passage")
    by_page = {piece.position["page"]: piece.section for piece in found}
    assert by_page == {1: ("Cats",), 2: ("Dogs",), 3: ("Birds",)}
    assert "1 Cats" not in words(found)


def test_running_headers_and_page_numbers_are_left_out() -> None:
    pdf = Pdf()
    for page in range(5):
        pdf.page().text(50, 780, "Annual Report of the Society").text(300, 20, f"Page {page + 1}")
        pdf.lines(50, 700, list(sentences(f"matter {page}", 6)))
    text = words(pieces(pdf.build(), "pdf"))
    assert "Annual Report" not in text
    assert "Page 3" not in text
    assert "matter 4" in text


def test_figure_has_its_caption_its_place_and_its_passage() -> None:
    data = (
        Pdf()
        .page()
        .lines(50, 750, list(sentences("cat", 6)))
        .image(150, 400, 240, 180, "red")
        .text(150, 380, "Figure 1: a red thing")
        .lines(50, 300, list(sentences("dog", 6)))
        .build()
    )
    found = pieces(data, "pdf", chunk_tokens=60, overlap_tokens=0)
    (figure,) = of_kind(found, "figure")
    assert figure.caption == "Figure 1: a red thing"
    assert figure.position == {"page": 1, "box": [0.25, 0.275, 0.65, 0.5]}
    assert figure.facts == {"width": 120, "height": 90}
    assert colour(figure) == (255, 0, 0)
    assert figure.parent is not None
    assert "Figure 1" in found[figure.parent].text
    assert "dog of line 0" in figure.text


def test_figures_stand_after_the_text_of_their_page() -> None:
    pdf = Pdf()
    for page, name in enumerate(("red", "green", "blue")):
        pdf.page().lines(50, 750, list(sentences(f"page {page}", 20)))
        pdf.image(150, 200, 240, 180, name)
    found = pieces(pdf.build(), "pdf", chunk_tokens=60, overlap_tokens=0)
    pages = [piece.position["page"] for piece in found if isinstance(piece, Piece)]
    assert pages == sorted(pages)
    assert [piece.position["page"] for piece in of_kind(found, "figure")] == [1, 2, 3]
    for figure in of_kind(found, "figure"):
        assert found[figure.parent].position["page"] == figure.position["page"]


def test_drawing_of_lines_is_a_figure_and_a_framed_table_is_not() -> None:
    drawing = Pdf().page().lines(50, 750, list(sentences("cat", 6))).draw(CURVES).build()
    (figure,) = of_kind(pieces(drawing, "pdf"), "figure")
    left, top, right, bottom = figure.position["box"]
    assert 0.2 < left < right < 0.8
    assert 0.3 < top < bottom < 0.6
    table = Pdf().page()
    for row in range(12):
        table.draw(f"50 {600 - 20 * row} 250 20 re S 300 {600 - 20 * row} 250 20 re S")
        table.text(55, 606 - 20 * row, "the words that fill a cell of this table here", 11)
        table.text(305, 606 - 20 * row, "and as many words that fill the other cell", 11)
    assert of_kind(pieces(table.build(), "pdf"), "figure") == []


def test_tiles_of_a_picture_are_one_figure_and_neighbours_are_two() -> None:
    text = list(sentences("cat", 6))
    tiles = Pdf().page().lines(50, 750, text)
    tiles.image(100, 400, 200, 100, "red").image(100, 300, 200, 100, "blue")
    assert len(of_kind(pieces(tiles.build(), "pdf"), "figure")) == 1
    apart = Pdf().page().lines(50, 750, text)
    apart.image(50, 400, 200, 150, "red").image(300, 400, 200, 150, "blue")
    assert len(of_kind(pieces(apart.build(), "pdf"), "figure")) == 2


def test_logo_on_many_pages_is_no_figure_and_a_repeated_picture_is_one() -> None:
    pdf = Pdf()
    for page in range(4):
        pdf.page().lines(50, 750, list(sentences(f"page {page}", 6)))
        pdf.image(50, 50, 120, 90, "red")
        if page < 2:
            pdf.image(50, 300, 240, 180, "green")
    figures = of_kind(pieces(pdf.build(), "pdf"), "figure")
    assert [figure.position["page"] for figure in figures] == [1]
    assert colour(figures[0]) == (0, 128, 0)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_figure_on_a_turned_page_is_seen_turned(turn: int) -> None:
    pdf = Pdf().page(f"/Rotate {turn}").lines(50, 750, list(sentences("cat", 6)))
    (figure,) = of_kind(pieces(pdf.image(100, 400, 240, 120, "red").build(), "pdf"), "figure")
    height, width, _ = figure.picture.shape
    assert (width > height) == (turn in (0, 180))
    left, top, right, bottom = figure.position["box"]
    seen = (left, top) if turn == 0 else (1 - right, 1 - bottom)
    if turn in (0, 180):
        assert seen == pytest.approx((100 / 600, 280 / 800), abs=0.001)


def test_scanned_pages_become_pictures_of_the_wanted_size() -> None:
    data = scanned("one", "two")
    found = pieces(data, "pdf", min_side=300)
    assert [(p.kind, p.modality, p.position) for p in found] == [
        ("page_image", "image", {"page": 1}),
        ("page_image", "image", {"page": 2}),
    ]
    assert found[0].picture.shape == (800, 600, 3)
    assert not np.array_equal(found[0].picture, found[1].picture)
    assert pieces(data, "pdf", min_side=64)[0].picture.shape[1] == 400


def test_page_images_follow_the_rule() -> None:
    text = Pdf().page().lines(50, 750, list(sentences("cat", 6))).build()
    assert [p.kind for p in pieces(text, "pdf", page_images="scanned")] == ["passage"]
    assert [p.kind for p in pieces(text, "pdf", page_images="always")] == ["passage", "page_image"]
    never = pieces(scanned("one"), "pdf", page_images="never")
    assert [p.kind for p in never] == ["figure"]
    assert reason(scanned("one"), "pdf", page_images="never", figures=False) == "no_content"


def test_scan_with_recognised_text_is_text_and_picture() -> None:
    pdf = Pdf().page().image(0, 0, 600, 800, "red").draw("3 Tr")
    pdf.lines(50, 750, list(sentences("recognised", 6)))
    found = pieces(pdf.build(), "pdf")
    assert [p.kind for p in found] == ["passage", "page_image"]
    assert "recognised" in found[1].text


def test_blank_pages_yield_nothing() -> None:
    assert reason(Pdf().page().page().build(), "pdf") == "no_content"
    assert reason(Pdf().build(), "pdf") in ("no_content", "damaged")


def test_broken_page_is_a_flaw_and_the_others_are_cut() -> None:
    data = Pdf().page().text(50, 700, "good words").page().text(50, 700, "lost words").build()
    kids = data[data.index(b"/Kids") :].split(b"]")[0]
    broken = kids.replace(kids.split()[-3], b"1", 1) if kids.count(b" R") == 2 else kids
    found = pieces(data.replace(kids, broken), "pdf")
    assert "good words" in words(found)
    assert "lost words" not in words(found)
    assert [(f.part, f.reason) for f in found if isinstance(f, Flaw)] == [("page 2", "damaged")]


def test_too_many_pages_are_refused_before_they_are_read() -> None:
    pdf = Pdf()
    for _ in range(30):
        pdf.page().text(50, 700, "x")
    assert reason(pdf.build(), "pdf", max_pages=29) == "too_many_pages"


def test_damaged_files_are_refused() -> None:
    assert reason(b"", "pdf") == "empty"
    assert reason(b"%PDF-1.7\n garbage", "pdf") == "damaged"
    assert reason(zlib.compress(b"x" * 1000), "pdf") == "damaged"


def test_page_of_absurd_size_is_drawn_small() -> None:
    pdf = Pdf().page("/CropBox [0 0 600 800] /UserUnit 100").draw(CURVES)
    wide = Pdf().page().draw(CURVES).build().replace(b"[0 0 600 800]", b"[0 0 600 9e6]")
    for data in (pdf.build(), wide):
        for piece in pieces(data, "pdf", page_images="always"):
            assert piece.picture is None or piece.picture.size < 10_000_000


def test_what_was_filled_into_a_form_is_read_and_a_password_is_not() -> None:
    pdf = Pdf().page().text(50, 750, "Request for a mooring at the harbour of Oban", 12)
    pdf.field("/FT /Tx /T (owner) /TU (Owner of the boat) /V (Ada Byron)")
    pdf.field("/FT /Tx /T (empty) /V ()")
    pdf.field("/FT /Tx /T (secret) /V (hunter2) /Ff 8192")
    pdf.field("/FT /Ch /T (berth) /V (North quay) /Opt [(North quay) (South quay)] /Ff 131072")
    on = "/AS /Yes /V /Yes /AP << /N << /Yes null >> >>"
    pdf.field(f"/FT /Btn /T (insured) {on}")
    pdf.field("/FT /Btn /T (press me) /Ff 65536")
    (page,) = of_kind(pieces(pdf.build(), "pdf"), "passage")
    told = "Owner of the boat: Ada Byron berth: North quay"
    assert told in " ".join(page.text.split())
    assert "hunter2" not in page.text
    assert "press me" not in page.text
    assert page.position["page"] == 1
