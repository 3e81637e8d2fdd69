"""Say where the seconds of a run with nothing to do go, and of a search by a command.

Indexes a few pictures once, then runs the same command again and again in fresh processes, in turn:
as it is, and on the temporary server that a run with work starts; their reports say what the stages
took. Then searches that load the model and searches that ask a running ``crossmodal ui``, in turn
with ``crossmodal --help``. No server may be named (PREFECT_API_URL). Some 55 s of the processor
with three rounds, which takes as often as many seconds on a machine as it has other work.

    python -m benchmarks.startup MODEL --rounds 3 --out benchmarks/results/today-startup
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
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
_PATIENCE_S = 300.0
# Keeps a run from the way without a server; it is Prefect's own default.
_WITH_SERVER = {"PREFECT_SERVER_DATABASE_ECHO": "false"}

Kinds = dict[str, tuple[list[str], dict[str, str]]]
Figures = dict[str, dict[str, float]]


def run(arguments: list[str], environment: dict[str, str]) -> tuple[dict[str, float], str]:
    """Run a command; return what it took, by the clock and of the processor, and what it says.

    The time of its children counts.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    done = subprocess.run(
        arguments,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=_PATIENCE_S,
    )
    wall_s, after = time.time() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return dict(zip(_SUMS, (wall_s, cpu_s), strict=True)), done.stdout


def stages(report: str) -> dict[str, float]:
    """Return what the report of a run says of its stages, in seconds."""
    found = json.loads(report)["profile"]["stages"]
    return {stage["name"]: stage["wall_s"] for stage in found}


def median(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure that all runs have."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in names}


def in_turn(kinds: Kinds, num: int) -> tuple[Figures, Figures]:
    """Run each command as often as the others, in turn; return the medians, and of its stages."""
    took: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    parts: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for turn in range(num):
        for kind, (arguments, environment) in kinds.items():
            figures, said = run(arguments, environment)
            took[kind].append(figures)
            if "index" in arguments:
                parts[kind].append(stages(said))
            told = ", ".join(f"{value:.2f} s {name}" for name, value in figures.items())
            print(f"{turn + 1} of {num}: {kind}: {told}", file=sys.stderr)
    return (
        {kind: median(each) for kind, each in took.items()},
        {kind: median(each) for kind, each in parts.items() if each},
    )


def searches(command: list[str], collection: list[str], num: int) -> Figures:
    """Return what a search takes by itself, by a page that runs, and ``--help`` beside them."""
    words = [*command, "search", "a boat", *collection, "--json"]
    page = subprocess.Popen(
        [*command, "ui", "--no-token", "--port", _PORT, *collection], stdout=subprocess.DEVNULL
    )
    try:
        _wait_for_page(page)
        subprocess.run(words, check=True, capture_output=True)  # once its model is loaded
        kinds = {"by itself": [*words, "--here"], "asking a page": words}
        kinds["--help"] = [*command, "--help"]
        environment = dict(os.environ)
        return in_turn({kind: (each, environment) for kind, each in kinds.items()}, num)[0]
    finally:
        page.terminate()
        page.wait(30)


def _wait_for_page(page: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while page.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(_PORT))) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"no page answers on port {_PORT}, which something else may have")


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
        index = [*command, "index", str(pictures), "--model", str(options.model), *collection]
        index.append("--json")
        run(index, environment)
        kinds = {
            "no server": (index, environment),
            "its own server": (index, environment | _WITH_SERVER),
        }
        noop, parts = in_turn(kinds, options.rounds)
        searched = searches(command, collection, options.rounds)
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "load": [round(value, 1) for value in os.getloadavg()],
        "rounds": options.rounds,
        "index, nothing to do (median, s)": noop,
        "where its seconds go (s)": parts,
        "a search (median, s)": searched,
    }
    print(json.dumps(report, indent=1))
    if options.out:
        options.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
