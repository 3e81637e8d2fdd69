"""Write which terms stand in which chunk, in the transaction that writes the chunk.

``posting`` has a row for each term of a chunk, ``worded_chunk`` one for each chunk whose words were
counted, with their language where it could be told, ``source_words`` the terms of each source's
file name. Invariant: a row exists only while its chunk or source does; what a chunk's rows hold
depends on its section and text alone, so that whatever was added, changed and deleted, they are
those of a collection built anew. Collections from before have none until ``count_words``, which
needs no model.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.sql import one_number, registered
from crossmodal.ledger.words.tokens import (
    CODES,
    known_language,
    language_of,
    name_terms,
    term_id,
    terms_of,
)

SECTION_WEIGHT = 2.0
"""A word in the headings above a chunk counts as often as two in its text."""
_TURN_ROWS = 20_000

_WORDS_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("num_words", pa.int32()),
        pa.field("language", pa.string()),
        pa.field("terms", pa.list_(pa.int64())),
        pa.field("tfs", pa.list_(pa.float32())),
    ]
)
_NAMES_SCHEMA = pa.schema([pa.field("uri", pa.string()), pa.field("terms", pa.list_(pa.int64()))])

_NEW = """
CREATE OR REPLACE TEMP TABLE newly_worded AS
SELECT c.chunk_id, any_value(w.num_words) AS num_words, any_value(w.language) AS language,
    any_value(w.terms) AS terms, any_value(w.tfs) AS tfs
FROM words w JOIN numbered e ON e.row = w.row JOIN chunk c ON {same}
WHERE NOT EXISTS (SELECT 1 FROM worded_chunk k WHERE k.chunk_id = c.chunk_id)
GROUP BY c.chunk_id
"""
_OF_SHARD = (
    "c.content_hash = e.content_hash AND c.chunker = e.chunker AND c.ordinal = e.ordinal "
    "AND c.text = e.text AND c.section = e.section"
)
_OF_CHUNK = "c.chunk_id = e.chunk_id"

_PUT = """
INSERT INTO worded_chunk SELECT chunk_id, num_words, language FROM newly_worded ORDER BY chunk_id;
INSERT INTO posting
SELECT unnest(terms) AS term, chunk_id, unnest(tfs), num_words FROM newly_worded
ORDER BY term, chunk_id;
DELETE FROM word_index WHERE covered_chunk >= (SELECT min(chunk_id) FROM newly_worded);
DROP TABLE newly_worded
"""
"""Chunks that come back, by an undo, may lie among those that the index of words covers."""
_PUT_NAMES = "INSERT INTO source_words SELECT uri, terms FROM named ON CONFLICT (uri) DO NOTHING"

_DROP_NAMES = """
DELETE FROM source_words
WHERE uri IN (SELECT previous_uri FROM planned UNION ALL
    SELECT uri FROM planned WHERE action = 'deleted')
AND uri NOT IN (SELECT uri FROM source)
"""

_UNCOUNTED_CHUNKS = """
SELECT chunk_id, coalesce(section, '') AS section, coalesce(text, '') AS text FROM chunk
ANTI JOIN worded_chunk USING (chunk_id) ORDER BY chunk_id LIMIT $num
"""
_UNNAMED = """
SELECT chunk_id, coalesce(section, '') AS section, coalesce(text, '') AS text
FROM worded_chunk JOIN chunk USING (chunk_id) WHERE language IS NULL LIMIT $num
"""
_NAME_LANGUAGES = """
UPDATE worded_chunk SET language = n.language FROM named n
WHERE n.chunk_id = worded_chunk.chunk_id
"""
_UNCOUNTED_SOURCES = "SELECT uri FROM source ANTI JOIN source_words USING (uri) LIMIT $num"


def words_of(sections: Iterable[str | None], texts: Iterable[str | None]) -> pa.Table:
    """Return the words of chunks, a row each in their order; no transaction is needed for it."""
    rows = [
        _row(i, section or "", text or "")
        for i, (section, text) in enumerate(zip(sections, texts, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=_WORDS_SCHEMA)


def words_of_cut(cut: pa.Table) -> pa.Table:
    """Return the words of a shard's chunks, rows of CHUNK_SCHEMA."""
    return words_of(cut["section"].to_pylist(), cut["text"].to_pylist())


def put_shard_words(con: duckdb.DuckDBPyConnection, cut: pa.Table, words: pa.Table) -> None:
    """Write the words of a shard's chunks, which are written; those that have words keep them."""
    numbered = cut.select(["content_hash", "chunker", "ordinal", "section", "text"])
    _put(con, numbered, words, _OF_SHARD)


def put_chunk_words(con: duckdb.DuckDBPyConnection, chunks: pa.Table) -> None:
    """Write the words of chunks, rows of the table ``chunk``; those that have words keep them."""
    words = words_of(chunks["section"].to_pylist(), chunks["text"].to_pylist())
    _put(con, chunks.select(["chunk_id"]), words, _OF_CHUNK)


def put_names(con: duckdb.DuckDBPyConnection, uris: Iterable[str]) -> None:
    """Write the words of file names; those that are known are left as they are."""
    rows = [{"uri": uri, "terms": [term_id(term) for term in name_terms(uri)]} for uri in uris]
    if rows:
        with registered(con, named=pa.Table.from_pylist(rows, schema=_NAMES_SCHEMA)):
            con.execute(_PUT_NAMES)


def drop_names(con: duckdb.DuckDBPyConnection) -> None:
    """Delete the file names of what ``planned``, which is registered, renamed or deleted."""
    con.execute(_DROP_NAMES)


def drop_orphans(con: duckdb.DuckDBPyConnection) -> None:
    """Delete the words of the chunks in the table ``orphan``."""
    for table in ("posting", "worded_chunk"):
        con.execute(f"DELETE FROM {table} WHERE chunk_id IN (SELECT chunk_id FROM orphan)")


def num_uncounted(con: duckdb.DuckDBPyConnection) -> int:
    """Return how many chunks and sources have no words yet, by counts that cost next to nothing."""
    return one_number(
        con,
        "SELECT (SELECT count(*) FROM chunk) - (SELECT count(*) FROM worded_chunk) "
        "+ (SELECT count(*) FROM source) - (SELECT count(*) FROM source_words)",
    )


def count_words(collection: Collection) -> int:
    """Count the words of chunks and names that have none yet; return how many these were.

    In turns, each a transaction; the counting itself goes on outside of any. Killed at any point,
    the next call goes on.

    Raises:
        CollectionBusy: a writer took too long.
    """
    num = 0
    while True:
        with collection.read() as con:
            if not num_uncounted(con):
                return num
            turn = {"num": _TURN_ROWS}
            chunks = con.sql(_UNCOUNTED_CHUNKS, params=turn).to_arrow_table()
            uris = [row[0] for row in con.execute(_UNCOUNTED_SOURCES, turn).fetchall()]
        if not chunks.num_rows and not uris:
            return num
        words = words_of(chunks["section"].to_pylist(), chunks["text"].to_pylist())
        with collection.write() as con:
            _put(con, chunks.select(["chunk_id"]), words, _OF_CHUNK)
            put_names(con, uris)
        num += chunks.num_rows + len(uris)


def name_languages(collection: Collection) -> int:
    """Tell the language of chunks whose words were counted before that was noted; return how many.

    In turns, as ``count_words``.

    Raises:
        CollectionBusy: a writer took too long.
    """
    num = 0
    while True:
        with collection.read() as con:
            turn = con.sql(_UNNAMED, params={"num": _TURN_ROWS}).to_arrow_table()
        if not turn.num_rows:
            return num
        texts = zip(turn["text"].to_pylist(), turn["section"].to_pylist(), strict=True)
        codes = [CODES.get(known_language(text or section), "") for text, section in texts]
        named = pa.table({"chunk_id": turn["chunk_id"], "language": pa.array(codes, pa.string())})
        with collection.write() as con, registered(con, named=named):
            con.execute(_NAME_LANGUAGES)
        num += turn.num_rows


def _put(con: duckdb.DuckDBPyConnection, rows: pa.Table, words: pa.Table, same: str) -> None:
    numbered = rows.append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    with registered(con, words=words, numbered=numbered):
        con.execute(_NEW.format(same=same))
    con.execute(_PUT)


def _row(number: int, section: str, text: str) -> dict[str, object]:
    """Return the words of a chunk, stemmed in the language of its text."""
    language = language_of(text or section)
    within, above = terms_of(text, language), terms_of(section, language)
    tfs: dict[int, float] = {term_id(term): float(num) for term, num in within.items()}
    for term, num in above.items():
        tfs[term_id(term)] = tfs.get(term_id(term), 0.0) + SECTION_WEIGHT * num
    return {
        "row": number,
        "num_words": within.total() + above.total(),
        "language": CODES.get(known_language(text or section), ""),
        "terms": list(tfs),
        "tfs": list(tfs.values()),
    }
