"""Cut Word files: sections, lists, tables, text boxes, figures, and what must not be said."""

from __future__ import annotations

from crossmodal.chunking.pieces import Flaw
from tests.chunking.document_makers import (
    docx,
    drawing,
    of_kind,
    paragraph,
    picture,
    pieces,
    reason,
    words,
    zipped,
)


def test_headings_become_the_path_of_sections() -> None:
    data = docx(
        paragraph("Lakes", "H1"),
        paragraph("Water is wet."),
        paragraph("Ducks", "Mine"),
        paragraph("They swim."),
    )
    found = of_kind(pieces(data, "docx", chunk_tokens=4, overlap_tokens=0), "passage")
    assert {piece.text: piece.section for piece in found} == {
        "Lakes\nWater is wet.": ("Lakes",),
        "Lakes\nDucks\nThey swim.": ("Lakes", "Ducks"),
    }


def test_heading_with_nothing_below_it_is_still_found() -> None:
    data = docx(paragraph("Alone", "H1"), paragraph("Also alone", "H1"))
    text = words(pieces(data, "docx"))
    assert text.count("Alone") == 1
    assert text.count("Also alone") == 1


def test_deleted_text_and_field_codes_and_fallbacks_are_not_said() -> None:
    data = docx(
        paragraph(
            "kept",
            inner="<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
            "<w:r><w:instrText>FIELD</w:instrText></w:r>"
            "<mc:AlternateContent><mc:Choice><w:r><w:t> chosen</w:t></w:r></mc:Choice>"
            "<mc:Fallback><w:r><w:t>fallback</w:t></w:r></mc:Fallback></mc:AlternateContent>",
        )
    )
    assert words(pieces(data, "docx")) == "kept chosen"


def test_table_is_read_by_rows_and_a_frame_by_paragraphs() -> None:
    cells = "".join(f"<w:tc>{paragraph(text)}</w:tc>" for text in ("Ada", "1815"))
    frame = f"<w:tc>{paragraph('First.')}{paragraph('Second.')}</w:tc>"
    data = docx(f"<w:tbl><w:tr>{cells}</w:tr></w:tbl><w:tbl><w:tr>{frame}</w:tr></w:tbl>")
    assert words(pieces(data, "docx")).split("\n\n") == ["Ada | 1815", "First.", "Second."]


def test_text_box_is_read_once() -> None:
    box = f"<w:r><w:pict><v:shape><w:txbxContent>{paragraph('boxed')}</w:txbxContent>"
    data = docx(paragraph("before", inner=f"{box}</v:shape></w:pict></w:r>"))
    assert words(pieces(data, "docx")).count("boxed") == 1


def test_figure_has_its_caption_its_section_and_its_passage() -> None:
    data = docx(
        paragraph("Birds", "H1"),
        paragraph("Here comes a duck."),
        f"<w:p>{drawing('i1', 'a yellow duck')}</w:p>",
        paragraph("Figure 1: The duck", "Caption"),
        images={"i1": picture("yellow")},
    )
    found = pieces(data, "docx", chunk_tokens=6, overlap_tokens=0)
    (figure,) = of_kind(found, "figure")
    assert figure.caption == "Figure 1: The duck"
    assert "Here comes a duck." in figure.text
    assert figure.section == ("Birds",)
    assert figure.modality == "image"
    assert figure.facts == {"format": "PNG", "width": 120, "height": 90}
    assert figure.parent is not None
    assert "Here comes a duck." in found[figure.parent].text
    assert found.index(figure) == figure.parent + 1


def test_alternative_text_is_the_caption_where_there_is_no_other() -> None:
    data = docx(f"<w:p>{drawing('i1', 'a duck on a lake')}</w:p>", images={"i1": picture("yellow")})
    (figure,) = of_kind(pieces(data, "docx"), "figure")
    assert figure.caption == "a duck on a lake"
    assert figure.parent is None


def test_decorations_and_repetitions_are_no_figures() -> None:
    images = {
        "a": picture("red"),
        "again": picture("red"),
        "dot": picture("blue", 30, 30),
        "bar": picture("green", 900, 60),
    }
    data = docx(*(f"<w:p>{drawing(key)}</w:p>" for key in images), images=images)
    assert len(of_kind(pieces(data, "docx"), "figure")) == 1


def test_figures_can_be_left_out() -> None:
    data = docx(paragraph("text"), f"<w:p>{drawing('a')}</w:p>", images={"a": picture("red")})
    assert of_kind(pieces(data, "docx", figures=False), "figure") == []


def test_broken_picture_is_a_flaw_and_the_rest_is_cut() -> None:
    data = docx(
        paragraph("text"),
        f"<w:p>{drawing('bad')}</w:p><w:p>{drawing('good')}</w:p>",
        images={"bad": picture("red")[:-200], "good": picture("blue")},
    )
    found = pieces(data, "docx")
    flaws = [piece for piece in found if isinstance(piece, Flaw)]
    assert [(flaw.part, flaw.reason) for flaw in flaws] == [("figure 1", "truncated")]
    assert len(of_kind(found, "figure")) == 1
    assert words(found) == "text"


def test_large_figure_travels_small_but_remembers_its_size() -> None:
    data = docx(f"<w:p>{drawing('a')}</w:p>", images={"a": picture("red", 1200, 900, "JPEG")})
    (figure,) = of_kind(pieces(data, "docx", min_side=64), "figure")
    assert figure.picture.shape == (128, 171, 3)
    assert (figure.facts["width"], figure.facts["height"]) == (1200, 900)


def test_damaged_files_are_refused() -> None:
    whole = docx(paragraph("text"))
    assert reason(b"", "docx") == "empty"
    assert reason(whole[: len(whole) // 2], "docx") == "damaged"
    assert reason(b"no zip at all", "docx") == "damaged"
    assert reason(zipped({"readme.txt": "not a document"}), "docx") == "damaged"
    assert reason(zipped({"word/document.xml": "<w:document"}), "docx") == "damaged"


def test_file_without_content_is_refused() -> None:
    assert reason(docx(paragraph("  ")), "docx") == "no_content"


def test_entities_are_not_expanded() -> None:
    bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 9))
    xml = (
        f'<!DOCTYPE d [<!ENTITY e0 "lol"><!ENTITY f SYSTEM "file:///etc/hostname">{bomb}]>'
        '<d xmlns:w="urn:w"><w:body><w:p><w:r><w:t>a&e8;&f;b</w:t></w:r></w:p></w:body></d>'
    )
    assert reason(zipped({"word/document.xml": xml}), "docx") in ("cut", "damaged")
    plain = xml.replace("&e8;", "")
    assert words(pieces(zipped({"word/document.xml": plain}), "docx")) in ("a", "ab")


def test_endless_nesting_is_refused() -> None:
    depth = 100_000
    xml = f"{'<w:a>' * depth}{'</w:a>' * depth}".replace("<w:a>", '<w:a xmlns:w="urn:w">', 1)
    assert reason(zipped({"word/document.xml": xml}), "docx") == "damaged"
