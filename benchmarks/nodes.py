"""Measure a backfill over two Ray nodes, one of which is killed in the middle, and check its rows.

Small drawn pictures, all different, in folders that are partitions, and a tiny model with random
weights: what is measured is the way there and back, not a forward pass. The nodes are real ones,
each with its own processes; only the machine is the same. Three backfills of the same pictures:
in one process, over two nodes, and over two nodes of which one is killed with -9 (its raylet and
all that it started) once half of the vectors are committed. Needs the extra ``ray`` and Linux.

    python -m benchmarks.nodes --pictures 100000 --out benchmarks/results/today-nodes
    python -m benchmarks.nodes --pictures 100000 --out ... --only "two nodes, one killed"

Processor seconds are user and system time of every process: the command with all that it started,
and the cluster's. What was done twice is counted by the kernel (inotify): a picture that was opened
more often than the others was given to a second node after the first was gone.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import psutil
from PIL import Image

from tests.process.watching import ledger_rows, num_vectors
from tests.scale.cluster import BUSY, LocalCluster, local_cluster
from tests.tiny_model import build_tiny_clip
from tests.waiting import eventually

PER_FOLDER = 1000
SIZE = 32
PAUSE_S = 1.0
LONGEST_S = 3 * 3600.0
WAYS = ("one process", "two nodes", "two nodes, one killed")
IN_OPEN, IN_Q_OVERFLOW = 0x20, 0x4000
_VECTORS = """
SELECT source.uri, v.v FROM vector_1_image AS v JOIN chunk USING (chunk_id)
JOIN source USING (content_hash) ORDER BY source.uri
"""


def draw(folder: Path, num_pictures: int) -> list[Path]:
    """Write pictures of four colours and their number as noise; return their folders."""
    folders = []
    for number in range(num_pictures):
        if number % PER_FOLDER == 0:
            folders.append(folder / f"{number // PER_FOLDER:03}")
            folders[-1].mkdir(parents=True)
        noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
        picture = Image.fromarray(noise).resize((SIZE, SIZE), Image.Resampling.NEAREST)
        picture.save(folders[-1] / f"{number:07}.png")
    return folders


class Opened:
    """Count how often each file of some folders is opened, by whatever process."""

    def __init__(self, folders: list[Path]) -> None:
        self.times: Counter[tuple[int, bytes]] = Counter()
        self.is_complete = True
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init()
        for folder in folders:
            if libc.inotify_add_watch(self._descriptor, os.fsencode(folder), IN_OPEN) < 0:
                raise OSError(ctypes.get_errno(), "inotify", str(folder))
        threading.Thread(target=self._count, daemon=True).start()

    def again(self) -> int:
        """Return how many opens there were beyond the number that is usual for a file."""
        usual = Counter(self.times.values()).most_common(1)[0][0]
        return sum(max(times - usual, 0) for times in self.times.values())

    def _count(self) -> None:
        while events := os.read(self._descriptor, 1 << 20):
            at = 0
            while at < len(events):
                watch, mask, _, length = struct.unpack_from("iIII", events, at)
                name = events[at + 16 : at + 16 + length].rstrip(b"\0")
                at += 16 + length
                self.is_complete &= not mask & IN_Q_OVERFLOW
                if name:
                    self.times[watch, name] += 1


def kill_node(cluster: LocalCluster) -> None:
    """Kill -9 the node of a worker that is busy: its raylet first, which would replace workers."""
    busy = eventually(lambda: cluster.workers(BUSY), 600, "a busy worker", pause_s=0.01)
    raylet = psutil.Process(busy[0]).parent()
    assert raylet is not None
    started = raylet.children(recursive=True)
    for process in (raylet, *started):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def cpu_s(root: int, seen: dict[int, float]) -> float:
    """Return the processor seconds of a process and all below it, also of those that have gone."""
    with suppress(psutil.NoSuchProcess):
        for process in (top := psutil.Process(root), *top.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                seen[process.pid] = times.user + times.system
    return sum(seen.values())


def backfill(
    pictures: Path, folders: list[Path], model: Path, home: Path, how: str, num_pictures: int
) -> tuple[dict[str, Any], Path]:
    """Do one backfill in a collection of its own; return its figures and the collection."""
    collection = home / f"{how.replace(' ', '-')}.duckdb"
    command = [str(Path(sys.executable).with_name("crossmodal")), "backfill", str(pictures)]
    command += ["--model", str(model), "--shard-size", "1024", "--json"]
    command += ["--collection", str(collection)]
    command += [] if how == "one process" else ["--runner", "ray"]
    opened = Opened(folders)
    clustered = nullcontext() if how == "one process" else local_cluster(home / collection.stem)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with clustered as cluster, (home / "said").open("w") as said:
        environment = os.environ | {"PREFECT_HOME": str(home / "prefect")}
        environment |= {"RAY_ADDRESS": cluster.address} if cluster else {}
        print(f"{how}: begins", file=sys.stderr, flush=True)
        run = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=said, text=True
        )
        nodes_seen: dict[int, float] = {}
        peak_mb, killed_at, nodes_s = 0, None, 0.0
        while run.poll() is None:
            peak_mb = max(peak_mb, _peak_mb(run.pid))
            if cluster:
                nodes_s = cpu_s(cluster.process.pid, nodes_seen)
            is_due = how.endswith("killed") and killed_at is None
            if is_due and num_vectors(collection) >= num_pictures / 2:
                kill_node(cluster)
                killed_at = num_vectors(collection)
            time.sleep(PAUSE_S)
        took_s = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads(run.stdout.read() or "{}")
    assert run.returncode == 0, (home / "said").read_text()[-3000:]
    command_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert ledger_rows(collection) == (num_pictures,) * 3
    return {
        "state": told["state"],
        "vectors when a node was killed": killed_at,
        "opened again": opened.again() if opened.is_complete else None,
        "opens of a file": dict(Counter(opened.times.values())),
        "command, processor s": round(command_s, 1),
        "nodes, processor s": round(nodes_s, 1),
        "clock s": round(took_s, 1),
        "command, peak MB": peak_mb,
    }, collection


def vectors(collection: Path) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Return the files in order, and the vectors that they have."""
    with duckdb.connect(str(collection), read_only=True) as con:
        found = con.sql(_VECTORS).to_arrow_table()
    return found["uri"].to_pylist(), np.stack(found["v"].to_numpy())


def _peak_mb(pid: int) -> int:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3)
    return 0


@contextmanager
def site(num_pictures: int) -> Iterator[tuple[Path, list[Path], Path, Path]]:
    """Lend pictures, their folders, a model, and a folder to work in."""
    with tempfile.TemporaryDirectory(prefix="nodes-") as folder:
        home = Path(folder)
        build_tiny_clip(home / "model")
        yield (
            home / "pictures",
            draw(home / "pictures", num_pictures),
            home / "model",
            home,
        )


def main(options: argparse.Namespace) -> None:
    """Measure, and write the results."""
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "load_at_start": [round(value, 1) for value in os.getloadavg()],
        "pictures": options.pictures,
    }
    # Workers would be 15 nicer than their node, and starve beside anything else on this machine.
    os.environ.setdefault("RAY_worker_niceness", "0")
    with site(options.pictures) as (pictures, folders, model, home):
        reference = None
        for how in options.only or WAYS:
            figures, collection = backfill(pictures, folders, model, home, how, options.pictures)
            uris, found = vectors(collection)
            report[how] = figures
            if how == "one process":
                reference = uris, found
            elif reference:
                assert uris == reference[0]
                cosines = (found * reference[1]).sum(axis=1)
                report[how]["least cosine to one process"] = float(cosines.min())
            print(json.dumps({how: report[how]}), flush=True)
    options.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--only", action="append", choices=WAYS)
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
