from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from crossmodal.errors import CollectionTooNew, CollectionUnreadable
from crossmodal.ledger import migrations
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.hidden import SPOT
from tests.ledger import build


def test_an_empty_database_gets_every_step_once() -> None:
    with duckdb.connect() as con:
        assert migrations.migrate(con) == migrations.LATEST
        assert migrations.migrate(con) == 0
        assert build.count(con, "schema_migration") == migrations.LATEST
        assert migrations.schema_version(con) == migrations.LATEST


def test_a_later_step_is_applied_to_an_older_file_and_keeps_its_rows() -> None:
    with duckdb.connect() as con:
        migrations.migrate(con, migrations.STEPS[:2])
        con.execute("INSERT INTO collection_setting VALUES ('a', 'b')")
        assert migrations.migrate(con) == migrations.LATEST - 2
        assert build.column(con, "SELECT value FROM collection_setting") == ["b"]


def test_reading_an_older_file_upgrades_it(collection: Collection) -> None:
    with duckdb.connect(str(collection.path)) as con:
        migrations.migrate(con, migrations.STEPS[:1])
    with collection.read() as con:
        assert migrations.schema_version(con) == migrations.LATEST


def test_a_file_of_a_later_crossmodal_is_neither_read_nor_written(collection: Collection) -> None:
    with collection.write() as con:
        con.execute("INSERT INTO schema_migration VALUES (999, 'm999_later', now())")
    with (
        pytest.raises(CollectionTooNew, match=r"schema 999.*upgrade crossmodal"),
        collection.read(),
    ):
        pass
    with (
        pytest.raises(CollectionTooNew, match=r"schema 999.*upgrade crossmodal"),
        collection.write(),
    ):
        pass


def test_migrating_a_later_schema_is_refused() -> None:
    with duckdb.connect() as con:
        migrations.migrate(con)
        with pytest.raises(CollectionTooNew, match="knows up to 1"):
            migrations.migrate(con, migrations.STEPS[:1])


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sales.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE sale AS SELECT 1 AS amount")
    with (
        pytest.raises(CollectionUnreadable, match="no crossmodal collection"),
        Collection(path).write(),
    ):
        pass
    with duckdb.connect(str(path)) as con:
        assert build.column(con, "SELECT table_name FROM duckdb_tables()") == ["sale"]


def test_findings_of_an_older_file_learn_their_place(collection: Collection) -> None:
    before = migrations.STEPS.index(migrations.m031_findings_by_place)
    with duckdb.connect(str(collection.path)) as con:
        migrations.migrate(con, migrations.STEPS[:before])
        con.execute(
            "INSERT INTO chunk (content_hash, chunker, kind, ordinal, meta, run_id, modality, "
            """parent, section, text) VALUES ('c', 'whole/1', 'page', 0, '{"page": 3}', 'run', """
            "'image', 0, '', '')"
        )
        for chunk_id, evidence in ((1, "{}"), (99, '{"content_hash": "gone", "spot": "image"}')):
            con.execute(
                "INSERT INTO finding (chunk_id, policy_id, policy_hash, model_version_id, "
                "modality, score, is_first, evidence, run_id, found_at, state, appeal, is_hidden, "
                "num_skips) VALUES (?, 'p', 'h', 1, 'image', 1, false, ?, 'run', now(), 'open', "
                "'', false, 0)",
                [chunk_id, evidence],
            )
    with collection.read() as con:
        places = con.execute(
            "SELECT content_hash, spot FROM finding ORDER BY finding_id"
        ).fetchall()
        own = con.execute(f"SELECT {SPOT} FROM chunk c").fetchall()
    assert places == [("c", own[0][0]), ("gone", "image")]
