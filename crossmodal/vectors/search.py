"""Find the chunks nearest to a query vector: filtered before the top k, stable, with exact scores.

Owns how a list is searched and what a hit tells. Every vector is compared, unless the list has
codes that agree with the collection and were measured to find what exact search finds (see
``codes``). What to search for, and in which lists, is the caller's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.read.hits import CHUNK_COLUMNS, cosine, hit_of, modified_at
from crossmodal.ledger.sql import among, among_contents, first_row
from crossmodal.ledger.write.model_versions import all_versions
from crossmodal.records import Hit, VectorList
from crossmodal.vectors.ann.cache import CodesFolder, NotReady, Ready
from crossmodal.vectors.ann.files import CodesDamaged
from crossmodal.vectors.nearest import Nearest, by_codes, exact, exact_of_each

# Vectors without a source, as between a shard and the end of its run, are passed over: few.
_SLACK = 100
# Below this share of the sources, or of the chunks where these are sieved one by one, to compare
# every vector that passes a filter is quicker.
_SELECTIVE = 0.05

# Two statements, since ids that a subquery yields are not looked up by index.
_CHUNKS = f"SELECT {CHUNK_COLUMNS}, content_hash FROM chunk WHERE "

_SOURCES = """
SELECT content_hash, count(*) AS num_copies,
    arg_min(struct_pack(uri, media_type, size_bytes, mtime_ns), uri) FILTER ({condition}) AS shown
FROM source WHERE {among}
GROUP BY content_hash
"""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Say what to look for."""

    vectors: VectorList
    query: np.ndarray
    """(dim,) float32, L2-normalised, encoded by the version of ``vectors``."""
    k: int = 10
    offset: int = 0
    where: Where | None = None


@dataclass(frozen=True, slots=True)
class SearchNotice:
    """Say how a list was searched."""

    method: str
    """``exact``, or ``codes``: only the likely vectors were compared."""
    reason: str = ""
    """Why a list that has codes was searched without them; empty where nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Found:
    """Hold the hits of one list, nearest first, and how they were found."""

    hits: list[Hit]
    notice: SearchNotice
    token: str = ""
    """Names the codes that were used, where they hold every vector of the list; else empty."""


def search(
    con: duckdb.DuckDBPyConnection, request: SearchRequest, codes: CodesFolder | None = None
) -> list[Hit]:
    """Return up to ``k`` hits, best first; equal scores in the order of their chunk ids.

    One hit a chunk: of the sources that hold it and pass the filter, the first by uri is named.

    Raises:
        ModelMismatch: the query is not of the model version's dim, or the version is unknown here.
    """
    return find(con, request, codes).hits


def find(
    con: duckdb.DuckDBPyConnection, request: SearchRequest, codes: CodesFolder | None = None
) -> Found:
    """Return what ``search`` does, and how it was found.

    Raises:
        ModelMismatch: the query is not of the model version's dim, or the version is unknown here.
    """
    check_query(con, request.vectors, np.atleast_1d(request.query))
    if codes is None:
        return Found(_compare_all(con, request), SearchNotice("exact"))
    ready = codes.ready(con, request.vectors)
    found: list[Hit] | NotReady
    try:
        found = _by_codes(con, request, ready) if isinstance(ready, Ready) else ready
    except CodesDamaged as error:
        found = codes.give_up(request.vectors, error)
    if isinstance(found, NotReady):
        return Found(_compare_all(con, request), SearchNotice("exact", found.reason))
    return Found(found, SearchNotice("codes"), _token_of_all(ready))


def nearest_chunks(
    con: duckdb.DuckDBPyConnection, request: SearchRequest, codes: CodesFolder | None = None
) -> Nearest:
    """Return the ``k`` nearest chunks by id, without what a hit tells: quicker for many.

    Between a shard and the end of its run a few of them may have no source: see ``hits_of``.

    Raises:
        ModelMismatch: the query is not of the model version's dim, or the version is unknown here.
    """
    check_query(con, request.vectors, np.atleast_1d(request.query))
    where, ready = _condition(request), codes.ready(con, request.vectors) if codes else None
    if codes is not None and isinstance(ready, Ready) and not _is_selective(con, request):
        try:
            found = by_codes(con, request.vectors, request.query, request.k, ready, where)
        except CodesDamaged as error:
            codes.give_up(request.vectors, error)
            found = None
        if found is not None:
            return found
    return exact(con, request.vectors, request.query, request.k, where)


def near_each(
    con: duckdb.DuckDBPyConnection,
    requests: Sequence[SearchRequest],
    codes: CodesFolder | None = None,
) -> np.ndarray:
    """Return (m,) int64: the ids, each once, that ``nearest_chunks`` finds for each request.

    The requests differ in nothing but their queries.

    Raises:
        ModelMismatch: as there.
    """
    first = requests[0]
    ready = codes.ready(con, first.vectors) if codes else None
    if isinstance(ready, Ready) and not _is_selective(con, first):
        found = [nearest_chunks(con, each, codes).chunk_ids for each in requests]
        return np.unique(np.concatenate(found))
    queries = np.stack([each.query for each in requests])
    check_query(con, first.vectors, queries)
    return exact_of_each(con, first.vectors, queries, first.k, _condition(first))


def check_query(con: duckdb.DuckDBPyConnection, vectors: VectorList, query: np.ndarray) -> None:
    """Refuse a query, (.., dim), that the list cannot answer.

    Raises:
        ModelMismatch: it is of another width, or the collection does not know the model version.
    """
    model = vectors.version
    if not first_row(con, "SELECT id FROM model_version WHERE id = ?", [model.id]):
        labels = ", ".join(version.label for version in all_versions(con)) or "none"
        raise ModelMismatch(
            f"this collection has no model version {model.label}, only {labels}: "
            "index with that model first, or search with one of these"
        )
    if query.shape[-1:] != (model.dim,):
        raise ModelMismatch(
            f"the query has shape {query.shape}, but the vectors of {model.label} have "
            f"{model.dim} dimensions: encode the query with that model"
        )


def _token_of_all(ready: Ready | NotReady) -> str:
    """Return the name of codes that hold every vector of their list; empty for others."""
    if isinstance(ready, NotReady) or ready.num_newer:
        return ""
    return ready.codes.manifest.token


def _condition(request: SearchRequest) -> Where | None:
    return None if request.where in (None, Where()) else request.where


def _is_selective(con: duckdb.DuckDBPyConnection, request: SearchRequest) -> bool:
    where = _condition(request)
    if where is None or where.only_hides:
        return False
    sql = f"SELECT count(*), count(*) FILTER ({where.sql}) FROM source"
    if where.pairs:
        sql = f"SELECT (SELECT count(*) FROM chunk), count(*) FROM ({where.sieve}) passing"
    num_all, num_passing = first_row(con, sql, where.bound(sql)) or (0, 0)
    return bool(num_passing < _SELECTIVE * num_all)


def _compare_all(con: duckdb.DuckDBPyConnection, request: SearchRequest) -> list[Hit]:
    """Return the hits after comparing every vector that may be one."""
    where, end = _condition(request), request.offset + request.k
    if where is None or where.only_hides:
        # Sieving a million ids costs more than to score as many vectors, and is rarely needed.
        deepest = end + _SLACK
        nearest = exact(con, request.vectors, request.query, deepest, where)
        are_all = len(nearest.chunk_ids) < deepest
        for depth in (end, deepest):
            hits = _hits(con, request, nearest, depth)
            if len(hits) == request.k or (are_all and len(nearest.chunk_ids) <= depth):
                return hits
    sieving = where.sieving if where else Where()
    nearest = exact(con, request.vectors, request.query, end, sieving)
    return _hits(con, request, nearest, end)


def _by_codes(
    con: duckdb.DuckDBPyConnection, request: SearchRequest, ready: Ready
) -> list[Hit] | NotReady:
    """Return the hits that the codes lead to, unless they cannot tell."""
    if _is_selective(con, request):
        return NotReady()
    where, end = _condition(request), request.offset + request.k
    is_sieved = where is not None and not where.only_hides
    for depth in (end, end + _SLACK):
        nearest = by_codes(con, request.vectors, request.query, depth, ready, where)
        if nearest is None:
            return NotReady()
        hits = _hits(con, request, nearest, depth)
        if len(hits) == request.k or len(nearest.chunk_ids) < depth or is_sieved:
            return hits
    return NotReady()


def hits_of(
    con: duckdb.DuckDBPyConnection, chunk_ids: np.ndarray, where: Where | None = None
) -> dict[int, Hit]:
    """Return by chunk id hits without rank and score, of the chunks that a source holds.

    Of the sources that pass ``where`` the first by uri is named; chunks without any are left out,
    and so are those that it hides. What else it says of the chunks themselves was looked at when
    they were found.
    """
    where = where or Where()
    if where.without:
        chunk_ids = chunk_ids[~np.isin(chunk_ids, where.without)]
    condition, bound = among(chunk_ids)
    chunks = {row[0]: row for row in con.execute(_CHUNKS + condition, bound).fetchall()}
    hashes = sorted({row[-1] for row in chunks.values()})
    among_them, named = among_contents(hashes)
    sql = _SOURCES.format(condition=where.shown, among=among_them)
    held = con.execute(sql, {**named, **where.bound(sql)}).fetchall()
    shown = {row[0]: row[1:] for row in held if row[2] is not None}
    return {
        chunk_id: _hit(row, shown[row[-1]]) for chunk_id, row in chunks.items() if row[-1] in shown
    }


def _hits(
    con: duckdb.DuckDBPyConnection, request: SearchRequest, nearest: Nearest, depth: int
) -> list[Hit]:
    """Return the page of hits among the ``depth`` nearest chunks."""
    ids = nearest.chunk_ids[:depth]
    known = hits_of(con, ids, request.where)
    scored = zip(ids.tolist(), nearest.scores.tolist(), strict=False)
    found = [(known[chunk_id], score) for chunk_id, score in scored if chunk_id in known]
    page = found[request.offset : request.offset + request.k]
    return [
        replace(hit, rank=request.offset + i, score=cosine(score))
        for i, (hit, score) in enumerate(page, start=1)
    ]


def _hit(chunk: tuple[Any, ...], sources: tuple[Any, ...]) -> Hit:
    num_copies, source = sources
    return hit_of(
        chunk[:-1],
        uri=source["uri"],
        media_type=source["media_type"] or "",
        size_bytes=source["size_bytes"],
        modified=modified_at(source["mtime_ns"]),
        num_copies=num_copies,
    )
