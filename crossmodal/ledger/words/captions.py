"""Keep the words of the captions that files tell of pictures, sounds and films.

Owns which of a user's own columns are captions, and ``caption_words``: a row for each source and
each file that tells one. Written in the transaction that writes the columns themselves
(``ledger.write.own_columns``), so that neither is ever without the other. A caption belongs to the
source: its words count for every chunk of it that is no text, and change without a forward pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.ledger.sql import one_number, registered
from crossmodal.ledger.words.rows import Ids, TermRows
from crossmodal.ledger.words.tokens import language_of, term_id, terms_of

CAPTION_COLUMNS = ("caption", "captions", "text", "description", "title", "alt", "alt_text")
"""What the columns are called whose words are those of a caption; other columns are filters."""
_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("digest", pa.string()),
        pa.field("num_words", pa.int32()),
        pa.field("terms", pa.list_(pa.int64())),
        pa.field("tfs", pa.list_(pa.float32())),
    ]
)
# Several rows that mean one source by different paths: the first counts.
_NEW = """
CREATE OR REPLACE TEMP TABLE newly_captioned AS
SELECT m.uri, c.* EXCLUDE (row) FROM captioned c JOIN meant m ON m.row = c.row WHERE m.num = 1
QUALIFY row_number() OVER (PARTITION BY m.uri ORDER BY c.row) = 1
"""
_DROP = """
DELETE FROM caption_words k WHERE file = $file AND NOT EXISTS (
    SELECT 1 FROM newly_captioned n WHERE n.uri = k.uri AND n.digest = k.digest)
"""
_PUT = """
INSERT INTO caption_words
SELECT $file, uri, digest, num_words, terms, tfs FROM newly_captioned n
WHERE NOT EXISTS (
    SELECT 1 FROM caption_words k
    WHERE k.file = $file AND k.uri = n.uri AND k.digest = n.digest) ORDER BY uri
"""
# Most collections are told of nothing: to see that takes a fifth of the joins that find nothing.
_ANY = "SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1)"
_MEDIA = "regexp_matches(s.media_type, '^(image|audio|video)/') AND c.modality <> 'text'"
# Of several files that tell the same the words count once.
_OF_TERMS = f"""
WITH told AS (
    SELECT uri, num_words, unnest(terms) AS term, unnest(tfs) AS tf FROM caption_words
    WHERE list_has_any(terms, $terms::BIGINT[]))
SELECT t.term, c.chunk_id, max(t.tf) AS tf, max(t.num_words) AS num_words
FROM told t JOIN source s USING (uri) JOIN chunk c USING (content_hash)
WHERE t.term IN (SELECT unnest($terms::BIGINT[])) AND {_MEDIA}
GROUP BY t.term, c.chunk_id ORDER BY t.term, c.chunk_id
"""
_AMONG = f"""
SELECT DISTINCT c.chunk_id
FROM caption_words JOIN source s USING (uri) JOIN chunk c USING (content_hash)
WHERE {_MEDIA} AND c.chunk_id IN (SELECT unnest($ids::BIGINT[])) ORDER BY ALL
"""
_TEXTS = f"""
SELECT DISTINCT c.chunk_id, o.value
FROM own_column o JOIN source s USING (uri) JOIN chunk c USING (content_hash)
WHERE o.name IN (SELECT unnest($names::VARCHAR[])) AND {_MEDIA}
    AND c.chunk_id IN (SELECT unnest($ids::BIGINT[])) ORDER BY ALL
"""


def caption_words(keys: pa.Table, values: pa.Table) -> pa.Table:
    """Return the words of the captions in a file's own columns; no transaction is needed for it.

    ``keys`` and ``values`` are those of ``OwnColumns``. Captions of one path are one text.
    """
    key_of = dict(zip(keys["row"].to_pylist(), keys["key"].to_pylist(), strict=True))
    first: dict[str, int] = {}
    for row, key in key_of.items():
        first.setdefault(key, row)
    told: dict[int, list[str]] = {}
    columns = (values[name].to_pylist() for name in ("row", "name", "value"))
    for row, name, value in zip(*columns, strict=True):
        if name in CAPTION_COLUMNS:
            told.setdefault(first[key_of[row]], []).append(value)
    rows = [_words(row, "\n".join(dict.fromkeys(texts))) for row, texts in told.items()]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def put_captions(con: duckdb.DuckDBPyConnection, file: str, words: pa.Table) -> None:
    """Write the words of a file's captions in place of those before; write only differences.

    The temporary table ``meant`` says which source a row means.
    """
    with registered(con, captioned=words):
        con.execute(_NEW)
    con.execute(_DROP, {"file": file})
    con.execute(_PUT, {"file": file})
    con.execute("DROP TABLE newly_captioned")


def drop_gone_captions(con: duckdb.DuckDBPyConnection) -> None:
    """Delete the words of captions of sources that are gone."""
    con.execute("DELETE FROM caption_words WHERE uri NOT IN (SELECT uri FROM source)")


def captioned_chunks(con: duckdb.DuckDBPyConnection, terms: Sequence[int]) -> dict[int, TermRows]:
    """Return by term the chunks whose captions hold it."""
    if not one_number(con, _ANY.format(table="caption_words")):
        return {}
    found = con.execute(_OF_TERMS, {"terms": list(terms)}).fetchnumpy()
    held = np.asarray(found["term"], np.int64)
    ids = np.asarray(found["chunk_id"], np.int64)
    tf = np.asarray(found["tf"], np.float64)
    num_words = np.asarray(found["num_words"], np.float64)
    return {
        term: TermRows(ids[held == term], tf[held == term], num_words[held == term])
        for term in np.unique(held).tolist()
    }


def captioned_among(con: duckdb.DuckDBPyConnection, chunk_ids: Ids) -> Ids:
    """Return those of these chunks that a caption is told of, ascending."""
    found = con.execute(_AMONG, {"ids": chunk_ids}).fetchnumpy()
    return np.asarray(found["chunk_id"], np.int64)


def captions_of(
    con: duckdb.DuckDBPyConnection, chunk_ids: Sequence[int] | Ids
) -> dict[int, list[str]]:
    """Return the captions of those of these chunks that have any."""
    if not one_number(con, _ANY.format(table="own_column")):
        return {}
    bound = {"ids": chunk_ids, "names": list(CAPTION_COLUMNS)}
    told: dict[int, list[str]] = {}
    for chunk_id, value in con.execute(_TEXTS, bound).fetchall():
        told.setdefault(chunk_id, []).append(value)
    return told


def _words(row: int, text: str) -> dict[str, object]:
    found = terms_of(text, language_of(text))
    counted = {term_id(term): float(num) for term, num in found.items()}
    return {
        "row": row,
        "digest": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32],
        "num_words": found.total(),
        "terms": list(counted),
        "tfs": list(counted.values()),
    }
