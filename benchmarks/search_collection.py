"""Make the collection that the search benchmark measures, and time what is not a single query."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.ann_generations import Audit
from crossmodal.records import ModelVersion, VectorList
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.ann.update import update_codes
from crossmodal.vectors.audit import audit_list
from crossmodal.vectors.nearest_many import search_many

_COLD = """
import sys, time, numpy as np
from crossmodal.ledger.write import model_versions
from crossmodal.records import VectorList
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.ledger.collection import Collection
from crossmodal.vectors.search import SearchRequest, find
query = np.load(sys.argv[2])[0]
started = time.perf_counter()
collection = Collection(sys.argv[1])
with collection.read() as con:
    vectors = VectorList(model_versions.all_versions(con)[0], "image")
    found = find(con, SearchRequest(vectors, query), CodesFolder(collection.path))
print(time.perf_counter() - started, found.notice.method)
"""


def made_up_version(dim: int) -> ModelVersion:
    """Return the model version whose vectors the made-up ones pretend to be."""
    return ModelVersion(
        name="made-up",
        revision="local",
        weights_hash="0" * 64,
        preprocessing="0" * 64,
        dim=dim,
        dtype="float32",
        encoders={"image": "vision", "text": "text"},
    )


def fill(collection: Collection, stored: np.ndarray) -> None:
    """Write one source and one chunk a vector."""
    import pyarrow as pa

    num, dim = stored.shape
    version = made_up_version(dim)
    digest = "md5(i::VARCHAR) || md5((i + 7)::VARCHAR)"
    with collection.write() as con:
        table = model_versions.vector_table(model_versions.register(con, version).id or 0, "image")
        con.execute(f"""
            INSERT INTO chunk (chunk_id, content_hash, chunker, kind, ordinal, meta, run_id)
            SELECT i + 1, {digest}, 'whole/1', 'image', 0, '{{}}', 'run' FROM range({num}) t(i)""")
        con.execute(f"""
            INSERT INTO source
            SELECT '/photos/' || (i % 97) || '/' || i || '.jpg', '/photos', 'image/jpeg', i,
                1000000000, {digest}, 'run', now() FROM range({num}) t(i)""")
    for start in range(0, num, 50_000):
        block = np.array(stored[start : start + 50_000])
        flat = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), dim)
        ids = np.arange(start + 1, start + 1 + len(block))
        with collection.write() as con:
            con.register("block", pa.table({"chunk_id": ids, "v": flat}))
            con.execute(
                f"INSERT INTO {table} (chunk_id, run_id, v) SELECT chunk_id, 'run', v FROM block"
            )
            con.unregister("block")


def maintenance(collection: Collection, vectors: VectorList, stored: np.ndarray) -> dict[str, Any]:
    """Time an audit, and updates after a hundredth was deleted and after it came back."""
    seconds: dict[str, Any] = {}
    started = time.perf_counter()
    audited = audit_list(collection, vectors)
    seconds["audit"] = asdict(audited) if isinstance(audited, Audit) else audited.reason
    seconds["audit_s"] = time.perf_counter() - started
    table, num = model_versions.table_of(vectors), len(stored) // 100
    with collection.write() as con:
        con.execute(f"CREATE TABLE kept AS SELECT * FROM {table} ORDER BY chunk_id LIMIT {num}")
        con.execute(f"DELETE FROM {table} WHERE chunk_id IN (SELECT chunk_id FROM kept)")
    started = time.perf_counter()
    update_codes(collection, vectors, min_vectors=1)
    seconds["forget_a_hundredth_s"] = time.perf_counter() - started
    with collection.write() as con:
        con.execute(
            f"INSERT INTO {table} (chunk_id, run_id, v) SELECT chunk_id, run_id, v FROM kept"
        )
        con.execute("DROP TABLE kept")
    started = time.perf_counter()
    update_codes(collection, vectors, min_vectors=1)
    seconds["add_a_hundredth_s"] = time.perf_counter() - started
    return seconds


def cold(collection: Collection, work: Path) -> float:
    """Return the seconds from opening the collection to the first answer, in a new process."""
    command = [sys.executable, "-c", _COLD, str(collection.path), str(work / "queries.npy")]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert out[1] == "codes", out
    return float(out[0])


def batch(
    con: Any, collection: Collection, vectors: VectorList, queries: np.ndarray, k: int
) -> dict[str, float]:
    """Return the seconds that a thousand queries take at once, by codes and exactly."""
    thousand = np.resize(queries, (1000, queries.shape[1]))
    seconds = {}
    for name, codes in (("codes_s", CodesFolder(collection.path)), ("exact_s", None)):
        started = time.perf_counter()
        search_many(con, vectors, thousand, k, codes)
        seconds[name] = time.perf_counter() - started
    return seconds
