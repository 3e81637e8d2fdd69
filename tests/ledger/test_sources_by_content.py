"""Whatever runs do to sources, the index by content leads to the rows that a look at all finds."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import duckdb
import pytest

from crossmodal.ledger import migrations
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from tests.ledger import build
from tests.ledger.build import plan, planned

NAMES = [f"/photos/{number}" for number in range(60)]
TEXTS = [f"text {number}" for number in range(25)]

BY_INDEX = "SELECT uri FROM source WHERE content_hash = ? ORDER BY uri"
BY_LOOKING = "SELECT uri FROM source WHERE content_hash || '' = ? ORDER BY uri"


def differing(con: Any) -> list[str]:
    """Return the texts whose sources the index and a look at all do not agree on."""
    there = build.column(con, "SELECT content_hash FROM source ORDER BY uri LIMIT 1")
    explained = con.execute(f"EXPLAIN ANALYZE {BY_INDEX}", there).fetchall()[0][1]
    assert "Index Scan" in explained, explained
    return [text for text in TEXTS if found(con, BY_INDEX, text) != found(con, BY_LOOKING, text)]


def found(con: Any, sql: str, text: str) -> list[str]:
    return build.column(con, sql, build.content(text))


def rows_of_a_run(rng: random.Random, there: list[str]) -> list[dict[str, Any]]:
    """Return what a run may find: new, changed and touched sources, copies, renamings, losses."""
    rows = {
        name: planned(name, rng.choice(TEXTS), action="changed", embed=False, mtime_ns=rng.random())
        for name in rng.sample(NAMES, 8)
    }
    for name in rng.sample(there, min(3, len(there))):
        rows[name] = planned(name, None, action="deleted", embed=False)
    return list(rows.values())


def lose(collection: Collection, rows: list[dict[str, Any]]) -> None:
    """Write what a run found and undo it, as when it is interrupted."""
    with suppress(KeyboardInterrupt), collection.write() as con:
        shard_writer.apply_plan(con, plan(*rows), "run", None)
        raise KeyboardInterrupt


@pytest.mark.parametrize("seed", range(3))
def test_the_index_agrees_after_many_runs_and_a_lost_one(collection: Collection, seed: int) -> None:
    rng = random.Random(seed)
    with collection.write() as con:
        model_versions.register(con, build.version())
    for _ in range(15):
        with collection.read() as con:
            there = build.column(con, "SELECT uri FROM source ORDER BY uri")
        rows = rows_of_a_run(rng, there)
        lose(collection, rows_of_a_run(rng, there))
        with collection.write() as con:
            shard_writer.apply_plan(con, plan(*rows), "run", None)
            # Twice in one transaction, as when a shard and the plan's rest name a source.
            shard_writer.apply_plan(con, plan(*rows), "run", None)
            assert differing(con) == []
        with collection.read() as con:
            assert differing(con) == []


@pytest.mark.parametrize("version", range(1, migrations.LATEST))
def test_a_file_of_any_older_schema_keeps_its_sources(version: int) -> None:
    with duckdb.connect() as con:
        migrations.migrate(con, migrations.STEPS[:version])
        con.execute(
            "INSERT INTO source VALUES ('/a', '/', 'image/png', 1, 1, ?, 'run', now())",
            [build.content(TEXTS[0])],
        )
        con.execute("BEGIN")
        migrations.migrate(con)
        con.execute("COMMIT")
        assert found(con, BY_INDEX, TEXTS[0]) == ["/a"]
        assert differing(con) == []
