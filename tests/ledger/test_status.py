from __future__ import annotations

from typing import Any

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.status import status
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.records import Lineup, ModelVersion
from tests.ledger.build import commit, commit_refused, plan, planned, version


def test_an_empty_collection_counts_nothing(con: Any, collection: Collection) -> None:
    found = status(con, collection)
    assert (found.num_sources, found.source_bytes, found.num_chunks) == (0, 0, 0)
    assert (found.media_types, found.models, found.runs, found.quarantine) == ({}, [], [], {})
    assert found.path == str(collection.path)
    assert found.disk_bytes > 0


def test_a_collection_is_summed_up(con: Any, collection: Collection, model: ModelVersion) -> None:
    other = model_versions.register(con, version("other"))
    commit(con, model, *(planned(f"/photos/{i}", str(i)) for i in range(3)))
    commit(con, other, planned("/photos/0", "0"))
    commit_refused(con, model, planned("/photos/x", "x"), reason="truncated")
    commit_refused(con, model, planned("/photos/y", "y"), planned("/photos/z", "z"), reason="empty")
    csv = planned("/photos/t", None, action="skipped", embed=False, media_type="text/csv")
    unknown = csv | {"uri": "/photos/u", "media_type": None}
    shard_writer.apply_plan(con, plan(csv, unknown), "run", Lineup.of(model))

    found = status(con, collection)
    assert found.num_sources == 8
    assert found.source_bytes == 800
    assert list(found.media_types.items()) == [("image/png", 6), ("text/csv", 1), ("unknown", 1)]
    assert found.num_chunks == 3
    assert found.chunk_kinds == {"image": 3}
    assert [(m.model.name, m.num_vectors, m.live) for m in found.models] == [
        ("tiny", 3, []),
        ("other", 1, []),
    ]
    assert list(found.quarantine.items()) == [("empty", 2), ("truncated", 1)]
    assert found.unfindable.sentence() == "3 of 8 files (empty 2, truncated 1)"
    assert [run.run_id for run in found.runs] == ["run"]
