"""Hold texts that no collection has, such as captions and labels, in a collection for an hour.

So that a picture is asked for its captions through the same search that finds everything else. The
collection is made beside nothing, filled with the vectors of one version, and thrown away.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.ledger.write.shard_writer import ShardCommit
from crossmodal.records import (
    CHUNK_SCHEMA,
    PLAN_SCHEMA,
    Lineup,
    ModelVersion,
    VectorList,
    vector_schema,
)

_SHARD = 2000
_CHUNKER = "evaluation/1"


@contextmanager
def held(texts: Sequence[str], version: ModelVersion, device: str) -> Iterator[Collection]:
    """Yield a collection with one source a text, embedded by the version."""
    from crossmodal.encoders.cache import load_version

    vectors = load_version(version, device).encode_texts(list(texts))
    with tempfile.TemporaryDirectory(prefix="crossmodal-evaluate-") as folder:
        collection = Collection(Path(folder) / "texts.duckdb")
        for start in range(0, len(texts), _SHARD):
            part = slice(start, start + _SHARD)
            with collection.write() as con:
                lineup = model_versions.register_lineup(con, Lineup.of(_unnumbered(version)))
                shard = _shard(texts[part], vectors[part], lineup)
                shard_writer.commit_shard(con, shard)
        yield collection


def content_hash(text: str) -> str:
    """Return the hash by which such a text is known."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _unnumbered(version: ModelVersion) -> ModelVersion:
    from dataclasses import replace

    return replace(version, id=None)


def _shard(texts: Sequence[str], vectors: npt.NDArray[np.float32], lineup: Lineup) -> ShardCommit:
    hashes = [content_hash(text) for text in texts]
    planned = [_planned(digest, len(text)) for digest, text in zip(hashes, texts, strict=True)]
    cut = [_chunk(digest, text) for digest, text in zip(hashes, texts, strict=True)]
    rows = [
        {"content_hash": digest, "chunker": _CHUNKER, "ordinal": 0, "vector": vector}
        for digest, vector in zip(hashes, vectors, strict=True)
    ]
    texts_of = VectorList(lineup.joint, "text")
    return ShardCommit(
        run_id="evaluation",
        lineup=lineup,
        planned=pa.Table.from_pylist(planned, schema=PLAN_SCHEMA),
        cut=pa.Table.from_pylist(cut, schema=CHUNK_SCHEMA),
        vectors={texts_of: pa.Table.from_pylist(rows, schema=vector_schema(lineup.joint.dim))},
        spans=(),
    )


def _planned(digest: str, size: int) -> dict[str, object]:
    return {
        "uri": f"text:{digest}",
        "root": "text:",
        "size_bytes": size,
        "mtime_ns": 0,
        "action": "added",
        "reason": "new",
        "media_type": "text/plain",
        "content_hash": digest,
        "embed": True,
    }


def _chunk(digest: str, text: str) -> dict[str, object]:
    return {
        "uri": f"text:{digest}",
        "content_hash": digest,
        "chunker": _CHUNKER,
        "ordinal": 0,
        "kind": "text",
        "modality": "text",
        "section": "",
        "text": text,
        "meta": "{}",
        "part": "",
    }
