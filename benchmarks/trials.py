"""Try what an attacker, a busy machine and a bad night do to a collection; say what held.

    python -m benchmarks.trials [NAME ...] --work FOLDER [--files 2000] [--kills 15]

Every trial runs the product's own commands in real processes and ends with a row of the table in
docs/reliability.md. The model is a tiny random one: what is tried is the ledger, not the meaning.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from prefect.settings import PREFECT_API_URL, temporary_settings

from crossmodal.errors import CrossmodalError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.verify_all import verify_all
from crossmodal.ledger.write import runs
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from deployments.reruns import TAG, rerun_crashed
from deployments.server import running_server
from tests.drawn import draw_pictures
from tests.operation.site import FlowRun, Site, running_site
from tests.tiny_model import build_tiny_clip
from tests.waiting import eventually, free_port

CROSSMODAL = str(Path(sys.executable).with_name("crossmodal"))
AWAY_S = 100
"""Longer than a run's process and its worker try to reach the server."""
CONTENTS = """
SELECT c.content_hash, c.chunker, c.ordinal, v.v FROM chunk c JOIN vector_1_image v USING (chunk_id)
ORDER BY ALL"""


@dataclass
class Trial:
    """Have a folder of pictures, a collection, and the commands on it."""

    work: Path
    model: Path
    environment: dict[str, str]
    num_files: int
    num_kills: int
    lines: list[str] = field(default_factory=list)

    def pictures(self, name: str, num: int) -> Path:
        """Return a folder of so many small pictures."""
        folder = self.work / name
        if not folder.is_dir():
            draw_pictures(folder, num)
        return folder

    def start(self, folder: Path, collection: Path, *options: object) -> subprocess.Popen[bytes]:
        """Begin an index run."""
        words = ["index", folder, "-c", collection, "--model", self.model, *options]
        with (self.work / "log").open("ab") as log:
            return subprocess.Popen(
                [CROSSMODAL, *map(str, words)], env=self.environment, stdout=log, stderr=log
            )

    def index(self, folder: Path, collection: Path, *options: object) -> int:
        """Run to the end and return the exit code."""
        return self.start(folder, collection, *options).wait()


class Searchers:
    """Search a collection from some threads until told to stop."""

    def __init__(self, collection: Path, num: int) -> None:
        self.num_answers = self.num_busy = 0
        self.errors: list[str] = []
        self._options = QueryOptions(collection=str(collection), k=3)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._search) for _ in range(num)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all of them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _search(self) -> None:
        service = SearchService(Collection(self._options.collection))
        while not self._stop.is_set():
            try:
                (answer,) = service.ask_many([Query(text="a red disc")], self._options)
                self.num_answers += bool(answer.hits)
            except CrossmodalError as error:
                self.num_busy += 1
                if "busy" not in str(error).lower():
                    self.errors.append(str(error))
            time.sleep(0.05)


def num_vectors(collection: Path) -> int:
    """Return how many there are; 0 before the first."""
    with suppress(CrossmodalError), Collection(collection).read() as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        if ("vector_1_image",) in tables:
            return int(con.execute("SELECT count(*) FROM vector_1_image").fetchall()[0][0])
    return 0


def kills(trial: Trial) -> str:
    """Kill a run at random moments, with a search beside, until it has had enough of it."""
    folder = trial.pictures("killed", 600)
    collection = trial.work / "killed.duckdb"
    trial.index(trial.pictures("seed", 3), collection)
    before, counts = num_vectors(collection), []
    searchers = Searchers(collection, 1)
    for number in range(trial.num_kills):
        run = trial.start(folder, collection, "--shard-size", 2)
        deadline = time.monotonic() + 120
        while num_vectors(collection) == before and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(random.Random(number).uniform(0, 1.0))
        run.send_signal(signal.SIGKILL)
        run.wait()
        problems = verify_all(Collection(collection)).problems
        counts.append(num_vectors(collection))
        assert not problems, problems
        assert counts[-1] >= before, "committed rows are gone"
        before = counts[-1]
    searchers.stop()
    code = trial.index(folder, collection)
    return (
        f"{trial.num_kills} kills -9, vectors after each {counts}; "
        f"{searchers.num_answers:,} answers beside, {searchers.num_busy} busy, "
        f"{len(searchers.errors)} errors; the last run: exit {code}, "
        f"{num_vectors(collection)} vectors"
    )


def searchers(trial: Trial) -> str:
    """Index many tiny files while twenty search."""
    folder = trial.pictures("many", trial.num_files)
    collection = trial.work / "many.duckdb"
    trial.index(trial.pictures("seed", 3), collection)
    crowd = Searchers(collection, 20)
    started = time.monotonic()
    code = trial.index(folder, collection)
    took_s = time.monotonic() - started
    crowd.stop()
    problems = verify_all(Collection(collection)).problems
    return (
        f"{trial.num_files:,} files in {took_s:.0f} s, exit {code}, {num_vectors(collection):,} "
        f"vectors, {crowd.num_answers:,} answers of 20 searchers, {crowd.num_busy} busy, "
        f"{len(crowd.errors)} errors, problems {problems}"
    )


def twins(trial: Trial) -> str:
    """Index one folder into two fresh collections and compare them."""
    folder = trial.pictures("twins", 200)
    found = []
    for name in ("one", "two"):
        collection = trial.work / f"{name}.duckdb"
        trial.index(folder, collection)
        with Collection(collection).read() as con:
            found.append(con.execute(CONTENTS).fetchall())
    one, two = found
    assert [row[:3] for row in one] == [row[:3] for row in two]
    vectors = [np.array([row[3] for row in rows], dtype=np.float32) for rows in found]
    off = float(np.abs(vectors[0] - vectors[1]).max())
    return f"{len(one)} chunks, the same in both; vectors differ by {off:.2g} at most"


def clock(trial: Trial) -> str:
    """Change files and set their times back, to another and to the same."""
    folder = trial.pictures("clock", 20)
    collection = trial.work / "clock.duckdb"
    trial.index(folder, collection)
    first, second, *_ = sorted(folder.glob("*.png"))
    data, kept = second.read_bytes(), second.stat()
    first.write_bytes(data)
    os.utime(first, (86_400, 86_400))
    trial.index(folder, collection)
    with Collection(collection).read() as con:
        sql = "SELECT count(DISTINCT content_hash) FROM source WHERE uri IN (?, ?)"
        seen = con.execute(sql, [str(first), str(second)]).fetchall()[0][0] == 1
    second.write_bytes(data[:-4] + bytes([data[-4] ^ 1]) + data[-3:])
    os.utime(second, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    before = _last_embedded(collection)
    trial.index(folder, collection)
    return (
        f"a change dated 1970 is seen: {seen}; one of the same size and time to the nanosecond is "
        f"not: {_last_embedded(collection) == 0} (the run before embedded {before})"
    )


def changed(trial: Trial) -> str:
    """Write over a file after it was planned and before its turn."""
    folder = trial.pictures("changed", 300)
    collection = trial.work / "changed.duckdb"
    last = max(folder.iterdir(), key=str)
    run = trial.start(folder, collection, "--shard-size", 2)
    while num_vectors(collection) == 0 and run.poll() is None:
        time.sleep(0.05)
    last.write_bytes(last.read_bytes() + b"more")
    code = run.wait()
    with Collection(collection).read() as con:
        refused = con.execute("SELECT reason, count(*) FROM quarantine GROUP BY ALL").fetchall()
    again = trial.index(folder, collection)
    return (
        f"run: exit {code}, {refused}; the next: exit {again}, {num_vectors(collection)} vectors, "
        f"problems {verify_all(Collection(collection)).problems}"
    )


def giants(trial: Trial) -> str:
    """Index files that are too much of one thing beside good ones."""
    folder = trial.pictures("giants", 5)
    _million_cues(folder / "million.srt")
    _long_line(folder / "line.csv")
    _million_pages(folder / "pages.pdf")
    collection = trial.work / "giants.duckdb"
    started = time.monotonic()
    code = trial.index(folder, collection, "--min-coverage", 0)
    took_s = time.monotonic() - started
    with Collection(collection).read() as con:
        refused = con.execute("SELECT uri, reason, detail FROM quarantine ORDER BY uri").fetchall()
        cut = con.execute(
            "SELECT s.uri, count(*) FROM source s JOIN chunk c USING (content_hash) GROUP BY ALL"
        ).fetchall()
    kept = {Path(uri).name: number for uri, number in cut}
    said = [(Path(uri).name, reason, detail[:70]) for uri, reason, detail in refused]
    return f"exit {code} after {took_s:.0f} s; refused {said}; chunks {kept}"


def away(trial: Trial) -> str:
    """Take the server away between the start of a run's process and its first word."""
    with _reruns(trial, "away") as (site, deployment, params):
        site.start_worker()
        run = site.trigger(deployment, **params)
        eventually(lambda: run.state == "PENDING", 120, "a run that its worker has taken")
        site.lose_server()
        time.sleep(AWAY_S)
        site.start_server()
        return f"server away for {AWAY_S} s; {_rerun(site, run, Path(params['collection']))}"


def restarted(trial: Trial) -> str:
    """Let a run crash just after the server was restarted, which has forgotten what it saw."""
    with _reruns(trial, "restarted") as (site, deployment, params):
        run = site.trigger(deployment, **params)
        pending, crashed = (
            {"state": {"type": name.upper(), "name": name}} for name in ("Pending", "Crashed")
        )
        site.post(f"/flow_runs/{run.id}/set_state", pending)
        time.sleep(10)
        site.lose_server()
        site.start_server()
        site.post(f"/flow_runs/{run.id}/set_state", crashed)
        site.start_worker()
        return _rerun(site, run, Path(params["collection"]))


@contextmanager
def _reruns(trial: Trial, name: str) -> Iterator[tuple[Site, str, dict[str, Any]]]:
    """Yield a site that runs crashed runs again, as deployed; an index and its parameters."""
    params = {
        "collection": str(trial.work / f"{name}.duckdb"),
        "paths": [str(trial.pictures(name, 12))],
        "model": str(trial.model),
    }
    with running_site(trial.work / f"{name}-site") as site:
        with temporary_settings({PREFECT_API_URL: site.url}):
            for automation in rerun_crashed():
                automation.create()
        yield site, site.deploy(name, tags=[TAG]), params


def _rerun(site: Site, run: FlowRun, collection: Path) -> str:
    back = time.monotonic()
    eventually(lambda: run.state == "COMPLETED", 3000, f"completion of {run.id}", 5)
    took_s = time.monotonic() - back
    states = " > ".join(name for _, name in site.states_of(run))
    return (
        f"completed {took_s / 60:.1f} min after the server was back, by {states}; "
        f"{num_vectors(collection)} of 12 vectors"
    )


def _million_cues(path: Path) -> None:
    with path.open("w") as file:
        for i in range(1_000_000):
            at = f"{i // 3600:02}:{i // 60 % 60:02}:{i % 60:02}"
            file.write(f"{i + 1}\n{at},000 --> {at},900\nline {i}\n\n")


def _long_line(path: Path) -> None:
    with path.open("w") as file:
        file.write("a,b\n")
        for _ in range(1000):
            file.write("word " * 20_000)
        file.write(",x\n")


def _million_pages(path: Path, num: int = 1_000_000) -> None:
    with path.open("wb") as file:
        places = []

        def add(body: bytes) -> None:
            places.append(file.tell())
            file.write(b"%d 0 obj\n%s\nendobj\n" % (len(places), body))

        file.write(b"%PDF-1.4\n")
        add(b"<< /Type /Catalog /Pages 2 0 R >>")
        kids = b" ".join(b"%d 0 R" % (i + 3) for i in range(num))
        add(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (num, kids))
        for _ in range(num):
            add(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>")
        table = file.tell()
        file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (num + 3))
        file.writelines(b"%010d 00000 n \n" % place for place in places)
        file.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (num + 3, table))


def _last_embedded(collection: Path) -> int:
    with Collection(collection).read() as con:
        return int(runs.list_runs(con, 1)[0].counts.get("num_embedded", 0))


TRIALS: dict[str, Callable[[Trial], str]] = {
    each.__name__: each
    for each in (twins, clock, changed, giants, kills, searchers, away, restarted)
}


def main() -> None:
    """Run the trials that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(TRIALS))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=15)
    given = parser.parse_args()
    given.work.mkdir(parents=True)
    model = given.work / "tiny-clip"
    build_tiny_clip(model)
    os.environ["PREFECT_HOME"] = str(given.work / "prefect")
    with running_server(free_port(), given.work / "server.log") as server:
        environment = os.environ | {"PREFECT_API_URL": server.api_url, "HF_HUB_OFFLINE": "1"}
        trial = Trial(given.work, model, environment, given.files, given.kills)
        for name in given.names:
            print(f"{name}: {TRIALS[name](trial)}", flush=True)


if __name__ == "__main__":
    main()
