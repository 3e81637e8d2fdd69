"""What is shown of a hit: the sentence or row that answers, marked where it lies in the text."""

from __future__ import annotations

from typing import Any

import pytest

from crossmodal.records import SECTION_SEPARATOR, Hit
from crossmodal.search.snippets import SNIPPET_CHARS, after_headings, sentences, with_snippets
from crossmodal.views.places import place_of

PASSAGE = (
    "Wings\nTests in the tunnel\nThe model was built of wood. It was painted twice, and dried for "
    "a week in the hall beside the tunnel, where nobody was to open a window or a door. The "
    "slipstream raised the lift by 12 percent at low speeds. Nothing else was measured."
)
ROWS = "make: Audi; year: 2012\nmake: BMW; year: 1999\nmake: Fiat; year: 2012"


def hit(text: str, **changes: Any) -> Hit:
    given: dict[str, Any] = {
        "rank": 1,
        "score": 0.5,
        "uri": "/a.pdf",
        "chunk_id": 1,
        "kind": "passage",
        "ordinal": 0,
        "modality": "text",
        "media_type": "application/pdf",
        "size_bytes": 9,
        "modified": None,
        "num_copies": 1,
        "text": text,
    }
    return Hit(**given | changes)


def marked(found: Hit) -> list[str]:
    return [found.text[start:stop] for start, stop in found.spans]


def test_the_sentence_that_answers_is_shown_and_marked() -> None:
    section = SECTION_SEPARATOR.join(["Wings", "Tests in the tunnel"])
    (found,) = with_snippets([hit(PASSAGE, section=section)], "how does a slipstream raise lift")
    assert marked(found) == ["The slipstream raised the lift by 12 percent at low speeds."]
    assert "The slipstream raised the lift" in found.snippet
    assert len(found.snippet) <= SNIPPET_CHARS + 2
    assert found.text == PASSAGE


def test_headings_stand_above_and_are_not_shown_again() -> None:
    section = SECTION_SEPARATOR.join(["Wings", "Tests in the tunnel"])
    (found,) = with_snippets([hit(PASSAGE, section=section)], "a question about bananas")
    assert found.spans == []
    assert found.snippet.startswith("The model was built of wood.")
    assert after_headings("Wings", "Wings") == 0


def test_the_row_that_matched_is_named() -> None:
    rows = hit(ROWS, kind="rows", meta={"rows": [40, 43]})
    (found,) = with_snippets([rows], "a BMW")
    assert marked(found) == ["make: BMW; year: 1999"]
    assert found.snippet == "make: BMW; year: 1999"
    assert place_of(found.meta) == "row 42"
    assert place_of(with_snippets([rows], "a boat")[0].meta) == "rows 41 to 43"


def test_figure_shows_its_caption_whatever_answers() -> None:
    said = "Figure 2: The model in the tunnel\nThe slipstream raised the lift by 12 percent."
    figure = hit(said, kind="figure", modality="image")
    (found,) = with_snippets([figure], "how does a slipstream raise lift")
    assert found.snippet == "Figure 2: The model in the tunnel"
    assert found.spans


def test_rows_whose_lines_are_not_one_a_row_keep_their_range() -> None:
    rows = hit(ROWS, kind="rows", meta={"rows": [40, 45]})
    assert place_of(with_snippets([rows], "a BMW")[0].meta) == "rows 41 to 45"


@pytest.mark.parametrize("question", ["", "?", "the of and", "\0", "x" * 5000])
@pytest.mark.parametrize(
    "text", ["", " \n\n ", "a", "." * 3000, "word " * 9000, "\U0001f600. Ende!"]
)
def test_any_text_and_question_leave_spans_inside_the_text(question: str, text: str) -> None:
    (found,) = with_snippets([hit(text)], question)
    assert all(0 <= start < stop <= len(text) for start, stop in found.spans)
    assert len(found.snippet) <= SNIPPET_CHARS + 2


def test_words_of_another_language_are_stemmed_in_it() -> None:
    text = "Das Haus ist alt und nicht schön. Die Boote sind mit dem Netz im Hafen verbunden. Aus."
    (found,) = with_snippets([hit(text)], "Verbindung der Boote im Hafen")
    assert marked(found) == ["Die Boote sind mit dem Netz im Hafen verbunden."]


def test_short_forms_do_not_end_a_sentence() -> None:
    text = "See Fig. 3 by J. Smith for it. Then go on."
    assert [text[a:b] for a, b in sentences(text)] == [
        "See Fig. 3 by J. Smith for it.",
        "Then go on.",
    ]
