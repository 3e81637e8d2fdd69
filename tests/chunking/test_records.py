"""A record of JSON Lines is a section of its own, and a hit names it."""

from __future__ import annotations

import json

from crossmodal.chunking.pieces import CutTools, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.text import records
from crossmodal.views.places import place_of
from tests.chunking.measures import wordpiece_measure


def cut(*lines: object, **rules: int) -> list[Piece]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    source = Source("file:///birds.jsonl", "application/jsonl", text.encode())
    return list(records.cut(source, ChunkRules(**rules), CutTools(measure=wordpiece_measure())))


def test_small_records_share_no_passage():
    pieces = cut({"a": "duck"}, {"a": "goose"}, {"a": "swan"})
    assert [piece.text for piece in pieces] == ["a: duck", "a: goose", "a: swan"]
    assert [piece.position["rows"] for piece in pieces] == [[0, 1], [1, 2], [2, 3]]


def test_key_and_title_are_the_headings_of_a_record():
    (piece,) = cut({"_id": "d7", "title": "The duck", "text": "It dives."})
    assert piece.section == ("d7", "The duck")
    assert piece.text == "d7\nThe duck\ntext: It dives."
    assert place_of(piece.position | piece.facts) == "record d7"


def test_every_passage_of_a_long_record_stands_below_its_headings():
    first, *others = cut(
        {"id": 7, "title": "Duck", "text": "It dives deep. " * 60}, {"id": 8}, chunk_tokens=40
    )
    assert others[-1].text == "8\nid: 8"
    for piece in (first, *others[:-1]):
        assert piece.section == ("7", "Duck")
        assert piece.text.startswith("7\nDuck\n")
        assert piece.facts["record"] == "7"


def test_records_of_one_title_stay_apart_and_each_shows_it():
    pieces = cut({"title": "Duck", "n": 1}, {"title": "Duck", "n": 2})
    assert [piece.text for piece in pieces] == ["Duck\nn: 1", "Duck\nn: 2"]


def test_what_is_no_record_stands_apart_too():
    pieces = cut({"a": 1}, '{"broken": ', [1, 2])
    assert [piece.text for piece in pieces] == ["a: 1", '{"broken":', "1, 2"]
    assert all("record" not in piece.facts for piece in pieces)


def test_values_that_are_no_heading_stay_in_the_record():
    pieces = cut({"id": {"x": 1}, "title": "long " * 99}, {"id": True, "name": "  "})
    assert all(piece.section == () for piece in pieces)
    assert pieces[0].text.startswith("id.x: 1\ntitle: long")
