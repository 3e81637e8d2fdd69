"""Hub terms in memory: the same as the stored ones, whatever happens to the list in between."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from crossmodal.ledger.write import calibrations
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.calibration import hubs
from crossmodal.vectors.calibration.merit import hub_terms
from crossmodal.vectors.calibration.probe_bank import REVISION
from crossmodal.vectors.calibration.update import calibrate
from crossmodal.vectors.search import SearchRequest, find
from tests.vectors.ann_world import World, cloud, make_world

PROBES = cloud(60, seed=5)
NUM = 3000
ASKED = np.array([7, 1, NUM, NUM + 500], np.int64)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path / "c.duckdb", cloud(NUM))
    with made.collection.write() as con:
        calibrations.put_probes(con, made.vectors.version, REVISION, PROBES)
    calibrate(made.collection, made.vectors)
    made.update()
    return made


def token(world: World, codes: CodesFolder) -> str:
    with world.collection.read() as con:
        return find(con, SearchRequest(world.vectors, cloud(1)[0]), codes).token


def asked(world: World, codes: CodesFolder, name: str) -> np.ndarray:
    with world.collection.read() as con:
        return codes.hub_terms.of(con, world.vectors, ASKED, name)


def test_the_second_question_of_a_process_and_all_after_it_read_hub_terms_from_memory(
    world: World,
) -> None:
    codes = CodesFolder(world.collection.path)
    name, expected = token(world, codes), hub_terms(cloud(NUM), PROBES)[ASKED[:3] - 1]
    found = [asked(world, codes, name) for _ in range(2)]
    with patch.object(calibrations, "all_hubs", side_effect=AssertionError("read twice")):
        found.append(asked(world, codes, name))
    for terms in found:
        assert terms[:3] == pytest.approx(expected, abs=1e-6)
        assert np.isnan(terms[3])


def test_hub_terms_of_a_list_that_is_too_long_stay_where_they_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "MAX_IN_MEMORY", NUM - 1)
    codes = CodesFolder(world.collection.path)
    name, expected = token(world, codes), hub_terms(cloud(NUM), PROBES)[ASKED[:3] - 1]
    with patch.object(calibrations, "all_hubs", side_effect=AssertionError("read all")):
        for _ in range(3):
            assert asked(world, codes, name)[:3] == pytest.approx(expected, abs=1e-6)


def test_a_list_with_vectors_newer_than_its_codes_is_looked_up(world: World) -> None:
    codes = CodesFolder(world.collection.path)
    name = token(world, codes)
    for _ in range(2):
        asked(world, codes, name)
    world.add(cloud(20, seed=3))
    assert name
    assert token(world, codes) == ""


def test_hub_terms_that_came_after_the_codes_are_found(world: World) -> None:
    codes = CodesFolder(world.collection.path)
    name = token(world, codes)
    world.run(f"UPDATE {table_of(world.vectors)} SET hub = NULL WHERE chunk_id = 7")
    for _ in range(2):
        assert np.isnan(asked(world, codes, name)[0])
    calibrate(world.collection, world.vectors)
    expected = hub_terms(cloud(NUM), PROBES)[ASKED[:3] - 1]
    assert asked(world, codes, name)[:3] == pytest.approx(expected, abs=1e-6)
