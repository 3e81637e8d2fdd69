"""Measure what a rerun costs where little or nothing changed, and a plan over a large ledger.

Small text-like files in folders, and a ledger as if all of them had been embedded; no model is
needed, because nothing is embedded. A rerun is compared with a bare walk: scandir and stat, nothing
else. Every step runs in this process, so that Python's and Prefect's start are not in it; memory is
that of a child process which does the same.

    python -m benchmarks.incremental --files 100000 --ledger 1000000 --out benchmarks/results/today
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crossmodal.chunking.registry import in_charge
from crossmodal.chunking.rules import ChunkRules
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.records import MANIFEST_SCHEMA, Lineup, ModelVersion
from crossmodal.sources.listing.listing import list_sources
from crossmodal.sources.listing.roots import Root
from crossmodal.sources.options import ListOptions
from crossmodal.sources.planning.content import INSPECTED_SCHEMA, Inspection, inspect
from crossmodal.sources.planning.judge import PlanOptions, candidates, make_plan, write_shards

_PER_FOLDER = 1000
_CHANGED = 0.01
_DIM = 8
_SOURCES = """
INSERT INTO source
SELECT uri, root, 'image/jpeg', size_bytes, mtime_ns, sha256(uri), 'run', now()
FROM read_parquet(?)
"""
_CHUNKS = """
INSERT INTO chunk (content_hash, chunker, kind, ordinal, meta, run_id)
SELECT content_hash, ?, 'image', 0, '{}', 'run' FROM source
"""
_VECTORS = """
INSERT INTO {table} (chunk_id, run_id, v)
SELECT chunk_id, 'run', array_value(1, 0, 0, 0, 0, 0, 0, 0)::FLOAT[{dim}] FROM chunk
"""


def lineup() -> Lineup:
    """Return a line-up of a model that is never loaded."""
    version = ModelVersion(
        name="none",
        revision="local",
        weights_hash="w",
        preprocessing="p",
        dim=_DIM,
        dtype="float32",
        encoders={"image": "vision", "text": "text"},
    )
    return Lineup.of(version)


def make_files(folder: Path, num_files: int) -> None:
    """Write small files with an image's first bytes."""
    for number in range(num_files):
        if number % _PER_FOLDER == 0:
            (folder / f"{number // _PER_FOLDER:04}").mkdir()
        path = folder / f"{number // _PER_FOLDER:04}" / f"{number:07}.jpg"
        path.write_bytes(b"\xff\xd8\xff\xe0%d" % number)


def fill(path: Path, manifest: Path) -> Lineup:
    """Write a ledger in which every source of a manifest is embedded; return its line-up."""
    chunker = in_charge(ChunkRules(), lineup())["image/*"].fingerprint
    with Collection(str(path)).write() as con:
        registered = model_versions.register_lineup(con, lineup())
        table = model_versions.table_of(registered.lists[0])
        con.execute(_SOURCES, [str(manifest)])
        con.execute(_CHUNKS, [chunker])
        con.execute(_VECTORS.format(table=table, dim=_DIM))
    return registered


def bare_walk(folder: Path) -> int:
    """Return how many files lie below a folder, having looked at each one's size and time."""
    num_files, folders = 0, [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.path)
                else:
                    status = entry.stat()
                    num_files += status.st_size + status.st_mtime_ns > 0
    return num_files


def rerun(folder: Path, ledger: Path, known: Lineup, scratch: Path) -> dict[str, Any]:
    """Do what the flow does before it embeds, and return the seconds of each step."""
    took, clock = {}, _Clock()
    listing = list_sources([str(folder)], scratch / "manifest", ListOptions())
    took["list"] = clock.lap()
    took |= plan(listing.manifest, listing.roots, ledger, known, scratch)
    return {"all": clock.total(), "cpu": clock.cpu(), **took}


def plan(
    manifest: Path, roots: list[Root], ledger: Path, known: Lineup, scratch: Path
) -> dict[str, Any]:
    """Plan as the flow does and return the seconds of each step."""
    options = PlanOptions(roots=roots, chunkers=in_charge(ChunkRules(), known), lineup=known)
    collection, took, clock = Collection(str(ledger)), {}, _Clock()
    with collection.read() as con:
        unjudged = candidates(con, manifest, scratch / "candidates", options)
    took["candidates"] = clock.lap()
    inspection = inspect(unjudged.path, scratch / "inspected", options.handles)
    took["read"] = clock.lap()
    with collection.read() as con:
        summary = make_plan(con, manifest, inspection, scratch / "plan", options)
    took["plan"] = clock.lap()
    write_shards(scratch / "plan", scratch / "shards", 512)
    took["shards"] = clock.lap()
    return took | {"num_to_embed": summary.num_to_embed, "counts": summary.counts}


def small_files(num_files: int, rounds: int, images_per_s: float) -> dict[str, Any]:
    """Measure reruns over real files: nothing changed, then one in a hundred."""
    with tempfile.TemporaryDirectory() as home:
        scratch, folder = Path(home), Path(home) / "files"
        folder.mkdir()
        make_files(folder, num_files)
        list_sources([str(folder)], scratch / "first", ListOptions())
        known = fill(scratch / "ledger.duckdb", scratch / "first")
        walks, walks_cpu, reruns = [], [], []
        for _ in range(rounds):
            clock = _Clock()
            assert bare_walk(folder) == num_files
            walks.append(clock.total())
            walks_cpu.append(clock.cpu())
            reruns.append(rerun(folder, scratch / "ledger.duckdb", known, scratch))
        assert reruns[0]["num_to_embed"] == 0
        fresh = scratch / "only"
        fresh.mkdir()
        for path in sorted(folder.glob("*/*"))[:: round(1 / _CHANGED)]:
            path.write_bytes(b"\xff\xd8\xff\xe0changed" + path.name.encode())
            (fresh / path.name).write_bytes(path.read_bytes())
        changed = rerun(folder, scratch / "ledger.duckdb", known, scratch)
        fill(scratch / "empty.duckdb", _no_rows(scratch / "none"))
        alone = rerun(fresh, scratch / "empty.duckdb", known, scratch)
    embed_s = changed["num_to_embed"] / images_per_s
    return {
        "files": num_files,
        "bare walk, s": walks,
        "bare walk, cpu s": walks_cpu,
        "nothing changed": reruns,
        "times a bare walk (median)": _median(reruns, "all", walks),
        "times a bare walk, cpu (median)": _median(reruns, "cpu", walks_cpu),
        "1 % changed": changed,
        "those alone": alone,
        f"times those alone, at {images_per_s:g} images/s": round(
            (changed["all"] + embed_s) / (alone["all"] + embed_s), 3
        ),
    }


def large_ledger(num_rows: int) -> dict[str, Any]:
    """Measure a plan over a ledger of many rows, in a process of its own for its memory."""
    with tempfile.TemporaryDirectory() as home:
        scratch = Path(home)
        uris = [f"/photos/{n // _PER_FOLDER:05}/{n:08}.jpg" for n in range(num_rows)]
        ones = [1] * num_rows
        columns = [uris, ["/photos"] * num_rows, ones, ones]
        manifest = scratch / "manifest"
        pq.write_table(
            pa.Table.from_arrays(list(map(pa.array, columns)), schema=MANIFEST_SCHEMA), manifest
        )
        known = fill(scratch / "ledger.duckdb", manifest)
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            took = pool.apply(_plan_in_child, (manifest, scratch / "ledger.duckdb", known, scratch))
        return {
            "rows": num_rows,
            "ledger_mb": round((scratch / "ledger.duckdb").stat().st_size / 1e6),
            **took,
        }


def first_plan(num_rows: int) -> dict[str, Any]:
    """Measure a plan for many new files, all different, in a process of its own for its memory."""
    with tempfile.TemporaryDirectory() as home:
        scratch = Path(home)
        uris = [f"/photos/{n // _PER_FOLDER:05}/{n:08}.jpg" for n in range(num_rows)]
        ones = [1] * num_rows
        columns = [uris, ["/photos"] * num_rows, ones, ones]
        arrays = list(map(pa.array, columns))
        pq.write_table(pa.Table.from_arrays(arrays, schema=MANIFEST_SCHEMA), scratch / "manifest")
        hashes = [hashlib.sha256(uri.encode()).hexdigest() for uri in uris]
        columns = [uris, ones, ones, ["image/jpeg"] * num_rows, hashes]
        arrays = list(map(pa.array, columns))
        inspected = pa.Table.from_arrays(arrays, schema=INSPECTED_SCHEMA)
        pq.write_table(inspected, scratch / "inspected")
        known = fill(scratch / "ledger.duckdb", _no_rows(scratch / "none"))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return {"rows": num_rows, **pool.apply(_first_in_child, (scratch, known))}


def _first_in_child(scratch: Path, known: Lineup) -> dict[str, Any]:
    before_mb, clock = _rss_mb("VmRSS"), _Clock()
    roots = [Root("/photos", "folder", base="/photos")]
    options = PlanOptions(roots=roots, chunkers=in_charge(ChunkRules(), known), lineup=known)
    collection, manifest = Collection(str(scratch / "ledger.duckdb")), scratch / "manifest"
    with collection.read() as con:
        unjudged = candidates(con, manifest, scratch / "candidates", options)
    read = Inspection(scratch / "inspected", unjudged.num_items, 0, (), ())
    with collection.read() as con:
        summary = make_plan(con, manifest, read, scratch / "plan", options)
    num_shards = write_shards(scratch / "plan", scratch / "shards", 512)
    return {
        "num_to_embed": summary.num_to_embed,
        "shards": num_shards,
        "cpu": clock.cpu(),
        "rss_before_mb": before_mb,
        "peak_rss_mb": _rss_mb("VmHWM"),
    }


def _plan_in_child(manifest: Path, ledger: Path, known: Lineup, scratch: Path) -> dict[str, Any]:
    before_mb, clock = _rss_mb("VmRSS"), _Clock()
    took = plan(manifest, [Root("/photos", "folder", base="/photos")], ledger, known, scratch)
    return took | {"cpu": clock.cpu(), "rss_before_mb": before_mb, "peak_rss_mb": _rss_mb("VmHWM")}


def _median(reruns: list[dict[str, Any]], what: str, walks: list[float]) -> float:
    return round(statistics.median(r[what] / w for r, w in zip(reruns, walks, strict=True)), 2)


def _rss_mb(what: str) -> int:
    """Return VmRSS or VmHWM; what getrusage tells begins with the parent's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1000)


def _no_rows(path: Path) -> Path:
    pq.write_table(MANIFEST_SCHEMA.empty_table(), path)
    return path


class _Clock:
    def __init__(self) -> None:
        self._began = self._lap = time.perf_counter()
        self._cpu_began = time.process_time()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        before, self._lap = self._lap, time.perf_counter()
        return round(self._lap - before, 3)

    def total(self) -> float:
        """Return the seconds since the beginning."""
        return round(time.perf_counter() - self._began, 3)

    def cpu(self) -> float:
        """Return the seconds of the processor since the beginning."""
        return round(time.process_time() - self._cpu_began, 3)


def main(options: argparse.Namespace) -> None:
    """Measure, and write the results."""
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "load_at_start": [round(value, 1) for value in os.getloadavg()],
        "small files": small_files(options.files, options.rounds, options.images_per_s),
        "ledgers": [large_ledger(num_rows) for num_rows in options.ledger],
        "first plans": [first_plan(num_rows) for num_rows in options.first],
    }
    told = json.dumps(report, indent=1)
    print(told)
    options.out.with_suffix(".json").write_text(told + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--ledger", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--first", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images-per-s", type=float, default=20, help="speed of embedding here")
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
