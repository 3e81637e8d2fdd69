"""Make evaluation sets and training pairs of what people said of hits, and compare versions by it.

Owns how several people's words become one grade: more than half of them have to say that it fits.
The set is a folder as BEIR keeps them, which ``evaluate`` reads.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from crossmodal.errors import EvaluationError, PathError
from crossmodal.evaluation.intervals import interval
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.chunk_places import picture_uris
from crossmodal.ledger.sql import first_row
from crossmodal.ledger.write.judgements import Judgement, grades, standing_judgements

_OF_CHUNK = """
SELECT min(s.uri), any_value(c.kind), any_value(c.text)
FROM chunk c JOIN source s USING (content_hash) WHERE c.chunk_id = ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Say what was written."""

    folder: str
    num_queries: int
    num_judgements: int
    num_pairs: int
    num_lost: int
    """Queries by a chunk that is gone, with all that was said of their hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidOfModel:
    """Tell how often the hits of one version fit, as people say."""

    model: str
    num_judged: int
    num_fit: int
    low: float
    high: float
    """95 % interval of the share that fits."""

    @property
    def share(self) -> float:
        """Return which share fits."""
        return self.num_fit / self.num_judged


def export_judgements(collection: Collection, folder: Path) -> Exported:
    """Write queries.jsonl, corpus.jsonl and qrels.tsv, and pairs.csv for ``finetune``.

    Raises:
        EvaluationError: nobody has said anything yet.
        PathError: the folder cannot be written.
    """
    with collection.read() as con:
        said = standing_judgements(con)
        if not said:
            raise EvaluationError(
                "nobody has judged a hit yet: say so on the page (`crossmodal ui`)"
            )
        queries = {key: _query(con, *key) for key in sorted({_key(each) for each in said})}
        pairs = _pairs(con, said)
    graded = {k: grade for k, grade in grades(said).items() if queries[k[0]]}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, {k: q for k, q in queries.items() if q}, graded)
        with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("path", "caption"), *pairs])
    except OSError as error:
        raise PathError(f"cannot write to {folder}: {error.strerror}") from error
    return Exported(
        folder=str(folder),
        num_queries=sum(bool(query) for query in queries.values()),
        num_judgements=len(graded),
        num_pairs=len(pairs),
        num_lost=sum(not query for query in queries.values()),
    )


def said_of_models(said: Sequence[Judgement]) -> list[SaidOfModel]:
    """Return for each version how many of its judged hits fit, the best first."""
    by_model: dict[str, list[Judgement]] = defaultdict(list)
    for each in said:
        by_model[each.model].append(each)
    found = [_said_of(model, judged) for model, judged in by_model.items()]
    return sorted(found, key=lambda told: (-told.share, told.model))


def _said_of(model: str, judged: Sequence[Judgement]) -> SaidOfModel:
    """Return the share that fits, its interval drawn over queries."""
    numbers: dict[tuple[str, str], int] = {}
    clusters = [numbers.setdefault(_key(each), len(numbers)) for each in judged]
    fits = np.array([bool(each.fits) for each in judged], np.float64)
    found = interval(fits, np.array(clusters, np.int64))
    return SaidOfModel(
        model=model,
        num_judged=len(fits),
        num_fit=int(fits.sum()),
        low=max(0.0, found.low),
        high=min(1.0, found.high),
    )


def _key(said: Judgement) -> tuple[str, str]:
    return said.query_kind, said.query


def _query(con: duckdb.DuckDBPyConnection, kind: str, query: str) -> dict[str, str]:
    """Return a row of queries.jsonl; empty where the chunk that asked is gone."""
    if kind == "text":
        return {"text": query}
    row = first_row(con, _OF_CHUNK, [int(query)])
    if row is None or row[0] is None:
        return {}
    return {"image": row[0]} if row[1] == "image" else {"text": row[2] or ""}


def _pairs(con: duckdb.DuckDBPyConnection, said: Sequence[Judgement]) -> list[tuple[str, str]]:
    """Return path and caption of every picture that a text was found to fit."""
    pictures = set(picture_uris(con))
    graded = grades(said)
    return [
        (uri, query)
        for ((kind, query), uri), grade in sorted(graded.items())
        if grade and kind == "text" and uri in pictures
    ]


def _write(
    folder: Path,
    queries: dict[tuple[str, str], dict[str, str]],
    graded: dict[tuple[tuple[str, str], str], int],
) -> None:
    names = {key: f"q{number}" for number, key in enumerate(queries, 1)}
    documents = {uri: _document(uri) for uri in sorted({uri for _, uri in graded})}
    _write_lines(folder / "queries.jsonl", [{"_id": names[k], **q} for k, q in queries.items()])
    corpus = [{"_id": document, "path": uri} for uri, document in documents.items()]
    _write_lines(folder / "corpus.jsonl", corpus)
    lines = [
        f"{names[key]}\t{documents[uri]}\t{grade}\n" for (key, uri), grade in sorted(graded.items())
    ]
    header = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels.tsv").write_text(header + "".join(lines), encoding="utf-8")


def _document(uri: str) -> str:
    return hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _write_lines(path: Path, rows: list[dict[str, str]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
