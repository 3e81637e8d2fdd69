"""Passages hold all of the text, in order, within what the encoder reads."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.passages import passages
from crossmodal.chunking.pieces import CutTools, Piece, TextMeasure
from crossmodal.chunking.rules import ChunkRules, TextChunker
from tests.chunking.measures import (
    bytes_measure,
    file_measure,
    minilm_measure,
    wordpiece_measure,
)

CHUNKERS: tuple[TextChunker, ...] = get_args(TextChunker)
PARAGRAPH = (
    "The ducks dive in the sea. Bread is in the oven! Was the whale in the sea? "
    "The engine is a piston, and the tax is the law.\n"
)
TEXTS = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(
            [PARAGRAPH, "写真を探す。とても速い。", "😀👩‍👩‍👧", "x" * 300, "\n\n", "\u200b" * 99]
        ),
    ),
    max_size=12,
).map("".join)
HEADINGS = ["Ducks", "Whales", "Tax law"]
SECTIONS = st.lists(st.sampled_from(HEADINGS), max_size=2).map(tuple)
BLOCKS = st.lists(
    st.builds(lambda text, section: Block(text=text, section=section), TEXTS, SECTIONS)
)
UNHURRIED = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def bag_of_letters(sentences: list[str]) -> np.ndarray:
    counts = np.asarray([[s.lower().count(c) + 0.01 for c in "adehiknstw"] for s in sentences])
    return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def tools(measure: TextMeasure) -> CutTools:
    return CutTools(measure=measure, embed_sentences=bag_of_letters)


def cut(text: str, chunker: TextChunker, measure: TextMeasure, **rules: int) -> list[Piece]:
    block = Block(text=text, position={"chars": [0, len(text)]})
    return list(passages([block], ChunkRules(text_chunker=chunker, **rules), tools(measure)))


def span(piece: Piece) -> range:
    return range(*piece.position["chars"])


def bare(text: str) -> str:
    """Return a text without blanks and headings, which stand over every passage."""
    for heading in HEADINGS:
        text = text.replace(heading, "")
    return "".join(text.split())


def assert_whole(text: str, pieces: list[Piece], limit: int, measure: TextMeasure) -> None:
    covered = set().union(*map(span, pieces)) if pieces else set()
    lost = [c for i, c in enumerate(text) if i not in covered and not c.isspace()]
    assert not lost
    for piece in pieces:
        assert piece.text == text[slice(*piece.position["chars"])]
        assert measure.count(piece.text) <= limit
    begins = [span(piece).start for piece in pieces]
    assert begins == sorted(set(begins))


@UNHURRIED
@given(text=TEXTS, chunker=st.sampled_from(CHUNKERS), tokens=st.integers(8, 90))
def test_no_text_is_lost_and_no_passage_is_too_long_for_wordpiece(text, chunker, tokens):
    measure = wordpiece_measure()
    pieces = cut(text, chunker, measure, chunk_tokens=tokens, overlap_tokens=tokens // 4)
    assert_whole(text, pieces, tokens, measure)


@UNHURRIED
@given(text=TEXTS, chunker=st.sampled_from(CHUNKERS), overlap=st.integers(0, 100))
def test_no_text_is_lost_and_no_passage_is_too_long_for_bytes(text, chunker, overlap):
    measure = bytes_measure()
    pieces = cut(text, chunker, measure, chunk_tokens=256, overlap_tokens=overlap)
    assert_whole(text, pieces, measure.max_tokens, measure)


@pytest.mark.parametrize("chunker", CHUNKERS)
def test_a_short_first_line_after_blanks_does_not_come_twice(chunker: TextChunker) -> None:
    text, measure = "\n0\n" + "x" * 100, bytes_measure()
    pieces = cut(text, chunker, measure, chunk_tokens=256, overlap_tokens=30)
    assert_whole(text, pieces, measure.max_tokens, measure)


@UNHURRIED
@given(text=TEXTS, chunker=st.sampled_from(CHUNKERS), limit=st.sampled_from([22, 75]))
def test_no_passage_exceeds_the_77_tokens_of_clip(text, chunker, limit, tiny_clip: Path):
    measure = file_measure(tiny_clip / "tokenizer.json", limit)
    assert_whole(text, cut(text, chunker, measure), limit, measure)


@UNHURRIED
@given(text=TEXTS, chunker=st.sampled_from(CHUNKERS), tokens=st.integers(16, 254))
def test_no_text_is_lost_and_no_passage_is_too_long_for_minilm(text, chunker, tokens):
    measure = minilm_measure()
    assert_whole(text, cut(text, chunker, measure, chunk_tokens=tokens), tokens, measure)


@UNHURRIED
@given(blocks=BLOCKS, chunker=st.sampled_from(CHUNKERS))
def test_words_and_headings_of_every_block_are_in_some_passage(blocks, chunker):
    measure = wordpiece_measure()
    rules = ChunkRules(text_chunker=chunker, chunk_tokens=40, overlap_tokens=0)
    pieces = list(passages(blocks, rules, tools(measure)))
    found = bare("".join(piece.text for piece in pieces))
    place = 0
    for block in blocks:
        words = bare(block.text)
        place = found.find(words, place)
        assert place >= 0
        place += len(words)
        # Windows end anywhere, in a heading too.
        if words and chunker != "fixed":
            assert all(any(h in p.text for p in pieces) for h in block.section)
    assert all(measure.count(piece.text) <= 40 for piece in pieces)


def test_fixed_windows_overlap_by_the_tokens_asked_for():
    measure = wordpiece_measure()
    text = PARAGRAPH * 20
    pieces = cut(text, "fixed", measure, chunk_tokens=50, overlap_tokens=10)
    for before, after in pairwise(pieces):
        shared = text[span(after).start : span(before).stop]
        assert measure.count(shared) == 10
        assert measure.count(before.text) == 50


@pytest.mark.parametrize("chunker", CHUNKERS)
def test_overlap_is_never_more_than_asked_for(chunker):
    measure, text = wordpiece_measure(), PARAGRAPH * 20
    pieces = cut(text, chunker, measure, chunk_tokens=60, overlap_tokens=20)
    shared = [
        measure.count(text[span(after).start : span(before).stop])
        for before, after in pairwise(pieces)
    ]
    assert max(shared) <= 20
    assert min(shared) > 0


@pytest.mark.parametrize("chunker", CHUNKERS)
def test_no_overlap_is_asked_for_and_none_is_made(chunker):
    pieces = cut(PARAGRAPH * 20, chunker, wordpiece_measure(), chunk_tokens=60, overlap_tokens=0)
    ends = [span(piece).stop for piece in pieces]
    assert all(end <= span(after).start for end, after in zip(ends, pieces[1:], strict=False))


def test_sentences_stay_whole():
    pieces = cut(PARAGRAPH * 9, "sentence", wordpiece_measure(), chunk_tokens=40, overlap_tokens=12)
    assert len(pieces) > 5
    assert all(piece.text[0].isupper() and piece.text[-1] in ".!?" for piece in pieces)


def test_recursive_cuts_between_paragraphs_where_it_can():
    paragraphs = [f"{PARAGRAPH}Duck {number}." for number in range(12)]
    text = "\n\n".join(paragraphs)
    pieces = cut(text, "recursive", wordpiece_measure(), chunk_tokens=110, overlap_tokens=0)
    assert [p for piece in pieces for p in piece.text.split("\n\n")] == paragraphs


def test_recursive_falls_back_to_lines_sentences_and_words():
    for part, joint in (("bread oven duck", "\n"), ("The duck dive.", " "), ("whale", " ")):
        text = joint.join([part] * 100)
        pieces = cut(text, "recursive", wordpiece_measure(), chunk_tokens=30, overlap_tokens=0)
        assert len(pieces) > 3
        assert {p for piece in pieces for p in piece.text.replace(part, "*").split(joint)} == {"*"}


def test_semantic_cuts_where_the_topic_changes():
    ducks = "The ducks dive in the sea. " * 6
    engines = "Zzz kkk www zzz kkk. " * 6

    def by_topic(sentences):
        return np.asarray([[1, 0] if "duck" in s else [0, 1] for s in sentences], np.float32)

    measure = wordpiece_measure()
    rules = ChunkRules(text_chunker="semantic", chunk_tokens=80, overlap_tokens=0)
    lent = CutTools(measure=measure, embed_sentences=by_topic)
    pieces = list(passages([Block(text=ducks + engines)], rules, lent))
    assert len(pieces) > 1
    assert not [p for p in pieces if "duck" in p.text and "Zzz" in p.text]


@pytest.mark.parametrize("embed", [None, bag_of_letters])
def test_semantic_is_sentence_where_there_is_nothing_to_compare(embed):
    text = "The ducks dive in the sea. " * (2 if embed else 20)
    measure = wordpiece_measure()
    cuts = [
        [
            p.text
            for p in passages(
                [Block(text=text)],
                ChunkRules(text_chunker=chunker, chunk_tokens=12, overlap_tokens=0),
                CutTools(measure=measure, embed_sentences=embed),
            )
        ]
        for chunker in ("semantic", "sentence")
    ]
    assert cuts[0] == cuts[1]
    assert len(cuts[0]) > 1


def test_blank_blocks_yield_nothing():
    blocks = [Block(text=" \n"), Block(text="")]
    assert not list(passages(blocks, ChunkRules(), tools(wordpiece_measure())))


def test_blocks_are_consumed_only_as_passages_are_asked_for():
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield Block(text=PARAGRAPH)

    pieces = passages(endless(), ChunkRules(), tools(wordpiece_measure()))
    assert next(pieces).text
    assert len(taken) < 5000


@pytest.mark.parametrize("line", ["x", "ab1 ", "写", "😀", "\u200b", ". ", "\n", "x\n"])
def test_megabytes_in_any_shape_take_seconds(line):
    text = line * (1_000_000 // len(line)) + "x"
    began = time.process_time()
    pieces = cut(text, "recursive", wordpiece_measure())
    assert time.process_time() - began < 20
    assert 1 <= len(pieces) < 10_000
    assert max(len(piece.text) for piece in pieces) <= 256 * 32
