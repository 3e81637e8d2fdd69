from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossmodal.ledger.read.verify import verify
from crossmodal.ledger.write import shard_writer
from crossmodal.records import Lineup, ModelVersion
from tests.ledger.build import commit, commit_refused, plan, planned, shard, vector_row


@pytest.fixture
def sound(con: Any, model: ModelVersion) -> ModelVersion:
    """Return the model version of a collection with something of everything."""
    commit(con, model, planned("/photos/a", "A"), planned("/photos/b", "B"))
    commit_refused(con, model, planned("/photos/x", "X"))
    csv = planned("/photos/t.csv", None, action="skipped", embed=False)
    shard_writer.apply_plan(con, plan(csv), "run", Lineup.of(model))
    return model


def test_a_sound_collection_has_no_problems(con: Any, sound: ModelVersion) -> None:
    found = verify(con, "run", Lineup.of(sound))
    assert found.problems == []
    assert found.num_sources == 4
    assert verify(con, "run", None).problems == []


@pytest.mark.parametrize(
    ("lost", "field", "problem"),
    [
        (
            "vector_1_image WHERE chunk_id = 1",
            "num_without_vector_or_quarantine",
            "run the index again",
        ),
        ("quarantine", "num_without_vector_or_quarantine", "neither a vector nor a quarantine row"),
        ("chunk WHERE chunk_id = 1", "num_vectors_without_chunk", "vectors without a chunk"),
    ],
)
def test_each_kind_of_loss_is_found(
    con: Any, sound: ModelVersion, lost: str, field: str, problem: str
) -> None:
    con.execute(f"DELETE FROM {lost}")
    found = verify(con, "run", Lineup.of(sound))
    assert getattr(found, field) == 1
    assert any(problem in sentence for sentence in found.problems)


@pytest.mark.parametrize("values", [[2, 0, 0, 0], [0, 0, 0, 0], [float("nan"), 0, 0, 0]])
def test_a_vector_of_this_run_that_is_not_of_length_one_is_found(
    con: Any, sound: ModelVersion, values: list[float]
) -> None:
    row = planned("/photos/c", "C")
    rows_of = [vector_row(row, np.array(values, dtype=np.float32))]
    shard_writer.commit_shard(con, shard(sound, plan(row), rows_of, "later"))
    assert verify(con, "later", Lineup.of(sound)).num_not_normalised == 1
    assert verify(con, "run", Lineup.of(sound)).num_not_normalised == 0


def test_an_orphan_is_counted_but_may_be_what_another_run_is_about_to_settle(
    con: Any, sound: ModelVersion
) -> None:
    con.execute("DELETE FROM source WHERE uri = '/photos/a'")
    found = verify(con, "run", Lineup.of(sound))
    assert found.num_chunks_without_source == 1
    assert found.problems == []


def test_sources_of_other_runs_need_no_vector_of_this_model(con: Any, sound: ModelVersion) -> None:
    con.execute("DELETE FROM vector_1_image")
    assert verify(con, "another run", Lineup.of(sound)).problems == []
