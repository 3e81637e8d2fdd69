"""Look at a collection from outside: what is in it, who is at work, whether its lock is free."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.verify import verify
from crossmodal.ledger.write import model_versions, runs
from crossmodal.ledger.write.runs import RunRecord
from tests.waiting import PATIENCE_S, eventually


@dataclass(frozen=True)
class Ledger:
    """Ask one collection."""

    path: Path

    @property
    def num_vectors(self) -> int:
        """Return the vectors of the first model version; 0 before there is one."""
        if not self.path.exists():
            return 0
        with Collection(self.path).read() as con:
            if not has_vectors(con):
                return 0
            return con.execute("SELECT count(*) FROM vector_1_image").fetchall()[0][0]

    @property
    def runs(self) -> list[RunRecord]:
        """Return the runs, oldest first."""
        with Collection(self.path).read() as con:
            return runs.list_runs(con, 100)[::-1]

    @property
    def states(self) -> list[str]:
        return [run.state for run in self.runs]

    @property
    def embedded(self) -> list[int]:
        """Return what each run embedded, oldest first."""
        return [run.counts.get("num_embedded", 0) for run in self.runs]

    def wait_for_vectors(self, at_least: int = 1, timeout_s: float = PATIENCE_S) -> int:
        """Wait until a run has committed so many; return how many there are."""
        what = f"{at_least} vectors in {self.path.name}"
        return eventually(
            lambda: self.num_vectors if self.num_vectors >= at_least else None, timeout_s, what
        )

    def check(self) -> None:
        """Assert that the lock is free and that what is stored is sound, finished or not."""
        collection = Collection(self.path, lock_timeout_s=10)
        with collection.write() as con:
            con.execute("SELECT 1")
        with collection.read() as con:
            last = runs.list_runs(con, 1)[0]
            found = verify(con, last.run_id, model_versions.live(con))
        assert found.num_vectors_without_chunk == 0
        assert found.num_chunks_without_source == 0
        assert found.num_not_normalised == 0

    @property
    def leftovers(self) -> list[str]:
        """Return the working folders that runs left behind."""
        folder = Path(f"{self.path}.runs")
        return [found.name for found in folder.iterdir()] if folder.is_dir() else []


def has_vectors(con: Any) -> bool:
    tables = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    return ("vector_1_image",) in tables
