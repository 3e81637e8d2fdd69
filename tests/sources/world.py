"""A folder, a collection and a run without a model: every step real but the forward pass."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from crossmodal.chunking.registry import InCharge
from crossmodal.files.read import read_source
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read import verify
from crossmodal.ledger.write import model_versions, runs, shard_writer
from crossmodal.records import Lineup, ModelVersion, PlanSummary
from crossmodal.sources.listing.listing import Listing, list_sources
from crossmodal.sources.options import ListOptions, PlanRules
from crossmodal.sources.planning.content import inspect
from crossmodal.sources.planning.judge import PlanOptions, candidates, make_plan
from tests.ledger import build

PNG = b"\x89PNG\r\n\x1a\n"
CHUNKERS = {"image/*": "whole/1"}
DIM = 2
REFUSED = {"vector": None, "transient": False}


def version(name: str = "tiny") -> ModelVersion:
    return ModelVersion(
        name=name,
        revision="local",
        weights_hash=name.ljust(8, "0"),
        preprocessing="p",
        dim=DIM,
        dtype="float32",
        encoders={"image": "vision"},
    )


@dataclass
class Planned:
    """A plan as a test looks at it."""

    summary: PlanSummary
    rows: dict[str, dict[str, Any]]
    """Plan rows by file name."""
    table: pa.Table
    num_read: int
    listing: Listing

    @property
    def actions(self) -> dict[str, str]:
        return {name: row["action"] for name, row in self.rows.items()}

    @property
    def embedded(self) -> set[str]:
        return {name for name, row in self.rows.items() if row["embed"]}


@dataclass
class World:
    home: Path
    model: ModelVersion | None = field(default_factory=version)
    chunkers: dict[str, str] = field(default_factory=lambda: dict(CHUNKERS))

    def __post_init__(self) -> None:
        self.folder = self.home / "photos"
        self.folder.mkdir()
        self.collection = Collection(self.home / "collection.duckdb")

    def put(self, name: str, text: str = "", *, mtime_s: int | None = None) -> Path:
        """Write a file that sniffs as a picture; content that begins with BAD will not embed."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG + (text or name).encode())
        if mtime_s is not None:
            os.utime(path, (mtime_s, mtime_s))
        return path

    def plan(
        self, *paths: Any, hidden: bool = False, archives: bool = False, **rules: Any
    ) -> Planned:
        """Plan without carrying it out; the folder unless paths are given."""
        work = self.home / uuid.uuid4().hex
        work.mkdir()
        listing = list_sources(
            [str(path) for path in paths or (self.folder,)],
            work / "manifest",
            ListOptions(include_hidden=hidden, archives=archives),
        )
        with self._reading() as con:
            options = self._options(con, listing, rules)
            unjudged = candidates(con, listing.manifest, work / "candidates", options)
        inspection = inspect(unjudged.path, work / "inspected", options.handles)
        with self._reading() as con:
            summary = make_plan(con, listing.manifest, inspection, work / "plan", options)
        table = pq.read_table(work / "plan")
        rows = {row["uri"].rpartition("/")[2]: row for row in table.to_pylist()}
        return Planned(summary, rows, table, unjudged.num_items, listing)

    def run(self, *paths: Any, **options: Any) -> Planned:
        """Plan and carry it out, with a made-up vector for every forward pass."""
        planned = self.plan(*paths, **options)
        run_id = uuid.uuid4().hex
        with self.collection.write() as con:
            start = runs.RunStart(run_id=run_id, flow="index", params={}, code_version="0")
            runs.start_run(con, start)
            lineup = model_versions.register_lineup(con, Lineup.of(self.model or version()))
            runs.set_run_model(con, run_id, lineup.id or 0)
            due = planned.table.filter(planned.table["embed"])
            if due.num_rows:
                shard_writer.commit_shard(con, build.shard(lineup, due, self._embed(due), run_id))
            shard_writer.apply_plan(con, planned.table, run_id, lineup)
            shard_writer.quarantine(con, run_id, planned.summary.rejected, None)
            assert verify.verify(con, run_id, lineup).problems == []
        return planned

    def column(self, sql: str) -> list[Any]:
        with self.collection.read() as con:
            return [row[0] for row in con.execute(sql).fetchall()]

    def _options(
        self, con: duckdb.DuckDBPyConnection | None, listing: Listing, rules: dict[str, Any]
    ) -> PlanOptions:
        lineup = Lineup.of(self.model or version("nobody"))
        return PlanOptions(
            roots=listing.roots,
            chunkers={p: InCharge(f, "image") for p, f in self.chunkers.items()},
            lineup=model_versions.numbered(con, lineup) if con else lineup,
            unreadable=listing.unreadable,
            rejected=listing.rejected,
            rules=PlanRules(**rules),
        )

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        if not self.collection.exists:
            yield None
            return
        with self.collection.read() as con:
            yield con

    def _embed(self, due: pa.Table) -> list[dict[str, Any]]:
        rows = []
        for row in due.to_pylist():
            text = read_source(row["uri"], 1_000_000)[len(PNG) :]
            came_of_it: dict[str, Any] = {}
            if text.startswith(b"BAD"):
                came_of_it = REFUSED | {"stage": "decode", "reason": "truncated"}
            if text.startswith(b"BAD LINE"):
                came_of_it = REFUSED | {"stage": "read", "reason": "read_error", "transient": True}
            if text.startswith(b"BAD TIME"):
                came_of_it = REFUSED | {"stage": "decode", "reason": "timed_out", "transient": True}
            chunk = build.vector_row(row, build.unit(1, 0), chunker=self.chunkers["image/*"])
            rows.append(chunk | came_of_it)
        return rows
