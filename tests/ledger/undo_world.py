"""Change a small world of files at random, run by run, as the index flow would write it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from crossmodal.ledger.write import model_versions, runs, shard_writer, undo, undo_log
from crossmodal.records import Lineup, ModelVersion
from tests.ledger import build
from tests.ledger.build import planned, refused_row, unit, vector_row

URIS = [f"/p/{letter}.jpg" for letter in "abcdefgh"]
CONTENTS = ["red", "green", "blue", "black", "white"]

_UNORDERED = "SELECT {columns} FROM {table} ORDER BY ALL"


def digest(con: Any) -> dict[str, list[Any]]:
    """Return every row of every table that undo puts back; how vectors are numbered left out."""
    tables = ["source", "source_words", "chunk", "worded_chunk", "posting", "quarantine"]
    rows = {table: _rows(con, table, "*") for table in tables}
    for version in model_versions.all_versions(con):
        for held in model_versions.vector_lists(version):
            table = model_versions.table_of(held)
            rows[table] = _rows(con, table, "* EXCLUDE (seq)")
    return rows


def _rows(con: Any, table: str, columns: str) -> list[Any]:
    return list(con.execute(_UNORDERED.format(columns=columns, table=table)).fetchall())


def start(con: Any, run_id: str, flow: str = "index") -> runs.RunStart:
    """Return how a run starts, without starting it."""
    return runs.RunStart(run_id=run_id, flow=flow, params={}, code_version="0")


def take_back(con: Any, run_id: str, undoing: str) -> undo.Undone:
    return undo.undo(con, start(con, undoing, "undo"), run_id)


@dataclass
class World:
    """Hold what lies on the disk, and write runs that bring a collection in step with it."""

    con: Any
    rng: random.Random
    versions: list[ModelVersion] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    num_runs: int = 0

    def __post_init__(self) -> None:
        for name in ("one", "two"):
            self.versions.append(model_versions.register(self.con, build.version(name)))

    def run(self) -> str:
        """Write a run of random changes; return its id."""
        self.num_runs += 1
        run_id = f"run{self.num_runs:02}"
        runs.start_run(self.con, start(self.con, run_id))
        before, self.files = dict(self.files), self._changed()
        version = self.rng.choice(self.versions)
        self._shards(run_id, version, before)
        self._settle(run_id, version, before)
        undo_log.settle(self.con, run_id)
        runs.finish_run(self.con, run_id, "completed", {}, "")
        return run_id

    def _changed(self) -> dict[str, str]:
        files = dict(self.files)
        for uri in self.rng.sample(URIS, self.rng.randint(1, 5)):
            if uri in files and self.rng.random() < 0.4:
                del files[uri]
            else:
                files[uri] = self.rng.choice(CONTENTS)
        return files

    def _shards(self, run_id: str, version: ModelVersion, before: dict[str, str]) -> None:
        fresh = [uri for uri, text in self.files.items() if before.get(uri) != text]
        again = [uri for uri in self.files if uri not in fresh and self.rng.random() < 0.3]
        rows = [self._planned(uri) for uri in [*fresh, *again]]
        for part in (rows[::2], rows[1::2]):
            if part:
                cut = [chunk for row in part for chunk in self._cut(row)]
                commit = build.shard(version, build.plan(*part), cut, run_id)
                shard_writer.commit_shard(self.con, commit)

    def _planned(self, uri: str) -> dict[str, Any]:
        when = self.rng.randint(1, 10**9)
        return planned(uri, self.files[uri], mtime_ns=when)

    def _cut(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the chunks of a source, which may be cut in another way each time, or refused."""
        if self.rng.random() < 0.15:
            return [refused_row(row, part=self.rng.choice(["", "page 1"]))]
        chunker = self.rng.choice(["whole/1", "tiles/1", "tiles/2"])
        number = 1 if chunker == "whole/1" else self.rng.randint(1, 3)
        said = {"chunker": chunker, "section": "Title", "text": f"some words {chunker}"}
        axis = unit(*(self.rng.random() for _ in range(build.DIM)))
        return [vector_row(row, axis, ordinal=i, **said) for i in range(number)]

    def _settle(self, run_id: str, version: ModelVersion, before: dict[str, str]) -> None:
        gone = [uri for uri in before if uri not in self.files]
        rows = [planned(uri, None, action="deleted", embed=False) for uri in gone]
        shard_writer.apply_plan(self.con, build.plan(*rows), run_id, Lineup.of(version))
