"""Score chunks by the words that they share with a question: BM25 over the postings.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009): k1 1.2, b
0.75, fields weighted into one frequency. The statistics are those of all chunks that the ledger
holds now; a filter changes who is scored and not how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.sql import first_row
from crossmodal.ledger.words.tokens import folded, identifiers, question_terms, term_id

K1 = 1.2
B = 0.75
NAME_WEIGHT = 2.0
"""A word in the file name counts as often as two in the text of each of its chunks."""
_MAX_TERMS = 64

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

_OF_TERM = "SELECT {i}::INTEGER AS i, chunk_id, tf, num_words FROM posting WHERE term = {term}"
_EXTENT = "SELECT count(*), coalesce(avg(num_words), 0) FROM worded_chunk WHERE num_words > 0"
_NAMED = """
SELECT c.chunk_id, any_value(n.terms) AS terms, any_value(k.num_words) AS num_words
FROM source_words n JOIN source s USING (uri) JOIN chunk c USING (content_hash)
JOIN worded_chunk k ON k.chunk_id = c.chunk_id
WHERE list_has_any(n.terms, $terms::BIGINT[]) GROUP BY c.chunk_id
"""
_TEXTS = """
SELECT chunk_id, coalesce(section, ''), coalesce(text, '') FROM chunk
WHERE chunk_id IN (SELECT unnest($ids::BIGINT[]))
"""


@dataclass(frozen=True, slots=True)
class Matches:
    """Hold every chunk that shares a word with a question, best first."""

    chunk_ids: Ids
    scores: Scores
    """BM25, above 0."""
    num_worded: int
    """Chunks that have words at all."""
    exact: frozenset[int] = frozenset()
    """Chunks that hold all the identifiers, such as part numbers, that the question names."""

    def only(self, chunk_ids: Ids) -> Matches:
        """Return those among ``chunk_ids``."""
        kept = np.isin(self.chunk_ids, chunk_ids)
        left = self.exact.intersection(chunk_ids.tolist())
        return Matches(self.chunk_ids[kept], self.scores[kept], self.num_worded, left)


class _Rows(NamedTuple):
    """Hold postings of the terms of a question, (n,) each."""

    term: Ids
    chunk_id: Ids
    tf: Scores
    num_words: Scores


def match(con: duckdb.DuckDBPyConnection, text: str, where: Where | None = None) -> Matches:
    """Return the chunks that share a word with ``text``, best first, ties in order of their ids.

    ``where`` leaves out chunks of which no source passes.
    """
    exact = [term_id(term) for term in identifiers(text)]
    terms = list(dict.fromkeys([*exact, *map(term_id, question_terms(text))]))[:_MAX_TERMS]
    num_worded, mean_words = first_row(con, _EXTENT) or (0, 0.0)
    if not terms:
        return Matches(np.zeros(0, np.int64), np.zeros(0), num_worded)
    rows = _rows(con, terms)
    ids, scores = _scored(rows, len(terms), num_worded, mean_words)
    named = _holding_all(rows, len(exact)) if exact else frozenset()
    found = Matches(ids, scores, num_worded, named)
    return found if where in (None, Where()) else found.only(_passing(con, where))


def holding(con: duckdb.DuckDBPyConnection, phrases: list[str], where: Where | None = None) -> Ids:
    """Return (n,) the chunks whose text, or headings, hold every phrase word for word.

    Letter case, and how much space stands between words, do not count.
    """
    terms = [term for phrase in phrases for term in question_terms(phrase)]
    if not terms:
        return np.zeros(0, np.int64)
    rows = match(con, " ".join(phrases), where)
    wanted = [_plain(phrase) for phrase in phrases]
    texts = con.execute(_TEXTS, {"ids": rows.chunk_ids}).fetchall()
    kept = [
        chunk_id
        for chunk_id, section, text in texts
        if all(phrase in _plain(text) or phrase in _plain(section) for phrase in wanted)
    ]
    return np.array(kept, np.int64)


def _plain(text: str) -> str:
    return " ".join(folded(text).split())


def _rows(con: duckdb.DuckDBPyConnection, terms: list[int]) -> _Rows:
    sql = " UNION ALL ".join(_OF_TERM.format(i=i, term=int(t)) for i, t in enumerate(terms))
    found = con.execute(sql).fetchnumpy()
    rows = _Rows(
        np.asarray(found["i"], np.int64),
        np.asarray(found["chunk_id"], np.int64),
        np.asarray(found["tf"], np.float64),
        np.asarray(found["num_words"], np.float64),
    )
    named = con.execute(_NAMED, {"terms": terms}).fetchall()
    return _with_names(rows, named, terms) if named else rows


def _with_names(rows: _Rows, named: list[tuple[int, list[int], int]], terms: list[int]) -> _Rows:
    """Return the rows with what file names add: to the row of a term and chunk, or a row more."""
    place = {term: i for i, term in enumerate(terms)}
    more = [
        (place[term], chunk_id, NAME_WEIGHT, num_words)
        for chunk_id, held, num_words in named
        for term in held
        if term in place
    ]
    terms_, ids, tfs, lengths = (np.array(column) for column in zip(*more, strict=True))
    keys = np.stack([np.concatenate([rows.term, terms_]), np.concatenate([rows.chunk_id, ids])])
    unique, where = np.unique(keys, axis=1, return_inverse=True)
    where = where.ravel()
    tf = np.bincount(where, np.concatenate([rows.tf, tfs])).astype(np.float64)
    num_words = np.zeros(unique.shape[1])
    num_words[where] = np.concatenate([rows.num_words, lengths])
    return _Rows(unique[0], unique[1], tf, num_words)


def _scored(rows: _Rows, num_terms: int, num_worded: int, mean_words: float) -> tuple[Ids, Scores]:
    num_holding = np.bincount(rows.term, minlength=num_terms)
    # Chunks without words that a file name matches may outnumber those with some.
    total = np.maximum(num_worded, num_holding)
    weight = np.log1p((total - num_holding + 0.5) / (num_holding + 0.5))
    length = 1 - B + B * rows.num_words / max(mean_words, 1.0)
    parts = weight[rows.term] * rows.tf * (K1 + 1) / (rows.tf + K1 * length)
    ids, where = np.unique(rows.chunk_id, return_inverse=True)
    scores = np.bincount(where.ravel(), parts, minlength=len(ids)).astype(np.float64)
    order = np.lexsort((ids, -scores))
    return ids[order], scores[order]


def _holding_all(rows: _Rows, num_first: int) -> frozenset[int]:
    """Return the chunks that hold each of the first terms."""
    ids, counts = np.unique(rows.chunk_id[rows.term < num_first], return_counts=True)
    return frozenset(ids[counts == num_first].tolist())


def _passing(con: duckdb.DuckDBPyConnection, where: Where | None) -> Ids:
    where = where or Where()
    rows = con.execute(where.sieve, where.params).fetchnumpy()
    return np.asarray(rows["chunk_id"], np.int64)
