"""Faults in fresh vectors are found, and clean shards raise none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.ledger.write.health import HealthRow, latest_health
from crossmodal.records import Lineup, ModelVersion, VectorList
from crossmodal.vectors.health_check import check_list
from crossmodal.views.health import bars, findings_table, health_table
from tests.ledger import build
from tests.ledger.build import plan, planned, vector_row

DIM, NUM = 32, 96
BASIS = np.random.default_rng(9).normal(size=(12, DIM))
CENTRE = np.random.default_rng(8).normal(size=DIM)


def clean(seed: int, number: int = NUM) -> np.ndarray:
    """Return vectors as an encoder gives them: around a centre, along some directions more."""
    rng = np.random.default_rng(seed)
    raw = CENTRE + rng.normal(size=(number, 12)) @ BASIS + 0.3 * rng.normal(size=(number, DIM))
    return unit(raw)


def unit(raw: np.ndarray) -> np.ndarray:
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path / "c.duckdb", lock_timeout_s=60)


@pytest.fixture
def held(collection: Collection) -> VectorList:
    with collection.write() as con:
        version = model_versions.register(con, build.version(dim=DIM))
    return VectorList(version, "image")


def run(
    collection: Collection, held: VectorList, name: str, vectors: np.ndarray, folder: str = "/p"
) -> HealthRow:
    """Commit vectors as a run and check them."""
    rows = [planned(f"{folder}/{name}-{i}.jpg", f"{name} {i}") for i in range(len(vectors))]
    cut = [vector_row(row, vector) for row, vector in zip(rows, vectors, strict=True)]
    with collection.write() as con:
        commit = build.shard(Lineup.of(held.version), plan(*rows), cut, name)
        shard_writer.commit_shard(con, commit)
    found = check_list(collection, held, name)
    assert found is not None
    return found


def not_a_number(vectors: np.ndarray) -> np.ndarray:
    return np.where(np.arange(NUM)[:, None] == 3, np.float32("nan"), vectors)


def half_zero(vectors: np.ndarray) -> np.ndarray:
    return unit(np.where(np.arange(DIM) < DIM // 2, 0.0, vectors))


FAULTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "not finite": not_a_number,
    "zero": lambda vectors: np.where(np.arange(NUM)[:, None] == 3, np.float32(0), vectors),
    "norms": lambda vectors: vectors * np.float32(1.7),
    "one direction": lambda vectors: np.repeat(vectors[:1], NUM, axis=0),
    "dead dimensions": half_zero,
    "equal vectors": lambda vectors: np.concatenate([vectors[: NUM - 16], vectors[:16]]),
    "drift": lambda vectors: unit(np.roll(vectors, 1, axis=1)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_named(
    collection: Collection, held: VectorList, fault: str
) -> None:
    assert run(collection, held, "before", clean(0, 2 * NUM)).findings == []
    found = run(collection, held, "faulty", FAULTS[fault](clean(1))).findings
    assert any(finding.startswith(fault) for finding in found), found


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"drift"}))
def test_a_fault_of_the_first_run_is_found_too(
    collection: Collection, held: VectorList, fault: str
) -> None:
    found = run(collection, held, "first", FAULTS[fault](clean(1))).findings
    assert any(finding.startswith(fault) for finding in found), found


@pytest.mark.slow
def test_twenty_clean_shards_raise_none(collection: Collection, held: VectorList) -> None:
    run(collection, held, "before", clean(100, 2 * NUM))
    found = [run(collection, held, f"shard{i}", clean(i)).findings for i in range(20)]
    assert found == [[]] * 20


def test_a_new_folder_is_no_fault(collection: Collection, held: VectorList) -> None:
    run(collection, held, "before", clean(0))
    other = unit(np.roll(clean(1), 1, axis=1))
    assert run(collection, held, "other", other, folder="/elsewhere").findings == []


def test_a_faulty_run_is_not_what_the_next_one_is_held_against(
    collection: Collection, held: VectorList
) -> None:
    run(collection, held, "before", clean(0, 2 * NUM))
    for number in (1, 2, 3):
        shifted = unit(np.roll(clean(number), 1, axis=1))
        assert run(collection, held, f"faulty{number}", shifted).findings


def test_few_vectors_are_looked_at_one_by_one_only(
    collection: Collection, held: VectorList
) -> None:
    assert run(collection, held, "few", np.repeat(clean(0)[:1], 5, axis=0)).findings == []


def test_a_run_that_added_nothing_has_no_health(collection: Collection, held: VectorList) -> None:
    assert check_list(collection, held, "nothing") is None


def test_tables_tell_the_latest_run_and_plot_those_before(
    collection: Collection, held: VectorList
) -> None:
    run(collection, held, "one", clean(0, 2 * NUM))
    run(collection, held, "two", clean(1) * np.float32(2))
    with collection.read() as con:
        rows = latest_health(con, 12)
    shown = health_table(rows, {1: "tiny"}).to_text()
    assert "image of tiny" in shown
    assert "2.000 to 2.000" in shown
    assert "norms: from 2.000 to 2.000" in findings_table(rows, {1: "tiny"}).to_markdown()
    assert bars([1, 4, 8]) == "▁▄█"


def test_versions_are_told_apart(collection: Collection, held: VectorList) -> None:
    with collection.write() as con:
        other: ModelVersion = model_versions.register(con, build.version("other", dim=DIM))
    run(collection, held, "one", clean(0))
    second: Any = run(collection, VectorList(other, "image"), "two", clean(1))
    assert "auc" not in second.measures
