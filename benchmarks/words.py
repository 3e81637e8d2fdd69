"""Time what the words of a question cost, with the index of words and without, and beside tantivy.

    python -m benchmarks.words 200000 --work FOLDER

Made-up passages of 60 words, whose frequencies fall as in a language (Zipf), counted by the product
itself. Questions of four words are answered by each way in turn. tantivy is no dependency: ``pip
install tantivy`` beside it, or it is named and left out; it gets the same terms, ready cut.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.sql import registered
from crossmodal.ledger.words.bm25 import match
from crossmodal.ledger.words.postings import count_words
from crossmodal.ledger.words.tokens import question_terms, term_id
from crossmodal.search.word_index import folder_of, keep_word_index, word_index_beside

_NUM_WORDS, _VOCABULARY, _NUM_QUESTIONS, _BEST = 60, 200_000, 40, 1000
_LETTERS = np.array(list("bcdfghjklmnprstvwz"))
_BLOCK = 20_000
_PUT = """
INSERT INTO chunk (content_hash, chunker, kind, ordinal, meta, run_id, modality, text)
SELECT 'c' || number, 'made', 'passage', 0, '{}', 'made', 'text', text FROM made
"""

_BY_CHUNK = """
SELECT flatten(list(list_transform(range(tf::INTEGER), lambda _: term))) AS terms FROM posting
GROUP BY chunk_id
"""
_SHARES = 1 / np.arange(1, _VOCABULARY + 1)
_SHARES /= _SHARES.sum()

Way = Callable[[str], object]
Made = TypeVar("Made")


def main() -> None:
    """Make the passages, time each way and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("num", type=int, help="passages")
    parser.add_argument("--work", type=Path, default=Path("/tmp/crossmodal-bench-words"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    collection = Collection(options.work / f"{options.num}.duckdb")
    draw = np.random.default_rng(0)
    if not collection.path.exists():
        _fill(collection, options.num, draw)
    print(f"{options.num:,} passages; collection {_megabytes(collection.path):.0f} MB")
    _, seconds = _timed(lambda: keep_word_index(collection, min_chunks=1))
    print(f"index made in {seconds:.1f} s, {_megabytes(folder_of(collection.path)):.0f} MB")
    questions = [" ".join(_spelled(_words(draw, 4))) for _ in range(_NUM_QUESTIONS)]
    with collection.read() as con:
        _print_table(_times(_ways(con, collection), questions))


def _times(ways: dict[str, Way], questions: list[str]) -> dict[str, np.ndarray]:
    """Return ms of each way; all answer a question before the next, and one in vain beforehand."""
    for way in ways.values():
        way(questions[0])
    took: dict[str, list[float]] = {name: [] for name in ways}
    for question in questions:
        for name, way in ways.items():
            started = time.perf_counter()
            way(question)
            took[name].append(time.perf_counter() - started)
    return {name: np.array(seconds) * 1e3 for name, seconds in took.items()}


def _ways(con: duckdb.DuckDBPyConnection, collection: Collection) -> dict[str, Way]:
    index = word_index_beside(collection.path)
    ways: dict[str, Way] = {
        "postings in DuckDB": lambda text: match(con, text).best(_BEST),
        "index of words": lambda text: match(con, text, postings=index).best(_BEST),
    }
    try:
        import tantivy
    except ImportError:
        print("tantivy is not installed and left out")
        return ways
    made, seconds = _timed(lambda: _tantivy(con, tantivy))
    print(f"tantivy's index made in {seconds:.1f} s, in memory")
    return ways | {"tantivy": lambda text: _search_tantivy(made, tantivy, text)}


def _tantivy(con: duckdb.DuckDBPyConnection, tantivy: Any) -> Any:
    """Return an index of the same terms, each as often as it stands in a passage."""
    fields = tantivy.SchemaBuilder()
    fields.add_text_field("terms", tokenizer_name="spaces", index_option="freq")
    made = tantivy.Index(fields.build())
    spaces = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    made.register_tokenizer("spaces", spaces)
    writer = made.writer(heap_size=200_000_000, num_threads=1)
    for batch in con.sql(_BY_CHUNK).to_arrow_reader(_BLOCK):
        for terms in batch["terms"].to_pylist():
            writer.add_document(tantivy.Document(terms=" ".join(map(str, terms))))
    writer.commit()
    made.reload()
    return made


def _search_tantivy(made: Any, tantivy: Any, text: str) -> object:
    parts = [
        (tantivy.Occur.Should, tantivy.Query.term_query(made.schema, "terms", str(term), "freq"))
        for term in map(term_id, question_terms(text))
    ]
    return made.searcher().search(tantivy.Query.boolean_query(parts), _BEST).hits


def _fill(collection: Collection, num: int, draw: np.random.Generator) -> None:
    for first in range(0, num, _BLOCK):
        numbers = range(first, min(first + _BLOCK, num))
        texts = [" ".join(_spelled(_words(draw, _NUM_WORDS))) for _ in numbers]
        made = pa.table({"number": list(numbers), "text": texts})
        with collection.write() as con, registered(con, made=made):
            con.execute(_PUT)
    counted, seconds = _timed(lambda: count_words(collection))
    print(f"words of {counted:,} passages counted in {seconds:.0f} s")


def _words(draw: np.random.Generator, num: int) -> np.ndarray:
    return draw.choice(_VOCABULARY, num, p=_SHARES)


def _spelled(words: np.ndarray) -> list[str]:
    """Return the words by letters: a number would be taken for a part's."""
    places = words[:, None] // len(_LETTERS) ** np.arange(5) % len(_LETTERS)
    return ["".join(row) for row in _LETTERS[places]]


def _print_table(took: dict[str, np.ndarray]) -> None:
    print("| way | median | 95th percentile |\n| --- | ---: | ---: |")
    for name, ms in took.items():
        print(f"| {name} | {np.median(ms):.1f} ms | {np.percentile(ms, 95):.1f} ms |")


def _megabytes(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def _timed(do: Callable[[], Made]) -> tuple[Made, float]:
    started = time.perf_counter()
    done = do()
    return done, time.perf_counter() - started


if __name__ == "__main__":
    main()
