"""Keep evaluations in DuckDB: their pairs, their queries, and the best of what each query found.

One evaluation is one transaction of the caller's; nothing of it is ever changed afterwards.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import duckdb
import pyarrow as pa

from crossmodal.errors import EvaluationError
from crossmodal.ledger.evaluation_records import (
    Estimate,
    EvaluationRecord,
    PairResult,
    Problem,
    QueryResult,
)
from crossmodal.ledger.sql import registered

_COLUMNS = (
    "evaluation_id, model, versions, set_name, set_path, set_digest, settings, problems, overlap, "
    "strftime(created_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
)
_QUERY_SCHEMA = pa.schema(
    [
        ("evaluation_id", pa.string()),
        ("pair", pa.string()),
        ("query_id", pa.string()),
        ("cluster", pa.string()),
        ("title", pa.string()),
        ("first_rank", pa.int32()),
        ("scores", pa.list_(pa.float64())),
        ("top_chunks", pa.list_(pa.int64())),
        ("top_scores", pa.list_(pa.float64())),
    ]
)


def put(con: duckdb.DuckDBPyConnection, record: EvaluationRecord) -> None:
    """Store an evaluation with its pairs and queries."""
    con.execute(
        "INSERT INTO evaluation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, now())",
        [
            record.evaluation_id,
            record.model,
            json.dumps(record.versions),
            record.set_name,
            record.set_path,
            record.set_digest,
            json.dumps(record.settings, sort_keys=True),
            json.dumps([asdict(problem) for problem in record.problems]),
            record.overlap,
        ],
    )
    for pair in record.pairs:
        _put_pair(con, record.evaluation_id, pair)
    rows = [{"evaluation_id": record.evaluation_id, **asdict(query)} for query in record.queries]
    with registered(con, new_queries=pa.Table.from_pylist(rows, schema=_QUERY_SCHEMA)):
        con.execute("INSERT INTO evaluation_query BY NAME SELECT * FROM new_queries")


def _put_pair(con: duckdb.DuckDBPyConnection, evaluation_id: str, pair: PairResult) -> None:
    con.execute(
        "INSERT INTO evaluation_pair VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            evaluation_id,
            pair.pair,
            pair.num_queries,
            pair.num_clusters,
            pair.gallery_size,
            pair.gallery_digest,
            json.dumps({name: asdict(found) for name, found in pair.measures.items()}),
            pair.median_rank,
            pair.ms_per_query,
        ],
    )


def all_evaluations(con: duckdb.DuckDBPyConnection) -> list[EvaluationRecord]:
    """Return every evaluation with its pairs and without its queries, newest first."""
    rows = con.execute(f"SELECT {_COLUMNS} FROM evaluation ORDER BY created_at DESC").fetchall()
    return [_record(con, row) for row in rows]


def find(con: duckdb.DuckDBPyConnection, spec: str) -> EvaluationRecord | None:
    """Return the evaluation whose id begins with ``spec``; None where there is none.

    Raises:
        EvaluationError: several ids begin so.
    """
    rows = con.execute(
        f"SELECT {_COLUMNS} FROM evaluation WHERE starts_with(evaluation_id, ?)", [spec]
    ).fetchall()
    if len(rows) > 1:
        raise EvaluationError(f"{len(rows)} evaluations have an id that begins with {spec!r}")
    return _record(con, rows[0]) if rows else None


def with_queries(con: duckdb.DuckDBPyConnection, record: EvaluationRecord) -> EvaluationRecord:
    """Return a stored evaluation with what each of its queries scored."""
    rows = con.execute(
        "SELECT pair, query_id, cluster, title, first_rank, scores, top_chunks, top_scores "
        "FROM evaluation_query WHERE evaluation_id = ? ORDER BY pair, query_id",
        [record.evaluation_id],
    ).fetchall()
    names = ("pair", "query_id", "cluster", "title", "first_rank")
    queries = [
        QueryResult(
            **dict(zip(names, row[:5], strict=True)),
            scores=tuple(row[5]),
            top_chunks=tuple(row[6]),
            top_scores=tuple(row[7]),
        )
        for row in rows
    ]
    return replace(record, queries=queries)


def _record(con: duckdb.DuckDBPyConnection, row: tuple[Any, ...]) -> EvaluationRecord:
    return EvaluationRecord(
        evaluation_id=row[0],
        model=row[1],
        versions=json.loads(row[2]),
        set_name=row[3],
        set_path=row[4],
        set_digest=row[5],
        settings=json.loads(row[6]),
        problems=[Problem(**found) for found in json.loads(row[7])],
        overlap=row[8],
        created_at=row[9],
        pairs=_pairs(con, row[0]),
    )


def _pairs(con: duckdb.DuckDBPyConnection, evaluation_id: str) -> list[PairResult]:
    rows = con.execute(
        "SELECT pair, num_queries, num_clusters, gallery_size, gallery_digest, measures, "
        "median_rank, ms_per_query FROM evaluation_pair WHERE evaluation_id = ? ORDER BY pair",
        [evaluation_id],
    ).fetchall()
    return [
        PairResult(
            pair=row[0],
            num_queries=row[1],
            num_clusters=row[2],
            gallery_size=row[3],
            gallery_digest=row[4],
            measures={name: Estimate(**found) for name, found in json.loads(row[5]).items()},
            median_rank=row[6],
            ms_per_query=row[7],
        )
        for row in rows
    ]
