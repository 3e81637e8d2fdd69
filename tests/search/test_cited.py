"""A question is answered by sentences of the sources, grouped by source, each with its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossmodal.errors import FilterError
from crossmodal.records import Hit
from crossmodal.search.answer import Answer
from crossmodal.search.cited import MAX_EVIDENCE, CitedAnswer, ask, cited, wide
from crossmodal.search.options import QueryOptions
from crossmodal.search.snippets import with_snippets
from tests.search import hits

QUESTION = "why did customer 17 call?"
CHAT = "Hi!\n\nHere is\ncustomer 17.\n\nThe lamp broke."


def answered(*found: Hit, num_sources: int = 5) -> CitedAnswer:
    shown = with_snippets(found, QUESTION)
    return cited(Answer(query=QUESTION, model="m", hits=shown), num_sources)


def passage(uri: str, text: str, **changes: Any) -> Hit:
    given = {"kind": "passage", "modality": "text", "media_type": "application/pdf", "text": text}
    return hits.hit(uri, **given | changes)


def test_chunks_of_a_source_come_together_in_the_order_of_its_best() -> None:
    found = answered(
        passage("/a.pdf", "Customer 17 calls."),
        passage("/b.pdf", "A customer."),
        passage("/a.pdf", "Call 17."),
    )
    assert [(source.number, source.uri) for source in found.sources] == [
        (1, "/a.pdf"),
        (2, "/b.pdf"),
    ]
    assert [each.quotes for each in found.sources[0].evidence] == [
        ["Customer 17 calls."],
        ["Call 17."],
    ]
    assert len(answered(*(passage(f"/{n}", "17") for n in range(9)), num_sources=2).sources) == 2


def test_every_quote_stands_word_for_word_in_its_chunk() -> None:
    text = "It rained. Customer 17 had a call at noon.\nNobody else did."
    [source] = answered(passage("/a.pdf", text)).sources
    [quote] = source.evidence[0].quotes
    assert quote == "Customer 17 had a call at noon."
    assert quote in text


def test_source_speaks_by_its_marked_chunks_and_by_few_of_them() -> None:
    many = [passage("/a.pdf", f"Customer 17, call {n}.") for n in range(9)]
    [source] = answered(hits.hit("/a.pdf"), passage("/a.pdf", "Nothing here."), *many).sources
    assert len(source.evidence) == MAX_EVIDENCE
    assert all("17" in each.quotes[0] for each in source.evidence)


def test_picture_without_words_is_cited_without_a_quote() -> None:
    [source] = answered(hits.hit("/photo.jpg")).sources
    assert [each.quotes for each in source.evidence] == [[]]


def test_picture_without_words_gives_way_to_what_has_words_unless_it_is_stronger() -> None:
    photo, said = hits.hit("/photo.jpg"), passage("/a.pdf", "Customer 17 calls.")

    def uris(*found: Hit) -> list[str]:
        return [source.uri for source in answered(*found).sources]

    equal = [replace(hit, strength="likely") for hit in (photo, said)]
    assert uris(*equal) == ["/a.pdf"]
    assert "1 source without words is left out" in answered(*equal).notices[0]
    assert uris(replace(photo, strength="strong"), equal[1]) == ["/photo.jpg", "/a.pdf"]
    assert uris(replace(said, uri="/photo.jpg"), photo) == ["/photo.jpg"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"meta": {"page": 3}}, "page 3"),
        ({"meta": {"page": 3, "page_end": 4}}, "pages 3 to 4"),
        ({"kind": "cue", "meta": {"start_s": 12.0, "end_s": 75.5}}, "at 0:12 to 1:15"),
        ({"kind": "frame", "meta": {"start_s": 12.0, "end_s": 75.5}}, "at 0:12"),
        (
            {"kind": "clip", "meta": {"start_s": 12.0, "end_s": 75.5, "num_frames": 8}},
            "at 0:12 to 1:15",
        ),
        ({"kind": "ocr", "meta": {"paragraph": 4}, "media_type": "image/png"}, "message 5"),
        ({"kind": "ocr", "meta": {"page": 2, "paragraph": 1}}, "page 2, paragraph 2"),
    ],
)
def test_place_names_page_second_or_message(changes: dict[str, Any], place: str) -> None:
    [source] = answered(passage("/a", CHAT, **changes)).sources
    assert source.evidence[0].place == place


def test_rows_are_cited_by_the_row_that_matched() -> None:
    rows = "customer: 16; why: bill\ncustomer: 17; why: lamp"
    found = answered(passage("/t.csv", rows, kind="rows", meta={"rows": [40, 42]}))
    evidence = found.sources[0].evidence[0]
    assert (evidence.place, evidence.quotes) == ("row 42", ["customer: 17; why: lamp"])


def test_answer_is_told_as_plain_values_as_a_table_and_as_markdown() -> None:
    found = answered(passage("/a.pdf", "Customer 17 | a call.", meta={"page": 3}))
    assert found.to_dict()["sources"][0]["evidence"][0]["place"] == "page 3"
    table = found.to_text_table()
    assert table.rows[0][:2] == ("[1]", "/a.pdf (page 3)")
    assert "Customer 17 \\| a call." in found.to_markdown()


def test_question_without_words_is_refused_before_anything_is_read() -> None:
    with pytest.raises(FilterError, match="nothing is asked"):
        ask(" ?! ", QueryOptions(collection="/nowhere.duckdb"))


def test_every_chunk_counts_in_the_search_behind_an_answer() -> None:
    options = wide(QueryOptions(collection="c", k=1000, offset=3))
    assert (options.k, options.offset, options.group) == (800, 0, False)
