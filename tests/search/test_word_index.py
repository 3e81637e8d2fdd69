"""The index of words: what it says is what the ledger says, whatever happened since it was made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.words.bm25 import Matches, match
from crossmodal.ledger.words.postings import put_chunk_words
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.records import Lineup
from crossmodal.search.word_index import (
    WordIndex,
    folder_of,
    keep_word_index,
    verify_word_index,
)
from crossmodal.vectors.ann.files import mark_damaged
from tests.ledger import build

NUM_TEXTS = 60
QUESTIONS = ("harbour", "old boats of rubber", "AX-4711/B", "text7", "nothing of the kind zebra")
_WORDS = ("harbour", "boat", "rubber", "pump", "old", "town", "rope", "AX-4711/B", "map", "the")


def texts(first: int, num: int) -> dict[str, str]:
    draw = np.random.default_rng(first)
    return {
        f"/texts/text{i}.txt": " ".join(draw.choice(_WORDS, draw.integers(3, 12))) + f" text{i}"
        for i in range(first, first + num)
    }


def write(collection: Collection, held: dict[str, str], **changes: str) -> None:
    with collection.write() as con:
        model = model_versions.register_lineup(con, Lineup.of(build.version())).joint
        rows = [build.planned(uri, text, **changes) for uri, text in held.items()]
        cut = [
            build.vector_row(row, build.unit(1, 2, 3, 4), modality="text", text=held[row["uri"]])
            for row in rows
        ]
        shard_writer.commit_shard(con, build.shard(model, build.plan(*rows), cut))


def delete(collection: Collection, *uris: str) -> None:
    rows = [build.planned(uri, None, action="deleted", embed=False) for uri in uris]
    with collection.write() as con:
        live = model_versions.all_versions(con)[0]
        shard_writer.apply_plan(con, build.plan(*rows), "run", Lineup.of(live))


def same(collection: Collection) -> bool:
    """Say whether the index answers as the ledger does, to the last bit."""
    index = WordIndex(collection.path)
    with collection.read() as con:
        return all(_equal(match(con, q), match(con, q, postings=index)) for q in QUESTIONS)


def _equal(a: Matches, b: Matches) -> bool:
    return (
        a.chunk_ids.tolist() == b.chunk_ids.tolist()
        and a.scores.tolist() == b.scores.tolist()
        and a.exact == b.exact
    )


@pytest.fixture
def indexed(tmp_path: Path) -> Collection:
    collection = Collection(tmp_path / "c.duckdb")
    write(collection, texts(0, NUM_TEXTS))
    assert keep_word_index(collection, min_chunks=1) == NUM_TEXTS
    return collection


def is_valid(collection: Collection) -> bool:
    with collection.read() as con:
        return build.count(con, "word_index") == 1


def only_file(collection: Collection) -> Path:
    (path,) = folder_of(collection.path).glob("words-*.bin")
    return path


def test_the_index_answers_as_the_ledger_does(indexed: Collection) -> None:
    assert same(indexed)


def test_newer_changed_and_deleted_chunks_count_as_the_ledger_says(indexed: Collection) -> None:
    write(indexed, texts(NUM_TEXTS, 5))
    write(indexed, {"/texts/text3.txt": "an old harbour, changed"}, action="changed")
    delete(indexed, "/texts/text7.txt", "/texts/text8.txt")
    assert is_valid(indexed)
    assert same(indexed)


def test_a_chunk_that_comes_back_ends_the_index(indexed: Collection) -> None:
    with indexed.write() as con:
        again = con.sql("SELECT * FROM chunk ORDER BY chunk_id LIMIT 1").to_arrow_table()
        number = again["chunk_id"][0].as_py()
        for table in ("posting", "worded_chunk"):
            con.execute(f"DELETE FROM {table} WHERE chunk_id = ?", [number])
        put_chunk_words(con, again)
    assert not is_valid(indexed)
    assert same(indexed)


def test_few_chunks_have_no_index(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    write(collection, texts(0, 3))
    assert keep_word_index(collection) == 0
    assert not folder_of(collection.path).exists()


def test_an_index_that_lacks_little_is_kept(indexed: Collection) -> None:
    write(indexed, texts(NUM_TEXTS, 5))
    assert keep_word_index(indexed, min_chunks=1) == 0
    assert is_valid(indexed)


def test_a_damaged_index_is_passed_over_told_of_and_made_anew(indexed: Collection) -> None:
    path = only_file(indexed)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1  # within the frequencies, which are checked term by term
    path.write_bytes(raw)
    assert "checksum" in verify_word_index(indexed).problems[0]
    assert same(indexed)
    index = WordIndex(indexed.path)
    with indexed.read() as con:
        every = build.column(con, "SELECT DISTINCT term FROM posting")
        index(con, every)
    assert keep_word_index(indexed, min_chunks=1) == NUM_TEXTS
    assert only_file(indexed) != path
    found = verify_word_index(indexed)
    assert not found.problems
    assert found.num_files == 1
    assert 0 < found.num_bytes <= only_file(indexed).stat().st_size


def test_a_lost_file_is_passed_over(indexed: Collection) -> None:
    only_file(indexed).unlink()
    assert same(indexed)
    assert verify_word_index(indexed).problems


def test_a_process_killed_before_it_publishes_leaves_what_was_valid(indexed: Collection) -> None:
    valid = only_file(indexed).name
    mark_damaged(folder_of(indexed.path), valid)
    code = (
        "import os\nfrom crossmodal.ledger.collection import Collection\n"
        "from crossmodal.search import word_index\n"
        "word_index._publish = lambda *given: os.kill(os.getpid(), 9)\n"
        f"word_index.keep_word_index(Collection({str(indexed.path)!r}), min_chunks=1)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert same(indexed)
    mark_damaged(folder_of(indexed.path), valid)
    assert keep_word_index(indexed, min_chunks=1) == NUM_TEXTS
    assert only_file(indexed).exists()
