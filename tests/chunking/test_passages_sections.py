"""Headings are found again, and a section is not torn from them."""

from __future__ import annotations

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.passages import passages
from crossmodal.chunking.pieces import CutTools, Piece
from crossmodal.chunking.rules import ChunkRules
from tests.chunking.measures import wordpiece_measure

SENTENCES = "The ducks dive in the sea. Bread is in the oven! The engine is a piston.\n"


def cut(blocks: list[Block], rules: ChunkRules) -> list[Piece]:
    return list(passages(blocks, rules, CutTools(measure=wordpiece_measure())))


def test_sections_are_not_mixed_by_heading_and_small_ones_are_by_recursive():
    blocks = [
        Block(text="The duck dive.", section=("Animals", "Ducks")),
        Block(text="The whale is in the sea.", section=("Animals", "Whales")),
    ]
    by_heading = cut(blocks, ChunkRules(text_chunker="heading"))
    assert [(p.section[-1], p.text) for p in by_heading] == [
        ("Ducks", "Animals\nDucks\nThe duck dive."),
        ("Whales", "Animals\nWhales\nThe whale is in the sea."),
    ]
    (merged,) = cut(blocks, ChunkRules())
    assert merged.section == ("Animals", "Ducks")
    assert merged.facts == {"further_headings": ["Whales"]}
    assert "Whales\nThe whale" in merged.text


def test_heading_stays_with_what_it_is_above():
    blocks = [
        Block(text="The duck dive. " * 4, section=(f"Chapter {number}",)) for number in range(20)
    ]
    rules = ChunkRules(chunk_tokens=40, overlap_tokens=0)
    pieces = cut(blocks, rules)
    assert len(pieces) > 10
    assert all(piece.text.startswith("Chapter") for piece in pieces)


def test_long_section_is_split_and_keeps_its_path():
    block = Block(text=SENTENCES * 20, section=("Sea",))
    rules = ChunkRules(text_chunker="heading", chunk_tokens=60)
    pieces = cut([block], rules)
    assert len(pieces) > 5
    assert {piece.section for piece in pieces} == {("Sea",)}
    assert all(piece.text.startswith("Sea\n") for piece in pieces)
    assert max(wordpiece_measure().count(piece.text) for piece in pieces) <= 60


def test_only_the_innermost_headings_that_leave_room_are_repeated():
    section = ("The whale and the sea " * 5, "Ducks", "Bread")
    rules = ChunkRules(text_chunker="heading", chunk_tokens=30, overlap_tokens=0)
    pieces = cut([Block(text=SENTENCES * 5, section=section)], rules)
    assert pieces[0].text.startswith("The whale and the sea The whale")
    assert all(piece.text.startswith("Ducks\nBread\n") for piece in pieces[2:])


def test_block_that_repeats_its_heading_does_not_get_it_twice():
    block = Block(text="Ducks", section=("Ducks",))
    (piece,) = cut([block], ChunkRules())
    assert piece.text == "Ducks"
