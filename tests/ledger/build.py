"""Build plans, embedded shards and vectors that can be computed by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pyarrow as pa

from crossmodal.chunking.registry import InCharge, chunker_of, in_charge
from crossmodal.chunking.rules import ChunkRules
from crossmodal.ledger.write import shard_writer
from crossmodal.ledger.write.shard_writer import ShardCommit
from crossmodal.records import (
    CHUNK_SCHEMA,
    PLAN_SCHEMA,
    Lineup,
    ModelVersion,
    Span,
    VectorList,
    vector_schema,
)

DIM = 4


def version(name: str = "tiny", dim: int = DIM) -> ModelVersion:
    return ModelVersion(
        name=name,
        revision="local",
        weights_hash=hashlib.sha256(name.encode()).hexdigest(),
        preprocessing="p",
        dim=dim,
        dtype="float32",
        encoders={"image": "vision", "text": "text"},
    )


def in_charge_of(media_type: str) -> dict[str, str | None]:
    """Return what a plan notes of the chunker of a media type, whatever the line-up."""
    clap = replace(version("clap"), encoders={"audio": "audio"})
    found = find_chunker(media_type, Lineup.of(version(), audio=clap))
    if found is None:
        return {"chunker": None, "modality": None}
    return {"chunker": f"{chunker_of(found.fingerprint).name}/1", "modality": found.modality}


def find_chunker(media_type: str, lineup: Lineup) -> InCharge | None:
    """Return the chunker in charge under the usual rules, as a plan finds it."""
    chunkers = in_charge(ChunkRules(), lineup).items()
    return next((found for pattern, found in chunkers if fnmatchcase(media_type, pattern)), None)


def content(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def planned(uri: str, text: str | None, **changes: Any) -> dict[str, Any]:
    """Return a PLAN_SCHEMA row for a source whose content is ``text``."""
    row: dict[str, Any] = {
        "uri": uri,
        "root": "/photos",
        "size_bytes": 100,
        "mtime_ns": 1_000_000_000,
        "action": "added",
        "reason": "new",
        "media_type": "image/png",
        "content_hash": None if text is None else content(text),
        "previous_uri": None,
        "embed": True,
    }
    assert changes.keys() <= row.keys()
    return row | changes


def plan(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=PLAN_SCHEMA)


def vector_row(row: dict[str, Any], vector: np.ndarray, **changes: Any) -> dict[str, Any]:
    """Return an embedded row for a planned one."""
    embedded: dict[str, Any] = {
        "uri": row["uri"],
        "content_hash": row["content_hash"],
        "chunker": "whole/1",
        "kind": "image",
        "modality": "image",
        "ordinal": 0,
        "section": "",
        "text": "",
        "meta": '{"width": 8}',
        "part": "",
        "vector": vector,
    }
    return embedded | changes


def refused_row(row: dict[str, Any], reason: str = "truncated", **changes: Any) -> dict[str, Any]:
    refusal = {"stage": "decode", "reason": reason, "detail": "cut off", "transient": False}
    return vector_row(row, np.zeros(0)) | {"vector": None} | refusal | changes


def shard(
    model: ModelVersion | Lineup,
    planned_rows: pa.Table,
    rows: Iterable[dict[str, Any]],
    run_id: str = "run",
    spans: Sequence[Span] = (),
) -> ShardCommit:
    """Return what came of planned rows: each row with a vector goes into its modality's list."""
    lineup = model if isinstance(model, Lineup) else Lineup.of(model)
    given = list(rows)
    chunks = [{name: row.get(name) for name in CHUNK_SCHEMA.names} for row in given]
    lists: dict[VectorList, list[dict[str, Any]]] = {vectors: [] for vectors in lineup.lists}
    for row in given:
        if row["vector"] is not None:
            lists[VectorList(lineup.serving[row["modality"]], row["modality"])].append(row)
    return ShardCommit(
        run_id=run_id,
        lineup=lineup,
        planned=planned_rows,
        cut=pa.Table.from_pylist(chunks, schema=CHUNK_SCHEMA),
        vectors={
            vectors: pa.Table.from_pylist(found, schema=vector_schema(vectors.version.dim))
            for vectors, found in lists.items()
        },
        spans=spans,
    )


def span(stage: str = "embed", operator: str = "", **changes: Any) -> Span:
    values = {"worker": "main", "started_s": 0.0, "wall_s": 1.0, "num_items": 0, "num_bytes": 0}
    return Span(stage=stage, operator=operator, **(values | changes))


def commit(con: Any, model: ModelVersion, *rows: dict[str, Any], run_id: str = "run") -> None:
    """Commit added sources; the vector of each points along the axis that its position names."""
    axes = np.eye(model.dim, dtype=np.float32)
    vectors = [vector_row(row, axes[i % model.dim]) for i, row in enumerate(rows)]
    shard_writer.commit_shard(con, shard(model, plan(*rows), vectors, run_id))


def commit_refused(con: Any, model: ModelVersion, *rows: dict[str, Any], **changes: Any) -> None:
    """Commit sources that were all refused."""
    refused = [refused_row(row, **changes) for row in rows]
    shard_writer.commit_shard(con, shard(model, plan(*rows), refused))


def column(con: Any, sql: str, *params: Any) -> list[Any]:
    """Return the first column of a query."""
    return [row[0] for row in con.execute(sql, list(params)).fetchall()]


def count(con: Any, table: str) -> int:
    return int(column(con, f"SELECT count(*) FROM {table}")[0])
