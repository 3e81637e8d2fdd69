"""Build the wheel, install it where no checkout is seen, and use it beside folders of our names.

Owns a temporary environment: the wheel, and the other packages of the interpreter that runs this.
In its working directory ``flows``, ``tasks`` and ``deployments`` are somebody else's, and refuse to
be imported. There the demo runs, ``import crossmodal`` indexes and searches, ``crossmodal serve``
runs a flow, and a worker a deployed one.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = re.compile(r"(\.\./)*(bin/crossmodal|crossmodal/.+|crossmodal-[^/]+\.dist-info/.+)")
DECOY = 'raise RuntimeError("crossmodal imported a folder of somebody else\'s")\n'
START_S = 600
STOP_S = 90
LIBRARY = """
import crossmodal

notes = crossmodal.open("library.duckdb")
notes.index("demo/notes")
hits = notes.search("who keeps bees?", k=3)
assert len(hits) == hits.to_arrow().num_rows == 3, hits
"""


def main() -> None:
    """Do all of it in a folder that goes afterwards; raise at the first thing that is wrong."""
    with tempfile.TemporaryDirectory(prefix="crossmodal-wheel-") as name:
        base = Path(name)
        wheel = build(base / "dist")
        python = install(wheel, base / "venv")
        work = decoys(base / "work")
        environment = settings(base)
        run_demo(python, work, environment)
        use_library(python, work, environment)
        with served(python, work, environment) as url:
            run_flow(python, work, environment | {"PREFECT_API_URL": url}, "index/demo")
            run_on_worker(python, work, environment | {"PREFECT_API_URL": url})
    say("the wheel works beside folders of its own names")


def build(into: Path) -> Path:
    """Build the wheel; show its size and what lies where."""
    pip("wheel", "--no-deps", "--wheel-dir", into, ROOT)
    (wheel,) = into.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [entry for entry in archive.namelist() if not entry.endswith("/")]
    say(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(names)} files")
    folders = Counter("/".join(entry.split("/")[:2]) for entry in names if entry.count("/") > 1)
    for folder, count in sorted(folders.items()):
        print(f"    {count:4} {folder}")
    return wheel


def install(wheel: Path, venv: Path) -> Path:
    """Install the wheel into a new environment and return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    listed = pip("--python", python, "show", "--files", "crossmodal").split("Files:\n")[1]
    foreign = [line for line in map(str.strip, listed.splitlines()) if not OURS.fullmatch(line)]
    assert not foreign, f"the wheel puts files where they do not belong: {foreign}"
    say(f"pip show -f crossmodal: {len(listed.splitlines())} files, none outside crossmodal/")
    # A path in a .pth file is searched, but the .pth files in it are not read: no checkout.
    (site,) = venv.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join(others), encoding="utf-8")
    return python


def decoys(work: Path) -> Path:
    """Make a working directory in which our names are taken."""
    for name in ("flows", "tasks", "deployments"):
        (work / name).mkdir(parents=True)
        (work / name / "__init__.py").write_text(DECOY, encoding="utf-8")
    return work


def settings(base: Path) -> dict[str, str]:
    """Return an environment without a server, a profile or a path of the person's own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTHON"))}
    mine = {"PREFECT_HOME": str(base / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    return kept | mine | {"DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}


def run_demo(python: Path, work: Path, environment: dict[str, str]) -> None:
    """Run the demo with the installed command, in the directory of the decoys."""
    command = [sys.executable, "-m", "examples.demo", "demo"]
    command += ["--command", str(python.with_name("crossmodal"))]
    started = time.monotonic()
    where = environment | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    subprocess.run(command, cwd=work, env=where, check=True)
    say(f"the demo took {time.monotonic() - started:.0f} s")


def use_library(python: Path, work: Path, environment: dict[str, str]) -> None:
    """Index a folder and search it by ``import crossmodal``, as docs/python.md says."""
    subprocess.run([python, "-c", LIBRARY], cwd=work, env=environment, check=True)
    say("import crossmodal: open, index and search work")


@contextmanager
def served(python: Path, work: Path, environment: dict[str, str]) -> Iterator[str]:
    """Yield the API's URL of ``crossmodal serve``, which ends afterwards."""
    port = free_port()
    command = [python.with_name("crossmodal"), "serve", "demo/pictures", "demo/notes"]
    command += ["-c", "demo/demo.duckdb", "--port", str(port)]
    with started(command, work, environment) as (process, log):
        deadline = time.monotonic() + START_S
        while "Prefect UI" not in log.read_text("utf-8"):
            assert process.poll() is None, f"crossmodal serve ended:\n{log.read_text('utf-8')}"
            assert time.monotonic() < deadline, f"no server after {START_S} s"
            time.sleep(0.5)
        say("crossmodal serve is up")
        yield f"http://127.0.0.1:{port}/api"


def run_on_worker(python: Path, work: Path, environment: dict[str, str]) -> None:
    """Deploy the flows for a worker and let one run an index."""
    crossmodal = python.with_name("crossmodal")
    deploy = [crossmodal, "deploy", "demo/notes", "-c", "worker.duckdb", "--json"]
    done = subprocess.run(deploy, cwd=work, env=environment, check=True, capture_output=True)
    assert json.loads(done.stdout), "crossmodal deploy changed nothing"
    worker = [python, "-m", "prefect", "worker", "start", "--pool", "crossmodal"]
    with started([*worker, "--type", "process"], work, environment):
        run_flow(python, work, environment, "index/worker")
    assert (work / "worker.duckdb").is_file(), "the worker's run left no collection"


def run_flow(python: Path, work: Path, environment: dict[str, str], name: str) -> None:
    """Run a deployment and wait until it completed."""
    command = [python, "-m", "prefect", "deployment", "run", name, "--watch"]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{name} failed:\n{done.stdout}\n{done.stderr}"
    assert "Completed" in done.stdout, done.stdout
    say(f"{name} completed")


@contextmanager
def started(
    command: list[object], work: Path, environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Yield a process and the file that has its output; end the process afterwards.

    Not by SIGINT, to which what a shell runs in the background is deaf.
    """
    log = work / f"{len(list(work.glob('*.log')))}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)), cwd=work, env=environment, stdout=output, stderr=output
        )
    try:
        yield process, log
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:  # a worker that lost its server's channel never ends
            process.kill()
            process.wait()
            say(f"{Path(str(command[0])).name} did not end within {STOP_S} s and was killed")


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pip(*arguments: object) -> str:
    """Run pip, which is to say only what went wrong, and return what it printed."""
    command = [sys.executable, "-m", "pip", "-qq", *map(str, arguments)]
    if "show" in arguments:
        command.remove("-qq")
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def say(line: str) -> None:
    """Print a line between the outputs of the others."""
    print(f"==> {line}", flush=True)


if __name__ == "__main__":
    main()
