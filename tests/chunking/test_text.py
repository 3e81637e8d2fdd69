"""Every kind of text becomes passages that say where they come from."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from crossmodal.chunking.pieces import CutTools, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.text import cut as text
from crossmodal.errors import Refused
from tests.chunking.measures import wordpiece_measure


def cut(data: bytes, media_type: str = "text/plain", name: str = "a", **rules: int) -> list[Piece]:
    source = Source(f"file:///texts/{name}", media_type, data)
    return list(text.cut(source, ChunkRules(**rules), CutTools(measure=wordpiece_measure())))


@pytest.mark.parametrize(
    ("media_type", "name", "data", "words", "section"),
    [
        ("text/plain", "a.txt", b"Ducks dive.", "Ducks dive.", ()),
        ("text/markdown", "a", b"# Duck\nIt dives.", "Duck\nIt dives.", ("Duck",)),
        ("text/plain", "A.MD", b"# Duck\nIt dives.", "Duck\nIt dives.", ("Duck",)),
        ("text/html; charset=utf-8", "a", b"<h1>Duck</h1>It dives.", "Duck\nIt dives.", ("Duck",)),
        ("text/x-rst", "a", b"Duck\n====\nIt dives.", "Duck\nIt dives.", ("Duck",)),
        ("application/json", "a", b'{"bird": "duck"}', "bird: duck", ()),
        ("text/plain", "a.jsonl", b'{"a": 1}\n{"a": 2}', "a: 1\n\na: 2", ()),
        ("application/xml", "a", b"<z><bird>duck</bird></z>", "bird: duck", ()),
        ("application/xml", "a", b"<z><bird>duck", "<z><bird>duck", ()),
        ("text/x-python", "a.py", b"# duck\nquack()\n", "# duck\nquack()", ()),
        ("text/plain", "a.log", b"12:00 duck\n12:01 dive\n", "12:00 duck\n12:01 dive", ()),
    ],
)
def test_each_media_type_is_read_in_its_own_way(media_type, name, data, words, section):
    (piece,) = cut(data, media_type, name)
    assert (piece.text, piece.section) == (words, section)
    assert (piece.kind, piece.modality) == ("passage", "text")


def test_passages_say_encoding_and_title():
    pieces = cut("# Größe\n".encode("cp1252") + b"The duck dives. " * 99, "text/markdown")
    assert len(pieces) > 1
    assert all(piece.facts == {"encoding": "cp1252", "title": "Größe"} for piece in pieces)


def test_positions_count_characters_of_the_text_as_read():
    pieces = cut("Größe\r\n\r\nDer Rest".encode("utf-16"))
    assert pieces[0].position == {"chars": [0, len("Größe\n\nDer Rest")]}


@pytest.mark.parametrize(
    ("data", "media_type", "reason"),
    [
        (b"", "text/plain", "no_content"),
        (b"<html><script>x()</script></html>", "text/html", "no_content"),
        (b"[a]: http://a.example", "text/markdown", "no_content"),
        (bytes(range(256)) * 8, "text/plain", "binary"),
    ],
)
def test_what_holds_no_text_is_refused(data, media_type, reason):
    with pytest.raises(Refused) as refusal:
        cut(data, media_type)
    assert refusal.value.reason == reason


def test_more_passages_than_allowed_are_refused():
    with pytest.raises(Refused) as refusal:
        cut(b"The duck dives. " * 5000, max_chunks=10)
    assert refusal.value.reason == "too_many_chunks"


@pytest.mark.parametrize(
    "media_type", ["text/csv", "text/tab-separated-values", "text/vtt", "image/svg+xml"]
)
def test_what_another_chunker_reads_better_is_left_to_it(media_type):
    assert not [p for p in text.MEDIA_PATTERNS if fnmatchcase(media_type, p)]


def test_patterns_are_lower_case_and_named_once():
    assert not [
        p for p, times in Counter(text.MEDIA_PATTERNS).items() if times > 1 or p != p.lower()
    ]


def test_module_costs_nothing_to_import():
    code = "import sys, crossmodal.chunking.text.cut; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"lxml", "markdown_it", "charset_normalizer", "tokenizers", "torch"}
    assert not heavy & set(loaded.stdout.split())


def test_a_whole_novel_is_cut(shared_data: Path):
    data = (shared_data / "documents" / "book-war-and-peace-1225p.txt").read_bytes()[:600_000]
    pieces = cut(data)
    assert len(pieces) > 500
    assert all(wordpiece_measure().count(piece.text) <= 254 for piece in pieces)


def test_an_encyclopedia_page_keeps_its_sections(shared_data: Path):
    data = (shared_data / "documents" / "wiki_duck.html").read_bytes()
    pieces = cut(data, "text/html")
    assert {("Duck", "Etymology"), ("Duck", "Behaviour", "Feeding")} <= {p.section for p in pieces}
    assert pieces[0].facts["title"] == "Duck - Wikipedia"
    assert not [piece for piece in pieces if "function(" in piece.text]
