from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb
import numpy as np
import pytest

from crossmodal.ledger.read.verify import verify
from crossmodal.ledger.write import model_versions, runs, shard_writer
from crossmodal.records import Lineup, ModelVersion
from tests.ledger import build
from tests.ledger.build import column, commit, count, plan, planned, unit, vector_row

CHUNKERS = "SELECT chunker FROM chunk JOIN {} USING (chunk_id)"


def uris(con: Any) -> list[str]:
    return column(con, "SELECT uri FROM source ORDER BY uri")


def searchable(con: Any, model: ModelVersion) -> list[str]:
    """Return the uris that a search could name."""
    return column(
        con,
        "SELECT DISTINCT s.uri FROM source s JOIN chunk c USING (content_hash) "
        f"JOIN {model_versions.vector_table(model.id or 0, 'image')} v USING (chunk_id) "
        "ORDER BY s.uri",
    )


def settle(con: Any, *rows: dict[str, Any]) -> None:
    shard_writer.apply_plan(con, plan(*rows), "run", Lineup.of(model_versions.by_id(con, 1)))


def test_a_shard_becomes_sources_chunks_and_vectors(con: Any, model: ModelVersion) -> None:
    commit(con, model, planned("/photos/a", "A"), planned("/photos/b", "B"))
    rows = con.execute(
        "SELECT s.uri, c.kind, c.ordinal, c.meta, v.v FROM source s "
        "JOIN chunk c USING (content_hash) JOIN vector_1_image v USING (chunk_id) ORDER BY s.uri"
    ).fetchall()
    assert rows == [
        ("/photos/a", "image", 0, '{"width": 8}', (1, 0, 0, 0)),
        ("/photos/b", "image", 0, '{"width": 8}', (0, 1, 0, 0)),
    ]
    assert verify(con, "run", Lineup.of(model)).problems == []


def test_committing_a_shard_twice_changes_nothing(con: Any, model: ModelVersion) -> None:
    for run_id in ("one", "two"):
        commit(con, model, planned("/photos/a", "A"), planned("/photos/b", "B"), run_id=run_id)
    assert column(con, "SELECT chunk_id FROM chunk ORDER BY chunk_id") == [1, 2]
    assert column(con, "SELECT DISTINCT run_id FROM vector_1_image") == ["one"]


def test_two_sources_of_one_content_in_a_shard_share_a_chunk(con: Any, model: ModelVersion) -> None:
    commit(con, model, planned("/photos/a", "A"), planned("/photos/b", "A"))
    assert count(con, "chunk") == count(con, "vector_1_image") == 1
    assert searchable(con, model) == ["/photos/a", "/photos/b"]


def test_a_second_model_version_shares_the_chunks(con: Any, model: ModelVersion) -> None:
    other = model_versions.register(con, build.version("other", dim=8))
    commit(con, model, planned("/photos/a", "A"))
    commit(con, other, planned("/photos/a", "A"))
    assert count(con, "chunk") == 1
    assert column(con, "SELECT chunk_id FROM vector_2_image") == column(
        con, "SELECT chunk_id FROM vector_1_image"
    )


def test_several_chunks_of_a_source_keep_their_order(con: Any, model: ModelVersion) -> None:
    row = planned("/photos/a", "A")
    tiles = [vector_row(row, unit(1, i, 0, 0), kind="tile", ordinal=i) for i in (2, 0, 1)]
    shard_writer.commit_shard(con, build.shard(model, plan(row), tiles))
    assert column(con, "SELECT ordinal FROM chunk ORDER BY chunk_id") == [0, 1, 2]
    assert count(con, "vector_1_image") == 3


def test_an_unregistered_model_version_is_refused(con: Any, model: ModelVersion) -> None:
    with pytest.raises(ValueError, match="not registered"):
        commit(con, replace(model, id=None), planned("/photos/a", "A"))
    assert uris(con) == []


def test_a_vector_of_another_dim_is_refused_by_the_table(con: Any, model: ModelVersion) -> None:
    row = planned("/photos/a", "A")
    wide = build.shard(replace(model, dim=8), plan(row), [vector_row(row, np.ones(8, "f4"))])
    with pytest.raises(duckdb.Error, match="array of size 8 to array of size 4"):
        shard_writer.commit_shard(con, wide)
    con.execute("ROLLBACK")
    con.execute("BEGIN")


def test_changed_content_replaces_the_old_once_the_run_settles(
    con: Any, model: ModelVersion
) -> None:
    commit(con, model, planned("/photos/a", "A"), planned("/photos/b", "B"))
    commit(con, model, planned("/photos/a", "A2", action="changed", size_bytes=7))
    settle(con)
    assert column(con, "SELECT size_bytes FROM source ORDER BY uri") == [7, 100]
    assert count(con, "chunk") == count(con, "vector_1_image") == 2
    assert verify(con, "run", Lineup.of(model)).problems == []


def test_old_content_survives_where_a_copy_of_it_appears_in_the_same_run(
    con: Any, model: ModelVersion
) -> None:
    commit(con, model, planned("/photos/a", "A"))
    commit(con, model, planned("/photos/a", "A2", action="changed"))
    settle(con, planned("/photos/copy", "A", action="duplicate", embed=False))
    assert searchable(con, model) == ["/photos/a", "/photos/copy"]


def test_a_new_chunker_replaces_the_vectors_of_the_old_one(con: Any, model: ModelVersion) -> None:
    commit(con, model, planned("/photos/a", "A"))
    row = planned("/photos/a", "A", action="changed")
    rows_of = [vector_row(row, unit(0, 1, 0, 0), chunker="whole/2")]
    shard_writer.commit_shard(con, build.shard(model, plan(row), rows_of))
    settle(con)
    assert column(con, CHUNKERS.format("vector_1_image")) == ["whole/2"]
    assert count(con, "chunk") == 1


def test_a_new_chunker_leaves_the_vectors_of_other_model_versions(
    con: Any, model: ModelVersion
) -> None:
    other = model_versions.register(con, build.version("other"))
    commit(con, other, planned("/photos/a", "A"))
    row = planned("/photos/a", "A", action="changed")
    rows_of = [vector_row(row, unit(0, 1, 0, 0), chunker="whole/2")]
    shard_writer.commit_shard(con, build.shard(model, plan(row), rows_of))
    settle(con)
    assert column(con, CHUNKERS.format("vector_2_image")) == ["whole/1"]
    assert column(con, CHUNKERS.format("vector_1_image")) == ["whole/2"]


def test_a_renamed_source_keeps_its_vector(con: Any, model: ModelVersion) -> None:
    commit(con, model, planned("/photos/a", "A"))
    moved = planned(
        "/photos/z", "A", action="renamed", previous_uri="/photos/a", embed=False, mtime_ns=5
    )
    settle(con, moved)
    assert searchable(con, model) == ["/photos/z"]
    assert column(con, "SELECT mtime_ns FROM source") == [5]
    assert column(con, "SELECT run_id FROM vector_1_image") == ["run"]


def test_a_rename_with_a_forward_pass_drops_the_old_uri_too(con: Any, model: ModelVersion) -> None:
    other = model_versions.register(con, build.version("other"))
    commit(con, model, planned("/photos/a", "A"))
    commit(con, other, planned("/photos/z", "A", action="renamed", previous_uri="/photos/a"))
    assert uris(con) == ["/photos/z"]
    assert searchable(con, other) == ["/photos/z"]


@pytest.mark.parametrize("now", ["A", "B"], ids=["same content", "other content"])
def test_a_rename_spares_an_old_uri_that_has_reappeared(
    con: Any, model: ModelVersion, now: str
) -> None:
    commit(con, model, planned("/photos/a", "A"), planned("/photos/b", "B"))
    settle(
        con,
        planned("/photos/z", "A", action="renamed", previous_uri="/photos/a", embed=False),
        planned("/photos/a", now, action="duplicate", embed=False),
    )
    assert searchable(con, model) == ["/photos/a", "/photos/b", "/photos/z"]


def test_a_rename_spares_an_old_uri_that_another_run_has_filled_since(
    con: Any, model: ModelVersion
) -> None:
    commit(con, model, planned("/photos/a", "A"))
    commit(con, model, planned("/photos/a", "fresh"), run_id="other")
    settle(con, planned("/photos/z", "A", action="renamed", previous_uri="/photos/a", embed=False))
    assert searchable(con, model) == ["/photos/a", "/photos/z"]


def test_a_rename_onto_a_uri_that_is_already_there_replaces_it(
    con: Any, model: ModelVersion
) -> None:
    commit(con, model, planned("/photos/a", "A"), planned("/photos/b", "B"))
    settle(con, planned("/photos/b", "A", action="renamed", previous_uri="/photos/a", embed=False))
    assert searchable(con, model) == ["/photos/b"]
    assert count(con, "chunk") == count(con, "vector_1_image") == 1


def test_a_deleted_source_takes_its_vectors_of_every_version_unless_a_copy_remains(
    con: Any, model: ModelVersion
) -> None:
    other = model_versions.register(con, build.version("other"))
    for version in (model, other):
        commit(con, version, *(planned(f"/photos/{name}", name[0]) for name in ("a", "a2", "b")))
    deleted = {"action": "deleted", "embed": False}
    settle(con, planned("/photos/a", None, **deleted), planned("/photos/b", None, **deleted))
    assert searchable(con, model) == searchable(con, other) == ["/photos/a2"]
    assert count(con, "chunk") == count(con, "vector_1_image") == count(con, "vector_2_image") == 1


def test_a_touched_source_gets_its_new_time_and_keeps_its_vector(
    con: Any, model: ModelVersion
) -> None:
    commit(con, model, planned("/photos/a", "A"))
    settle(con, planned("/photos/a", "A", action="unchanged", embed=False, mtime_ns=77))
    assert column(con, "SELECT mtime_ns FROM source") == [77]
    assert searchable(con, model) == ["/photos/a"]


def test_a_skipped_source_is_remembered_without_a_hash(con: Any, model: ModelVersion) -> None:
    skipped = {"action": "skipped", "embed": False, "media_type": "text/csv"}
    settle(con, planned("/photos/table.csv", None, **skipped))
    assert con.execute("SELECT uri, media_type, content_hash FROM source").fetchall() == [
        ("/photos/table.csv", "text/csv", None)
    ]
    assert verify(con, "run", Lineup.of(model)).problems == []


def test_rows_that_await_embedding_are_not_settled(con: Any, model: ModelVersion) -> None:
    settle(con, planned("/photos/a", "A"), planned("/photos/b", "B", embed=False))
    assert uris(con) == ["/photos/b"]


def test_odd_names_are_stored_as_they_are(con: Any, model: ModelVersion) -> None:
    odd = [
        '/photos/it\'s "quoted".png',
        "/photos/new\nline.png",
        "/photos/😀.png",
        "/p/" + "x" * 250,
    ]
    commit(con, model, *(planned(uri, uri) for uri in odd))
    assert uris(con) == sorted(odd)


def test_spans_come_back_as_they_were_written(con: Any, model: ModelVersion) -> None:
    first = build.span(started_s=1.0, num_items=3, num_bytes=2**40)
    second = build.span("embed", "decode", started_s=2.0, wall_s=0.25, worker="pool-1")
    shard_writer.write_spans(con, "run", [second, first])
    shard_writer.write_spans(con, "run", [])
    assert runs.spans(con, "run") == [first, second]


def test_a_shard_brings_its_spans(con: Any, model: ModelVersion) -> None:
    row = planned("/photos/a", "A")
    timed = build.span(num_items=1)
    rows_of = [vector_row(row, unit(1, 0, 0, 0))]
    shard_writer.commit_shard(con, build.shard(model, plan(row), rows_of, spans=[timed]))
    assert runs.spans(con, "run") == [timed]
