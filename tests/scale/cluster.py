"""Run a Ray cluster of two worker nodes beside the tests, and tell who does its work.

Its processes are real, each node's its own; only the machine is the same.

    python -m tests.scale.cluster ADDRESS [gpu]

writes the cluster's address to a file and stays until its standard input ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.waiting import PATIENCE_S, eventually

ROOT = Path(__file__).parents[2]
# What the process of a node is called between two parts of a shard, and in the middle of one.
IDLE, BUSY = "RaySwordfishActor", "UDFProject"


class LocalCluster:
    """Know a cluster's address and processes."""

    def __init__(self, process: subprocess.Popen[bytes], address: str) -> None:
        self.process = process
        self.address = address

    def workers(self, *called: str) -> list[int]:
        """Return the processes that do the work, one a node; by default busy or not."""
        return [
            process.pid
            for process in psutil.Process(self.process.pid).children(recursive=True)
            if any(word in _title(process) for word in called or (IDLE, BUSY))
        ]

    def kill_busy_worker(self) -> int:
        """Kill -9 the process of a node in the middle of a shard, and return its number."""
        busy = eventually(lambda: self.workers(BUSY), PATIENCE_S, "a busy worker", pause_s=0.01)
        os.kill(busy[0], signal.SIGKILL)
        return busy[0]

    def kill(self) -> None:
        """Kill -9 all of it at once."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error, IndexError):
        title = process.cmdline()[0]
        return title if title.startswith("ray::") else ""
    return ""


@contextmanager
def local_cluster(home: Path, *options: str) -> Iterator[LocalCluster]:
    """Lend a cluster; what it says is in a file ``home/out``."""
    home.mkdir(exist_ok=True)
    address = home / "address"
    # Not a pipe, which Ray's own processes would hold open.
    with (home / "out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.scale.cluster", str(address), *options],
            cwd=ROOT,
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:

        def told() -> str:
            assert process.poll() is None, (home / "out").read_text()[-3000:]
            return address.read_text() if address.exists() else ""

        yield LocalCluster(process, eventually(told, PATIENCE_S, "a Ray cluster"))
    finally:
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main(address: str, *options: str) -> None:
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1, num_gpus=1 if "gpu" in options else 0)
    partial = Path(f"{address}.partial")
    partial.write_text(cluster.address)
    partial.rename(address)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
