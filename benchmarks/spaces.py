"""Measure how long a derived space takes to fill, and how little a small change costs.

Random unit vectors of 512 dimensions in a real collection; a space by PCA to 128 dimensions, with
hub terms; then one vector in a hundred is new. CPU seconds stand beside those of the clock, which a
busy machine makes longer.

    python -m benchmarks.spaces 100000
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


def main(num: str) -> None:
    """Print the seconds of a first fill, of nothing to do, and of one new vector in a hundred."""
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
