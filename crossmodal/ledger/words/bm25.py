"""Score chunks by the words that they share with a question: BM25 over the postings.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009): k1 1.2, b
0.75, fields weighted into one frequency. The statistics are those of all chunks that the ledger
holds now; a filter changes who is scored and not how.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import duckdb
import numpy as np

from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.sql import first_row
from crossmodal.ledger.words.captions import captioned_chunks, captions_of
from crossmodal.ledger.words.rows import Ids, Scores, TermRows
from crossmodal.ledger.words.tokens import (
    folded,
    identifiers,
    question_terms,
    term_id,
    terms_by_word,
)

K1 = 1.2
B = 0.75
NAME_WEIGHT = 2.0
"""A word in the file name counts as often as two in the text of each of its chunks."""
_MAX_TERMS = 64
_DENSE_ROOM = 50
"""Numbers of chunks for each one found, beyond which sorting costs less than a place for each."""

_OF_TERMS = """
SELECT term, chunk_id, tf, num_words FROM posting
WHERE term IN (SELECT unnest($terms::BIGINT[])) AND chunk_id > $after ORDER BY term, chunk_id
"""
_EXTENT = """
SELECT count(*), coalesce(avg(num_words), 0) FROM (
    SELECT num_words FROM worded_chunk WHERE num_words > 0
    UNION ALL SELECT num_words FROM caption_words WHERE num_words > 0)
"""
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
    """Hold every chunk that shares a word with a question."""

    chunk_ids: Ids
    """(n,), ascending."""
    scores: Scores
    """(n,) BM25, above 0."""
    exact: frozenset[int] = frozenset()
    """Chunks that hold all the identifiers, such as part numbers, that the question names."""
    rarity: float = 0.0
    """Weight of all words of the question, also of those that no chunk holds: what a chunk of
    average length scores that holds each of them once."""
    captioned: Ids = field(default_factory=lambda: np.zeros(0, np.int64))
    """Chunks, ascending, that have words from a caption told of their source."""

    @property
    def covered(self) -> float:
        """Return how much of the question the best chunk covers, by weight of words: 0 to 1."""
        if not self.rarity or not len(self.scores):
            return 0.0
        return min(1.0, float(self.scores.max()) / self.rarity)

    @property
    def of_captions(self) -> Matches:
        """Return those that a caption tells of."""
        return self.only(self.captioned)

    @property
    def of_texts(self) -> Matches:
        """Return those that no caption tells of."""
        return (
            self.only(np.setdiff1d(self.chunk_ids, self.captioned)) if len(self.captioned) else self
        )

    def only(self, chunk_ids: Ids) -> Matches:
        """Return those among ``chunk_ids``."""
        kept = np.isin(self.chunk_ids, chunk_ids)
        return replace(
            self,
            chunk_ids=self.chunk_ids[kept],
            scores=self.scores[kept],
            exact=self.exact.intersection(chunk_ids.tolist()),
            captioned=np.intersect1d(self.captioned, chunk_ids),
        )

    def best(self, num: int) -> tuple[Ids, Scores]:
        """Return the ``num`` best chunks, best first, ties in order of their ids, and scores."""
        ids, scores = self.chunk_ids, self.scores
        if num < len(ids):
            # All that tie with the last are kept until their ids decide.
            kept = scores >= np.partition(scores, len(ids) - num)[len(ids) - num]
            ids, scores = ids[kept], scores[kept]
        order = np.lexsort((ids, -scores))[:num]
        return ids[order], scores[order]

    def scores_of(self, chunk_ids: Ids) -> Scores:
        """Return (m,) the scores of these chunks; 0 for one that shares no word."""
        if not len(self.chunk_ids):
            return np.zeros(len(chunk_ids))
        at = np.searchsorted(self.chunk_ids, chunk_ids).clip(max=len(self.chunk_ids) - 1)
        found: Scores = np.where(self.chunk_ids[at] == chunk_ids, self.scores[at], 0.0)
        return found


class Postings(Protocol):
    """Read postings."""

    def __call__(self, con: duckdb.DuckDBPyConnection, terms: Sequence[int]) -> list[TermRows]:
        """Return those of each term, in the order of the terms."""


def stored_postings(
    con: duckdb.DuckDBPyConnection, terms: Sequence[int], after: int = -1
) -> list[TermRows]:
    """Return the postings of each term from the ledger, of chunks with a number above ``after``."""
    found = con.execute(_OF_TERMS, {"terms": list(terms), "after": after}).fetchnumpy()
    held = np.asarray(found["term"], np.int64)
    ids = np.asarray(found["chunk_id"], np.int64)
    tf = np.asarray(found["tf"], np.float64)
    num_words = np.asarray(found["num_words"], np.float64)
    first, last = np.searchsorted(held, terms), np.searchsorted(held, terms, "right")
    parts = [slice(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
    return [TermRows(ids[part], tf[part], num_words[part]) for part in parts]


def match(
    con: duckdb.DuckDBPyConnection,
    text: str,
    where: Where | None = None,
    postings: Postings = stored_postings,
) -> Matches:
    """Return the chunks that share a word with ``text``.

    ``where`` leaves out chunks of which no source passes.
    """
    exact = [term_id(term) for term in identifiers(text)]
    words = [[term_id(term) for term in of_word] for of_word in terms_by_word(text)]
    terms = list(dict.fromkeys(itertools.chain(exact, *words)))[:_MAX_TERMS]
    if not terms:
        return Matches(np.zeros(0, np.int64), np.zeros(0))
    num_worded, mean_words = first_row(con, _EXTENT) or (0, 0.0)
    captions = captioned_chunks(con, terms)
    rows = _with_captions(postings(con, terms), terms, captions)
    rows = _with_names(con, rows, terms)
    ids, scores = _scored(rows, num_worded, mean_words)
    weights = {
        t: _weight(len(part.chunk_ids), num_worded) for t, part in zip(terms, rows, strict=True)
    }
    captioned = np.unique(
        np.concatenate([ids[:0], *(rows.chunk_ids for rows in captions.values())])
    )
    exactly = _holding_all(rows[: len(exact)])
    found = Matches(ids, scores, exactly, _rarity(words, weights), captioned)
    if where in (None, Where()):
        return found
    return found.only(_passing(con, where, found.chunk_ids))


def holding(
    con: duckdb.DuckDBPyConnection,
    phrases: list[str],
    where: Where | None = None,
    postings: Postings = stored_postings,
) -> Ids:
    """Return (n,) the chunks whose text, headings or captions hold every phrase word for word.

    Letter case, and how much space stands between words, do not count.
    """
    terms = [term for phrase in phrases for term in question_terms(phrase)]
    if not terms:
        return np.zeros(0, np.int64)
    ids = match(con, " ".join(phrases), where, postings).chunk_ids
    wanted = [_plain(phrase) for phrase in phrases]
    captions = captions_of(con, ids)
    kept = [
        chunk_id
        for chunk_id, *texts in con.execute(_TEXTS, {"ids": ids}).fetchall()
        if _hold(wanted, [*texts, *captions.get(chunk_id, ())])
    ]
    return np.array(kept, np.int64)


def _hold(phrases: list[str], texts: Sequence[str]) -> bool:
    plain = [_plain(text) for text in texts]
    return all(any(phrase in text for text in plain) for phrase in phrases)


def _plain(text: str) -> str:
    return " ".join(folded(text).split())


def _with_captions(
    rows: list[TermRows], terms: list[int], captions: Mapping[int, TermRows]
) -> list[TermRows]:
    """Return the rows with what captions add."""
    return [
        _with_more(part, captions[term]) if term in captions else part
        for term, part in zip(terms, rows, strict=True)
    ]


def _with_names(
    con: duckdb.DuckDBPyConnection, rows: list[TermRows], terms: list[int]
) -> list[TermRows]:
    """Return the rows with what file names add: to the row of a chunk, or a row more."""
    named = con.execute(_NAMED, {"terms": terms}).fetchall()
    more: dict[int, list[tuple[int, int]]] = {}
    for chunk_id, held, num_words in named:
        for term in set(held).intersection(terms):
            more.setdefault(term, []).append((chunk_id, num_words))
    return [
        _with_more(part, _name_rows(more[term])) if term in more else part
        for part, term in zip(rows, terms, strict=True)
    ]


def _name_rows(named: list[tuple[int, int]]) -> TermRows:
    ids, num_words = (np.array(column, np.int64) for column in zip(*sorted(named), strict=True))
    return TermRows(ids, np.full(len(ids), NAME_WEIGHT), num_words.astype(np.float64))


def _with_more(part: TermRows, more: TermRows) -> TermRows:
    """Return rows with those of another field: added to the row of a chunk, or a row more."""
    is_new = ~np.isin(more.chunk_ids, part.chunk_ids)
    tf = part.tf.copy()
    tf[np.searchsorted(part.chunk_ids, more.chunk_ids[~is_new])] += more.tf[~is_new]
    at = np.searchsorted(part.chunk_ids, more.chunk_ids[is_new])
    return TermRows(
        np.insert(part.chunk_ids, at, more.chunk_ids[is_new]),
        np.insert(tf, at, more.tf[is_new]),
        np.insert(part.num_words, at, more.num_words[is_new]),
    )


def _scored(rows: list[TermRows], num_worded: int, mean_words: float) -> tuple[Ids, Scores]:
    """Return the chunks of all terms, ascending, and their BM25."""
    ids = np.concatenate([part.chunk_ids for part in rows])
    scores = np.concatenate([_part_scores(part, num_worded, mean_words) for part in rows])
    if not len(ids):
        return ids, scores
    if int(ids.max()) > _DENSE_ROOM * len(ids):
        unique, where = np.unique(ids, return_inverse=True)
        return unique, np.bincount(where.ravel(), scores).astype(np.float64)
    # A place for each number there is costs less than to sort those that were found.
    summed = np.bincount(ids, scores).astype(np.float64, copy=False)
    found = np.flatnonzero(summed).astype(np.int64, copy=False)
    return found, summed[found]


def _part_scores(part: TermRows, num_worded: int, mean_words: float) -> Scores:
    weight = _weight(len(part.chunk_ids), num_worded)
    length = 1 - B + B * part.num_words / max(mean_words, 1.0)
    scores: Scores = weight * part.tf * (K1 + 1) / (part.tf + K1 * length)
    return scores


def _weight(num_holding: int, num_worded: int) -> float:
    """Return the weight of a word that so many chunks hold: its inverse document frequency."""
    # Chunks without words that a file name matches may outnumber those with some.
    total = max(num_worded, num_holding)
    return math.log1p((total - num_holding + 0.5) / (num_holding + 0.5))


def _rarity(words: Sequence[Sequence[int]], weights: Mapping[int, float]) -> float:
    """Return the weight of all words of a question: of each in the language where it is commonest.

    A stem of another language stands nowhere, and would count as a word that is missing.
    """
    known = [[weights[term] for term in terms if term in weights] for terms in words]
    return sum(min(found) for found in known if found)


def _holding_all(rows: list[TermRows]) -> frozenset[int]:
    """Return the chunks that hold each of these terms; none where there are no terms."""
    held = [frozenset(part.chunk_ids.tolist()) for part in rows]
    return frozenset.intersection(*held) if held else frozenset()


def _passing(con: duckdb.DuckDBPyConnection, where: Where | None, found: Ids) -> Ids:
    where = where or Where()
    if where.only_hides:
        return np.setdiff1d(found, where.without)
    rows = con.execute(where.sieve, where.bound(where.sieve)).fetchnumpy()
    return np.asarray(rows["chunk_id"], np.int64)
