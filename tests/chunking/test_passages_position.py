"""A passage says where its blocks stand."""

from __future__ import annotations

from typing import Any

import pytest

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.passages import passages
from crossmodal.chunking.pieces import CutTools, Piece
from crossmodal.chunking.rules import ChunkRules
from tests.chunking.measures import wordpiece_measure


def cut(blocks: list[Block], tokens: int = 254) -> list[Piece]:
    rules = ChunkRules(chunk_tokens=tokens, overlap_tokens=0)
    return list(passages(blocks, rules, CutTools(measure=wordpiece_measure())))


def merged(*positions: dict[str, Any]) -> dict[str, Any]:
    (piece,) = cut([Block(text="The duck dive.", position=position) for position in positions])
    return piece.position


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([{"page": 3}, {"page": 3}], {"page": 3}),
        ([{"page": 3}, {"page": 4}, {"page": 6}], {"page": 3, "page_end": 6}),
        ([{"page": 3, "page_end": 4}, {"page": 5, "page_end": 6}], {"page": 3, "page_end": 6}),
        ([{"rows": [0, 20]}, {"rows": [20, 33]}], {"rows": [0, 33]}),
        ([{"chars": [0, 9]}, {"chars": [30, 90]}], {"chars": [0, 90]}),
        (
            [{"start_s": 1.5, "end_s": 2.0}, {"start_s": 2.5, "end_s": 4.0}],
            {"start_s": 1.5, "end_s": 4.0},
        ),
        (
            [{"page": 1, "box": [5, 5, 9, 9]}, {"page": 1, "box": [1, 7, 8, 20]}],
            {"page": 1, "box": [1, 5, 9, 20]},
        ),
        (
            [{"page": 1, "box": [5, 5, 9, 9]}, {"page": 2, "box": [1, 7, 8, 20]}],
            {"page": 1, "page_end": 2},
        ),
        ([{"sheet": "Sales"}, {"sheet": "Sales"}], {"sheet": "Sales"}),
        ([{}, {"page": 2}], {"page": 2}),
    ],
)
def test_positions_of_merged_blocks_are_joined(positions, expected):
    assert merged(*positions) == expected


def test_last_page_is_that_of_the_last_block():
    assert merged({"page": 3, "page_end": 4}, {"page": 4}) == {"page": 3, "page_end": 4}
    assert merged({"page": 3, "page_end": 4}, {"page": 5}) == {"page": 3, "page_end": 5}
    assert merged({"page": 3}, {"page": 3, "page_end": 5}) == {"page": 3, "page_end": 5}


def test_part_of_a_block_has_the_part_of_its_chars():
    text = "The duck dive. " * 30
    pieces = cut([Block(text=text, position={"chars": [100, 100 + len(text)]})], tokens=40)
    assert len(pieces) > 2
    for piece in pieces:
        begin, stop = piece.position["chars"]
        assert text[begin - 100 : stop - 100] == piece.text


def test_chars_of_a_text_that_was_rewritten_are_those_of_its_whole():
    block = Block(text="The duck dive. " * 30, position={"chars": [100, 2000]})
    assert {tuple(piece.position["chars"]) for piece in cut([block], tokens=40)} == {(100, 2000)}


def test_chars_are_right_in_a_text_of_many_stretches():
    text = "The duck dive in the sea. " * 20_000
    pieces = cut([Block(text=text, position={"chars": [0, len(text)]})])
    assert all(text[slice(*piece.position["chars"])] == piece.text for piece in pieces)
    assert pieces[-1].position["chars"][1] == len(text.rstrip())


def test_facts_are_kept_where_no_block_contradicts():
    blocks = [
        Block(text="The duck.", facts={"language": "en", "font": "A"}),
        Block(text="The whale.", facts={"language": "en", "font": "B"}),
    ]
    (piece,) = cut(blocks)
    assert piece.facts == {"language": "en"}
