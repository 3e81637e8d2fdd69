"""Measure how long a derived space takes to fill, and how little a small change costs.

Random unit vectors of 512 dimensions in a real collection; a space by PCA to 128 dimensions, with
hub terms; then one vector in a hundred is new. CPU seconds stand beside those of the clock, which a
busy machine makes longer.

    python -m benchmarks.spaces 100000
    python -m benchmarks.spaces 100000 propagation

With ``propagation`` the vectors are those of documents of 20 passages and 10 figures, and spread
over their edges; what is new is whole documents, and one passage in a thousand goes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.sql import registered
from crossmodal.ledger.write import calibrations, model_versions
from crossmodal.records import Lineup, ModelVersion
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fill import fill_spaces
from crossmodal.spaces.fit import SpaceSpec
from crossmodal.vectors.calibration.probe_bank import NUM_PROBES, REVISION

DIM = 512
_BLOCK = 50_000


PASSAGES, PARTS = 20, 30


def main(num: str, kind: str = "pca") -> None:
    """Print the seconds of a first fill, of nothing to do, and of one new vector in a hundred."""
    if kind == "propagation":
        propagation(int(num))
        return
    count = int(num)
    path = Path(tempfile.mkdtemp()) / "spaces.duckdb"
    collection, draw = Collection(path), np.random.default_rng(0)
    with collection.write() as con:
        live = model_versions.register_lineup(con, Lineup.of(_version()))
        calibrations.put_probes(con, live.joint, REVISION, _unit(draw, NUM_PROBES))
        _insert(con, draw, 1, count)
    before_s = time.process_time()
    added = add_space(str(path), SpaceSpec(kind="pca", dim=128))
    _say(
        f"first fill of {count:,}, codes left to an index run",
        added.wall_s,
        time.process_time() - before_s,
    )
    _say("nothing to do", *_timed(collection))
    with collection.write() as con:
        _insert(con, draw, count + 1, count // 100)
    _say(f"{count // 100:,} new", *_timed(collection))


def propagation(count: int) -> None:
    """Print the same of a space in which figures take on their passages."""
    path = Path(tempfile.mkdtemp()) / "spaces.duckdb"
    collection, draw = Collection(path), np.random.default_rng(0)
    with collection.write() as con:
        live = model_versions.register_lineup(con, Lineup.of(_version()))
        calibrations.put_probes(con, live.joint, REVISION, _unit(draw, NUM_PROBES))
        _insert_documents(con, draw, 1, count)
    before_s = time.process_time()
    added = add_space(str(path), SpaceSpec(kind="propagation"))
    _say(f"first fill of {count:,}", added.wall_s, time.process_time() - before_s)
    _say("nothing to do", *_timed(collection))
    with collection.write() as con:
        _insert_documents(con, draw, count + 1, count // 100)
    _say(f"{count // 100:,} new", *_timed(collection))
    with collection.write() as con:
        con.execute("DELETE FROM vector_1_text WHERE chunk_id % 1000 = 5")
    _say("one passage in a thousand gone", *_timed(collection))


def _insert_documents(
    con: duckdb.DuckDBPyConnection, draw: np.random.Generator, first: int, n: int
) -> None:
    numbers = np.arange(first, first + n)
    places = (numbers - 1) % PARTS
    texts = places < PASSAGES
    rows = pa.table(
        {
            "chunk_id": numbers,
            "content_hash": [str(one) for one in (numbers - 1) // PARTS],
            "ordinal": places.astype(np.int32),
            "modality": np.where(texts, "text", "image"),
            "parent": pa.array(2 * (places - PASSAGES), pa.int32(), mask=texts),
        }
    )
    with registered(con, fresh=rows):
        con.execute(
            "INSERT INTO chunk (chunk_id, content_hash, chunker, kind, ordinal, meta, run_id, "
            "modality, parent) SELECT chunk_id, content_hash, 'made/1', 'made', ordinal, '{}', "
            "'made', modality, parent FROM fresh"
        )
    for modality, ids in (("text", numbers[texts]), ("image", numbers[~texts])):
        flat = pa.array(_unit(draw, len(ids)).ravel())
        vectors = pa.FixedSizeListArray.from_arrays(flat, DIM)
        with registered(con, fresh=pa.table({"chunk_id": ids, "v": vectors})):
            con.execute(
                f"INSERT INTO vector_1_{modality} (chunk_id, run_id, v) "
                "SELECT chunk_id, 'made', v FROM fresh"
            )


def _timed(collection: Collection) -> tuple[float, float]:
    started_s, before_s = time.monotonic(), time.process_time()
    fill_spaces(collection, "again")
    return time.monotonic() - started_s, time.process_time() - before_s


def _insert(con: duckdb.DuckDBPyConnection, draw: np.random.Generator, first: int, n: int) -> None:
    for start in range(first, first + n, _BLOCK):
        num = min(_BLOCK, first + n - start)
        flat = pa.array(_unit(draw, num).ravel())
        ids = pa.array(np.arange(start, start + num))
        rows = pa.table({"chunk_id": ids, "v": pa.FixedSizeListArray.from_arrays(flat, DIM)})
        with registered(con, fresh=rows):
            con.execute(
                "INSERT INTO vector_1_image (chunk_id, run_id, v) "
                "SELECT chunk_id, 'made', v FROM fresh"
            )


def _unit(draw: np.random.Generator, num: int) -> np.ndarray:
    vectors = draw.standard_normal((num, DIM), dtype=np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _version() -> ModelVersion:
    return ModelVersion(
        name="random",
        revision="local",
        weights_hash="0" * 64,
        preprocessing="0" * 64,
        dim=DIM,
        dtype="float32",
        encoders={"image": "vision", "text": "text"},
    )


def _say(what: str, took_s: float, used_s: float) -> None:
    sys.stdout.write(f"{what}: {took_s:.2f} s, {used_s:.2f} s of CPU\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
