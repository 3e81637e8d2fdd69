"""Hub terms count where a text asks, and not between two pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossmodal.ledger.write import calibrations
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.search.many import merged_many
from crossmodal.search.merge import Beside, merged
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.calibration.probe_bank import REVISION
from crossmodal.vectors.calibration.update import calibrate
from tests.vectors.ann_world import World, cloud, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a list of pictures in which the one nearest to the query is a great hub."""
    world = make_world(tmp_path / "c.duckdb", cloud(300))
    with world.collection.write() as con:
        calibrations.put_probes(con, world.vectors.version, REVISION, cloud(60, seed=5))
    calibrate(world.collection, world.vectors)
    nearest = by_cosine(world)[0]
    world.run(f"UPDATE {table_of(world.vectors)} SET hub = 0.99 WHERE chunk_id = {nearest}")
    return world


QUERY = cloud(1, seed=11)[0]


def by_cosine(world: World) -> list[int]:
    order = np.argsort(-(cloud(300) @ QUERY))
    return [int(place) + 1 for place in order[:5]]


def found(world: World, asks: str) -> list[int]:
    """Return the first hits of a query, which are the same alone and beside another."""
    options = QueryOptions(collection=str(world.collection.path), k=5)
    codes, asked, beside = (
        CodesFolder(world.collection.path),
        {world.vectors: QUERY},
        Beside(asks=asks),
    )
    with world.collection.read() as con:
        alone = merged(con, asked, options, None, codes, beside)
        beside_another = merged_many(con, [asked, asked], options, None, codes, [beside, Beside()])
    assert beside_another[0].hits == alone.hits
    return [hit.chunk_id for hit in alone.hits]


def test_a_hub_stands_behind_others_where_a_text_asks(world: World) -> None:
    assert by_cosine(world)[0] not in found(world, "")[:1]


def test_pictures_that_a_picture_finds_stand_in_the_order_of_their_cosines(world: World) -> None:
    assert found(world, "image") == by_cosine(world)
