"""Calibration of lists in a real collection: what is computed, when, and when not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossmodal.ledger.write import calibrations
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.vectors.calibration.merit import hub_terms
from crossmodal.vectors.calibration.probe_bank import REVISION
from crossmodal.vectors.calibration.update import calibrate, merit_of_list
from tests.vectors.ann_world import World, cloud, make_world

PROBES = cloud(60, seed=5)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "c.duckdb", cloud(300))


def put_probes(world: World, probes: np.ndarray = PROBES, revision: str = REVISION) -> None:
    with world.collection.write() as con:
        calibrations.put_probes(con, world.vectors.version, revision, probes)


def hubs(world: World) -> np.ndarray:
    rows = world.run(f"SELECT hub FROM {table_of(world.vectors)} ORDER BY chunk_id")
    return np.array([row[0] for row in rows], np.float64)


def fitted_at(world: World) -> list[int]:
    return [row[0] for row in world.run("SELECT num_vectors FROM calibration")]


def test_a_list_waits_until_the_ledger_has_its_probes(world: World) -> None:
    assert calibrate(world.collection, world.vectors).action == "waiting"
    with world.collection.read() as con:
        assert merit_of_list(con, world.vectors, 300) is None


def test_every_vector_gets_its_hub_term_and_the_list_its_table(world: World) -> None:
    put_probes(world)
    done = calibrate(world.collection, world.vectors)
    assert (done.action, done.num_hubs) == ("fitted", 300)
    assert hubs(world) == pytest.approx(hub_terms(cloud(300), PROBES), abs=1e-6)
    with world.collection.read() as con:
        assert merit_of_list(con, world.vectors, 300) is not None


def test_a_list_that_is_calibrated_is_left_alone(world: World) -> None:
    put_probes(world)
    calibrate(world.collection, world.vectors)
    before = world.run("SELECT * FROM calibration")
    done = calibrate(world.collection, world.vectors)
    assert (done.action, done.num_hubs) == ("current", 0)
    assert world.run("SELECT * FROM calibration") == before


def test_new_vectors_get_hub_terms_and_a_list_that_doubled_a_new_table(world: World) -> None:
    put_probes(world)
    calibrate(world.collection, world.vectors)
    world.add(cloud(200, seed=2))
    done = calibrate(world.collection, world.vectors)
    assert (done.action, done.num_hubs, fitted_at(world)) == ("current", 200, [300])
    world.add(cloud(200, seed=3))
    assert calibrate(world.collection, world.vectors).action == "fitted"
    assert fitted_at(world) == [700]
    assert not np.isnan(hubs(world)).any()


def test_a_list_that_shrank_to_less_than_half_gets_a_new_table(world: World) -> None:
    put_probes(world)
    calibrate(world.collection, world.vectors)
    world.delete(*range(1, 200))
    assert calibrate(world.collection, world.vectors).action == "fitted"
    assert fitted_at(world) == [101]


def test_an_empty_list_has_no_table(world: World) -> None:
    put_probes(world)
    calibrate(world.collection, world.vectors)
    world.delete(*range(1, 301))
    assert calibrate(world.collection, world.vectors).action == "empty"
    assert fitted_at(world) == []


def test_other_probes_make_everything_anew(world: World) -> None:
    put_probes(world, cloud(60, seed=6), "an earlier wording")
    assert calibrate(world.collection, world.vectors).action == "waiting"
    put_probes(world)
    assert np.isnan(hubs(world)).all()
    assert calibrate(world.collection, world.vectors).action == "fitted"
    assert hubs(world) == pytest.approx(hub_terms(cloud(300), PROBES), abs=1e-6)


def test_added_in_parts_or_at_once_gives_the_same_table(tmp_path: Path) -> None:
    points = cloud(400)
    at_once = make_world(tmp_path / "once.duckdb", points)
    in_parts = make_world(tmp_path / "parts.duckdb", points[:150])
    put_probes(at_once)
    put_probes(in_parts)
    calibrate(in_parts.collection, in_parts.vectors)
    in_parts.add(points[150:])
    for world in (at_once, in_parts):
        calibrate(world.collection, world.vectors)
    columns = "num_vectors, tail_start, tail_mean, tail_rate, mean_hub, knots"
    tables = [w.run(f"SELECT {columns} FROM calibration")[0] for w in (at_once, in_parts)]
    assert tables[0][:5] == pytest.approx(tables[1][:5], rel=1e-5)
    assert np.frombuffer(tables[0][5], np.float32) == pytest.approx(
        np.frombuffer(tables[1][5], np.float32), abs=1e-6
    )


def test_hub_terms_are_given_in_the_order_of_the_chunks(world: World) -> None:
    put_probes(world)
    calibrate(world.collection, world.vectors)
    wanted = hub_terms(cloud(300), PROBES)
    with world.collection.read() as con:
        found = calibrations.hubs_of(con, world.vectors, np.array([9, 3, 9999, 300]))
    assert found[[0, 1, 3]] == pytest.approx(wanted[[8, 2, 299]], abs=1e-6)
    assert np.isnan(found[2])


def test_many_hub_terms_at_once_are_those_of_few(world: World) -> None:
    put_probes(world)
    calibrate(world.collection, world.vectors)
    world.run(f"UPDATE {table_of(world.vectors)} SET hub = NULL WHERE chunk_id = 5")
    ids = np.arange(1, 301)
    with world.collection.read() as con:
        at_once = calibrations.hubs_of(con, world.vectors, ids)
        few = [calibrations.hubs_of(con, world.vectors, part) for part in np.split(ids, 30)]
    assert np.array_equal(at_once, np.concatenate(few), equal_nan=True)
    assert np.flatnonzero(np.isnan(at_once)).tolist() == [4]
