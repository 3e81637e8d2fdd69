"""Cut books: chapters, headings, figures, broken markup and locks."""

from __future__ import annotations

from tests.chunking.document_makers import epub, of_kind, picture, pieces, reason, words, zipped

PICTURE = {"OEBPS/images/duck 1.png": picture("yellow")}


def test_chapters_and_headings_place_a_passage() -> None:
    data = epub("<h1>Lakes</h1><p>Water is wet.</p>", "<h2>Ducks</h2><p>They swim.</p>")
    first, second = of_kind(pieces(data, "epub", chunk_tokens=4, overlap_tokens=0), "passage")
    assert (first.text, first.position) == ("Lakes\nWater is wet.", {"chapter": 1})
    assert (second.section, second.position) == (("Lakes", "Ducks"), {"chapter": 2})


def test_paragraphs_lists_and_rows_are_apart_and_inline_markup_is_not() -> None:
    data = epub(
        "<p>One <b>bold</b>\n  word.</p><ul><li>item</li></ul>"
        "<table><tr><td>a</td><td>b</td></tr></table><div>loose<br/>line</div>"
    )
    assert words(pieces(data, "epub")).split("\n\n") == [
        "One bold word.",
        "item",
        "a | b",
        "loose\nline",
    ]


def test_named_entities_are_read_and_scripts_are_not() -> None:
    data = epub("<p>caf&eacute;&nbsp;&amp; more</p><script>var x = 1;</script>")
    assert words(pieces(data, "epub")).replace("\xa0", " ") == "café & more"


def test_broken_markup_is_read_as_far_as_it_goes() -> None:
    data = epub("<p>Umlaut ä <b>never closed<p>next")
    text = words(pieces(data, "epub"))
    assert "Umlaut ä never closed" in text
    assert "next" in text


def test_figure_has_its_caption_and_stands_after_its_passage() -> None:
    data = epub(
        "<p>Here comes a duck.</p><figure><img src='../images/duck%201.png' alt='duck'/>"
        "<figcaption>A duck, swimming</figcaption></figure><p>It went away.</p>",
        extra=dict(PICTURE),
    )
    found = pieces(data, "epub", chunk_tokens=4, overlap_tokens=0)
    (figure,) = of_kind(found, "figure")
    assert figure.caption == "A duck, swimming"
    assert figure.parent == 0
    assert found[1] is figure
    assert "A duck, swimming" in words(found)


def test_picture_outside_a_figure_and_in_svg_is_found_once() -> None:
    data = epub(
        "<p>x <img src='../images/duck 1.png' alt='a duck'/></p>"
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:l='http://www.w3.org/1999/xlink'>"
        "<image l:href='../images/duck 1.png'/></svg>",
        extra=dict(PICTURE),
    )
    (figure,) = of_kind(pieces(data, "epub"), "figure")
    assert figure.caption == "a duck"


def test_missing_and_outer_pictures_are_passed_over() -> None:
    data = epub("<p>x</p><img src='../gone.png'/><img src='http://host.invalid/a.png'/>")
    assert [piece.kind for piece in pieces(data, "epub")] == ["passage"]


def test_locked_book_is_refused_and_one_with_locked_fonts_is_not() -> None:
    def lock(method: str) -> dict[str, bytes | str]:
        xml = f"<encryption><EncryptionMethod Algorithm='{method}'/></encryption>"
        return {"META-INF/encryption.xml": xml}

    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    assert reason(epub("<p>x</p>", extra=lock(aes)), "epub") == "encrypted"
    assert reason(epub("<p>x</p>", extra=lock("http://ns.adobe.com/pdf/enc#RC")), "epub") == "cut"


def test_book_without_package_or_chapters_is_refused() -> None:
    assert reason(zipped({"mimetype": "application/epub+zip"}), "epub") == "damaged"
    assert reason(epub(), "epub") == "no_content"


def test_too_many_chapters_are_refused() -> None:
    assert reason(epub(*["<p>x</p>"] * 4), "epub", max_pages=3) == "too_many_pages"
