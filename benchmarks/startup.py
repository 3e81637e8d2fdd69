"""Say where the seconds of a run with nothing to do go, and of a search by a command.

Indexes a few pictures once, then runs the same command again and again in fresh processes, with
marks at the seams; as often, in turn, without them and with Prefect starting its temporary server
itself; then searches that load the model and searches that ask a running ``crossmodal ui``, in turn
with ``crossmodal --help``. No server may be named (PREFECT_API_URL).

    python -m benchmarks.startup MODEL --out benchmarks/results/today-startup
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

_SUMS = ("all", "processor time")
_PORT = "8976"

# Runs in the child: the command line as it is, with a clock at the seams.
_MARKED = """
import json, os, sys, time
marks = {}
def mark(name):
    marks.setdefault(name, time.time())
from crossmodal.cli.main import main
from crossmodal.cli import run as cli_write
from crossmodal.cli.temporary_server import EarlyServer
begin = EarlyServer.__init__
def begun(self):
    mark('server asked')
    begin(self)
EarlyServer.__init__ = begun
wait = EarlyServer._is_healthy
def waited(self):
    mark('imported')
    try:
        return wait(self)
    finally:
        mark('server there')
EarlyServer._is_healthy = waited
load = cli_write._index_flow
def loaded():
    index = load()
    body = index.fn
    def timed(*given, **named):
        mark('flow begins')
        try:
            return body(*given, **named)
        finally:
            mark('flow ends')
    index.fn = timed
    return index
cli_write._index_flow = loaded
sys.argv = ['crossmodal', *sys.argv[2:]]
try:
    main()
finally:
    mark('report is out')
    with open(os.environ['MARKS'], 'w') as file:
        json.dump(marks, file)
"""


def run(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command and return what it took by the clock and of the processor, children's too."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    subprocess.run(arguments, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.time() - began, cpu_s


def marked(arguments: list[str], environment: dict[str, str], scratch: Path) -> dict[str, float]:
    """Run a command with marks at its seams and return the seconds between them."""
    path = scratch / "marks.json"
    began = time.time()
    command = [sys.executable, "-c", _MARKED, "-", *arguments]
    wall_s, cpu_s = run(command, environment | {"MARKS": str(path)})
    at = json.loads(path.read_text())
    seams = ("server asked", "imported", "server there", "flow begins", "flow ends")
    edges = [began, *(at[seam] for seam in seams), at["report is out"], began + wall_s]
    names = ("Python, to the server's start", "imports beside it", "waiting for it")
    names += ("to the flow", "the flow", "end of the flow run", "exit")
    pairs = zip(names, itertools.pairwise(edges), strict=True)
    spans = {name: stop - start for name, (start, stop) in pairs}
    return {**spans, **dict(zip(_SUMS, (wall_s, cpu_s), strict=True))}


def median(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}


def searches(command: list[str], collection: list[str], num: int) -> dict[str, dict[str, float]]:
    """Return what a search takes by itself, by a page that runs, and ``--help`` beside them."""
    words = [*command, "search", "a boat", *collection, "--json"]
    page = subprocess.Popen([*command, "ui", "--no-token", "--port", _PORT, *collection])
    try:
        subprocess.run(words, check=True, capture_output=True)  # once its model is loaded
        kinds = {"by itself": [*words, "--here"], "asking a page": words}
        kinds["--help"] = [*command, "--help"]
        runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
        for _ in range(num):
            for kind, arguments in kinds.items():
                took = run(arguments, dict(os.environ))
                runs[kind].append(dict(zip(_SUMS, took, strict=True)))
    finally:
        page.terminate()
        page.wait()
    return {kind: median(each) for kind, each in runs.items()}


def main(options: argparse.Namespace) -> None:
    """Measure, and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        pictures = scratch / "pictures"
        pictures.mkdir()
        for number in range(12):
            Image.new("RGB", (64, 64), (20 * number, 99, 9)).save(pictures / f"{number}.png")
        environment = os.environ | {
            "PREFECT_HOME": str(scratch / "prefect"),
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        }
        collection = ["--collection", str(scratch / "c.duckdb")]
        command = [str(Path(sys.executable).with_name("crossmodal"))]
        index = ["index", str(pictures), "--model", str(options.model), *collection]
        run([*command, *index], environment)
        # Any setting about it leaves the server to Prefect; this one is its default.
        left_to_prefect = environment | {"PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true"}
        noop, plain, by_prefect = [], [], []
        for _ in range(options.runs):
            noop.append(marked(index, environment, scratch))
            plain.append(dict(zip(_SUMS, run([*command, *index], environment), strict=True)))
            by_prefect.append(
                dict(zip(_SUMS, run([*command, *index], left_to_prefect), strict=True))
            )
        searched = searches(command, collection, options.runs)
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "load": [round(value, 1) for value in os.getloadavg()],
        "runs": options.runs,
        "index, nothing to do (median, s)": median(plain),
        "the same, the server left to Prefect (median, s)": median(by_prefect),
        "where the seconds go (median, s)": median(noop),
        "a search (median, s)": searched,
    }
    print(json.dumps(report, indent=1))
    options.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
