from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossmodal.ledger.read.stored_vectors import Standing, num_vectors, standing, vector_of
from crossmodal.ledger.write import shard_writer
from crossmodal.records import Lineup, ModelVersion, VectorList
from tests.ledger import build
from tests.ledger.build import column, plan, planned, unit, vector_row

VECTORS = [unit(1, 0, 0, 0), unit(1, 1, 0, 0), unit(0, 0, 1, 0)]


@pytest.fixture
def ids(con: Any, model: ModelVersion) -> list[int]:
    """Return the ids of three pictures, in the order of VECTORS."""
    rows = [planned(f"/photos/{i}.png", f"{i}") for i in range(len(VECTORS))]
    cut = [vector_row(*pair) for pair in zip(rows, VECTORS, strict=True)]
    shard_writer.commit_shard(con, build.shard(model, plan(*rows), cut))
    return column(con, "SELECT chunk_id FROM chunk JOIN source USING (content_hash) ORDER BY uri")


@pytest.fixture
def pictures(model: ModelVersion) -> VectorList:
    return VectorList(model, "image")


def test_vector_is_what_was_stored(con: Any, pictures: VectorList, ids: list[int]) -> None:
    assert num_vectors(con, pictures) == 3
    found = vector_of(con, pictures, ids[1])
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, VECTORS[1])


def test_other_list_knows_nothing_of_it(
    con: Any, model: ModelVersion, pictures: VectorList, ids: list[int]
) -> None:
    texts = next(held for held in Lineup.of(model).lists if held != pictures)
    assert num_vectors(con, texts) == 0
    assert vector_of(con, texts, ids[0]) is None
    assert standing(con, texts, ids[0], VECTORS[0]) is None


def test_score_and_rank_are_those_among_all_vectors(
    con: Any, pictures: VectorList, ids: list[int]
) -> None:
    query = unit(1, 0.1, 0, 0)
    found = [standing(con, pictures, chunk_id, query) for chunk_id in ids]
    assert [place.rank for place in found if place] == [1, 2, 3]
    assert [place.score for place in found if place] == pytest.approx(
        [float(vector @ query) for vector in VECTORS], abs=1e-6
    )


def test_score_of_the_vector_itself_is_never_above_one(
    con: Any, pictures: VectorList, ids: list[int]
) -> None:
    place = standing(con, pictures, ids[1], VECTORS[1] * np.float32(1.000001))
    assert place
    assert place.score == 1.0


def test_rank_is_left_out_where_the_list_is_too_long(
    con: Any, pictures: VectorList, ids: list[int]
) -> None:
    assert standing(con, pictures, ids[0], VECTORS[0], max_ranked=2) == Standing(1.0, None, 3)
