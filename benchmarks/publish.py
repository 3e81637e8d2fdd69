"""Measure what a publication costs: rows a second into each store, and one with nothing new.

    python -m benchmarks.publish lance:///tmp/store pgserver qdrant:///tmp/points --num 100000

Vectors are drawn at random; each row has a path, a place and 300 characters of text. The address of
a PostgreSQL is one with pgvector; ``pgserver`` is that of the package, started for this, whose
processor's time is counted too. A store is filled once, asked again with nothing new, and then
after 1,000 rows were added, 1,000 changed and 1,000 deleted. Times are of the whole of ``publish``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, runs, shard_writer
from crossmodal.publishing.options import PublishOptions
from crossmodal.publishing.publisher import publish
from crossmodal.records import Lineup
from tests.ledger.build import plan, planned, shard, vector_row, version

SHARD = 5000
CHANGED = 1000
TEXT = "Hold burnt skin under cool running water for twenty minutes, then cover it. " * 4


def main() -> None:
    """Print a line a step as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("addresses", nargs="+")
    parser.add_argument("--num", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    given = parser.parse_args()
    for named in given.addresses:
        with tempfile.TemporaryDirectory(prefix="pub-") as folder, served(named, folder) as address:
            measure(Collection(Path(folder) / "rows.duckdb"), address, given.num, given.dim)


@contextmanager
def served(address: str, folder: str) -> Iterator[str]:
    """Yield an address; that of a PostgreSQL of its own for ``pgserver``."""
    if address != "pgserver":
        yield address
        return
    import pgserver

    at = Path(folder) / "pg"  # a socket's path must be short
    server = pgserver.get_server(at, cleanup_mode="stop")
    yield f"postgresql://postgres@/postgres?host={at}"
    server.cleanup()


def busy_s(address: str) -> float:
    """Return the seconds of the processor so far: of this process, and of a PostgreSQL here."""
    own = time.process_time()
    folder = address.partition("?host=")[2]
    pid = Path(folder) / "postmaster.pid"
    if not folder or not pid.is_file():
        return own
    postmaster = psutil.Process(int(pid.read_text().split()[0]))
    times = [each.cpu_times() for each in (postmaster, *postmaster.children())]
    ended = postmaster.cpu_times()
    return own + sum(t.user + t.system for t in times) + ended.children_user + ended.children_system


def measure(collection: Collection, address: str, num: int, dim: int) -> None:
    """Fill a store, ask it again, and bring it in step with changes."""
    write(collection, range(num), dim)
    timed("first", collection, address)
    timed("nothing new", collection, address)
    write(collection, range(num, num + CHANGED), dim)
    write(collection, range(CHANGED), dim, " again")
    gone = [planned(uri(i), None, action="deleted", embed=False) for i in range(5000, 6000)]
    with collection.write() as con:
        shard_writer.apply_plan(con, plan(*gone), "run", None)
    timed("3,000 changes", collection, address)


def timed(step: str, collection: Collection, address: str) -> None:
    """Publish once and print what that took."""
    run_id = uuid.uuid4().hex
    with collection.write() as con:
        runs.start_run(con, runs.RunStart(run_id=run_id, flow="p", params={}, code_version="0"))
    began, busy = time.monotonic(), busy_s(address)
    done = publish(collection, PublishOptions(to=address), run_id, lambda _: None)
    wall_s, cpu_s = time.monotonic() - began, busy_s(address) - busy
    with collection.write() as con:
        runs.finish_run(con, run_id, "completed", {}, "")
    told = {"store": address.partition(":")[0], "step": step, "sent": done.num_sent}
    told |= {"removed": done.num_removed, "wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2)}
    print(json.dumps(told | {"rows_per_s": round(done.num_sent / wall_s)}), flush=True)


def write(collection: Collection, numbers: range, dim: int, content: str = "") -> None:
    """Index passages with random unit vectors, a shard at a time."""
    model = version("random", dim)
    with collection.write() as con:
        model = model_versions.register(con, model)
        model_versions.set_live(con, Lineup.of(model))
    rng = np.random.default_rng(numbers.start)
    for start in range(numbers.start, numbers.stop, SHARD):
        part = range(start, min(start + SHARD, numbers.stop))
        rows = [planned(uri(i), f"{i}{content}", media_type="text/plain") for i in part]
        vectors = rng.normal(size=(len(rows), dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        words = {"modality": "text", "kind": "passage", "text": TEXT, "meta": '{"page": 3}'}
        cut = [vector_row(row, v, **words) for row, v in zip(rows, vectors, strict=True)]
        with collection.write() as con:
            shard_writer.commit_shard(con, shard(model, plan(*rows), cut, "run"))
    with collection.write() as con:
        shard_writer.apply_plan(con, plan(), "run", None)


def uri(number: int) -> str:
    """Return the path of a source."""
    return f"/notes/{number // 1000:04d}/{number}.txt"


if __name__ == "__main__":
    main()
