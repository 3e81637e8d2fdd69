"""Measure what calibrated scores cost a question, beside the same search by cosines alone.

    python -m benchmarks.calibrated 1000000 --work FOLDER

Made-up vectors (see ``vectors``) in a real collection, with codes, hub terms and a table that the
product itself makes. Each question is answered in turn with the list's table and as if it had
none, which reads the same hits; the difference is what calibration costs. Processor time, since
the clock also measures what else the machine does.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from unittest.mock import patch

import duckdb
import numpy as np

from benchmarks.search_collection import fill
from benchmarks.vectors import draw, make_space
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import calibrations, model_versions
from crossmodal.records import VectorList
from crossmodal.search import merge
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.ann.update import update_codes
from crossmodal.vectors.calibration.probe_bank import NUM_PROBES, REVISION
from crossmodal.vectors.calibration.update import calibrate

_NUM_QUESTIONS = 200
_PROBES, _QUESTIONS = 1, 2
"""Streams of vectors; the stored ones are stream 0."""


def main() -> None:
    """Make the collection where it is missing, time both ways and print milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("num", type=int, help="vectors")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--work", type=Path, default=Path("/tmp/crossmodal-bench-calibrated"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    collection = Collection(options.work / f"{options.num}x{options.dim}.duckdb")
    if not collection.path.exists():
        _make(collection, options.num, options.dim)
    questions = draw(make_space(options.dim), _NUM_QUESTIONS, _QUESTIONS, foreign=True)
    codes = CodesFolder(collection.path)
    with collection.read() as con:
        [version] = model_versions.all_versions(con)
        held = VectorList(version, "image")
        took = np.array([_both(con, held, question, codes) for question in questions[20:]]) * 1e3
    calibrated, plain = np.median(took, axis=0)
    more = np.median(took[:, 0] - took[:, 1])
    print(
        f"{options.num:,} vectors of {options.dim}: {calibrated:.2f} ms of processor time a "
        f"question, {plain:.2f} by cosines alone; calibration {more:.2f} (median difference)"
    )


def _both(
    con: duckdb.DuckDBPyConnection, held: VectorList, question: np.ndarray, codes: CodesFolder
) -> tuple[float, float]:
    """Return the seconds of an answer with the list's table and without."""

    def seconds() -> float:
        started = time.process_time()
        merge.merged(con, {held: question}, QueryOptions(collection="", group=False), None, codes)
        return time.process_time() - started

    calibrated = seconds()
    with (
        patch.object(merge, "measures_of", lambda *_: {held: None}),
        patch.object(merge, "limits_of", lambda *_: merge.BY_CHANCE),
    ):
        return calibrated, seconds()


def _make(collection: Collection, num: int, dim: int) -> None:
    space = make_space(dim)
    fill(collection, draw(space, num))
    with collection.write() as con:
        [version] = model_versions.all_versions(con)
        probes = draw(space, NUM_PROBES, _PROBES, foreign=True)
        calibrations.put_probes(con, version, REVISION, probes)
    held = VectorList(version, "image")
    calibrate(collection, held)
    update_codes(collection, held)


if __name__ == "__main__":
    main()
