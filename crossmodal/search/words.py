"""Let the words of a question count: beside the vectors, by themselves, or as an exact phrase.

Words count inside the list of texts, before its scores become merit, and never as a list of their
own: a chunk that stands in two lists would count twice. A picture has no words that could be
missing, so its list stays as it is. Owns how words and vectors are weighed; the postings and BM25
are the ledger's (``ledger.words``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import duckdb
import numpy as np
import numpy.typing as npt

from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.sql import among
from crossmodal.ledger.words.bm25 import Matches, holding, match
from crossmodal.ledger.words.postings import num_uncounted
from crossmodal.ledger.words.rows import Ids, Scores
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.search.options import QueryOptions
from crossmodal.search.word_index import word_index_beside

Flags = npt.NDArray[np.bool_]

Mode = Literal["hybrid", "vector", "words"]
MODES: tuple[Mode, ...] = get_args(Mode)

WORD_WEIGHT = 0.5
"""Of BM25 against the cosine, each in its standard deviations (docs/quality.md)."""
COVERED_POWER = 2
"""A question that words cover by half lifts the list of texts by a quarter of their gain."""
EXACT_MERIT = 10.0
"""What a chunk gains that holds the very part number a question names; a rule, not measured."""
_MAX_HOLDING = 2000

_PHRASE = re.compile(
    r"(?<!\w)[\"\u201c\u201e]([^\"\u201c\u201d\u201e]*\w[^\"\u201c\u201d\u201e]*)[\"\u201c\u201d](?!\w)"
)
_QUOTES = re.compile(r"[\"\u201c\u201d\u201e]")

_COSINES = """
SELECT chunk_id, array_inner_product(v, $query::FLOAT[{dim}]) AS score FROM {vectors}
WHERE {among} ORDER BY score DESC, chunk_id
"""


@dataclass(frozen=True, slots=True)
class Words:
    """Hold what the words of one question say of the chunks."""

    matches: Matches | None = None
    """None where words do not count."""
    among: Ids | None = None
    """The only chunks that may be hits: they hold the phrases; None for all."""
    notices: tuple[str, ...] = ()


def phrases_of(text: str) -> list[str]:
    """Return what stands in quotes: a quote within a word, as in 5" pipe, begins none."""
    return [phrase.strip() for phrase in _PHRASE.findall(text)]


def unquoted(text: str) -> str:
    """Return a question as a model is to read it: without the quotes of its phrases."""
    return _QUOTES.sub("", text) if phrases_of(text) else text


def words_of(
    con: duckdb.DuckDBPyConnection, text: str, options: QueryOptions, where: Where | None
) -> Words:
    """Return what the words of a question say; nothing for one without a text."""
    phrases = phrases_of(text)
    if not text or (options.mode == "vector" and not phrases):
        return Words()
    notices = _uncounted(con)
    postings = word_index_beside(Collection(options.collection).path)
    among = None
    if phrases:
        among = holding(con, phrases, where, postings)
        if not len(among):
            among = None
            notices += ("nothing holds that exact phrase: it was searched without the quotes",)
    matches = None if options.mode == "vector" else match(con, unquoted(text), where, postings)
    if among is not None:
        among = among[:_MAX_HOLDING]
        matches = matches.only(among) if matches else None
    return Words(matches, among, notices)


def refuse_wordless(options: QueryOptions) -> None:
    """Refuse a question that has no words, where only words are to count.

    Raises:
        FilterError: the mode is words.
    """
    if options.mode == "words":
        raise FilterError(
            "a picture, a chunk or a mixed query has no words to look for: ask with a text, or "
            "with --mode hybrid or vector"
        )


def cosines_of(
    con: duckdb.DuckDBPyConnection, held: VectorList, query: np.ndarray, chunk_ids: Ids
) -> tuple[Ids, np.ndarray]:
    """Return which of these chunks a list has, nearest first, and (n,) float32 their cosines."""
    condition, bound = among(chunk_ids)
    sql = _COSINES.format(dim=int(held.version.dim), vectors=table_of(held), among=condition)
    bound["query"] = np.ascontiguousarray(query, np.float32)
    rows = con.execute(sql, bound).fetchnumpy()
    return np.asarray(rows["chunk_id"], np.int64), np.asarray(rows["score"], np.float32)


def standing_of(matches: Matches, chunk_ids: Ids, is_near: Flags) -> Scores:
    """Return (n,) how far the BM25 of chunks lies from the mean of the near, in deviations.

    ``is_near`` are the candidates that any depth of search has, so that pages join. To measure by
    all chunks of a list instead lets one rare word outweigh every picture (docs/quality.md).
    """
    scores = matches.scores_of(chunk_ids)
    near = scores[is_near]
    spread = near.std() if len(near) else 0.0
    result: Scores = (scores - near.mean()) / spread if spread else np.zeros(len(scores))
    return result


def _uncounted(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    if not num_uncounted(con):
        return ()
    return ("some words are not counted yet: the next `crossmodal index` counts them",)
