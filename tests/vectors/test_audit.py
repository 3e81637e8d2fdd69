from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossmodal.ledger.write.ann_generations import Audit, valid_codes
from crossmodal.vectors import audit as auditing
from crossmodal.vectors.ann import cache as folders
from crossmodal.vectors.ann.cache import NotReady
from crossmodal.vectors.ann.scan import Effort
from crossmodal.vectors.audit import audit_list, sample_queries
from tests.vectors.ann_world import World, assert_alike, cloud, make_world

BLIND = Effort(share=0.01, num_refined=30, min_scanned=0)
FULL = Effort(share=1.0, num_refined=5000)


@pytest.fixture
def coded(tmp_path: Path) -> World:
    world = make_world(tmp_path / "c.duckdb", cloud(2000))
    world.update()
    return world


def set_efforts(monkeypatch: pytest.MonkeyPatch, *efforts: Effort) -> None:
    for module in (auditing, folders):
        monkeypatch.setattr(module, "EFFORTS", efforts)


def audited(world: World, **options: float) -> Audit:
    result = audit_list(world.collection, world.vectors, num_queries=20, **options)  # type: ignore[arg-type]
    assert isinstance(result, Audit)
    return result


def test_the_figure_is_stored(coded: World) -> None:
    figure = audited(coded)
    assert (figure.recall, figure.effort, figure.passed) == (1.0, 0, True)
    assert (figure.num_vectors, figure.num_queries, figure.k) == (2000, 20, 10)
    with coded.collection.read() as con:
        valid = valid_codes(con, coded.vectors)
        assert valid is not None
        assert valid.audit == figure


def test_the_cheapest_effort_that_reaches_the_target_is_used(
    coded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_efforts(monkeypatch, BLIND, FULL)
    assert audited(coded).effort == 1
    query = cloud(1, seed=5)[0]
    answer = coded.answer(query, k=20)
    assert answer.notice.method == "codes"
    assert_alike(answer.hits, coded.exact(query, k=20))


def test_below_the_target_searches_are_exact_and_say_so(
    coded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_efforts(monkeypatch, BLIND)
    figure = audited(coded)
    assert not figure.passed
    query = cloud(1, seed=5)[0]
    answer = coded.answer(query, k=20)
    assert answer.notice.method == "exact"
    assert f"found {figure.recall:.3f} of the exact answers" in answer.notice.reason
    assert answer.hits == coded.exact(query, k=20)
    set_efforts(monkeypatch, FULL)
    assert audited(coded).passed
    assert coded.answer(query, k=20).notice.method == "codes"


def test_a_list_without_codes_has_nothing_to_audit(tmp_path: Path) -> None:
    world = make_world(tmp_path / "c.duckdb", cloud(50))
    assert audit_list(world.collection, world.vectors) == NotReady()


def test_an_audit_is_repeated_once_enough_has_changed(coded: World) -> None:
    first = audited(coded)
    assert audited(coded) == first
    coded.add(cloud(100, seed=3))
    coded.update()
    assert audited(coded, max_change=0.06) == first
    assert audited(coded, max_change=0.04).covered_seq == first.covered_seq + 100


def test_an_audit_says_nothing_of_codes_that_were_learnt_anew(coded: World) -> None:
    audited(coded)
    coded.add(cloud(2100, seed=3))
    assert coded.update().action == "built"
    with coded.collection.read() as con:
        valid = valid_codes(con, coded.vectors)
    assert valid is not None
    assert valid.audit is None
    assert audited(coded).num_vectors == 4100


def test_a_changed_byte_is_noticed_and_the_codes_are_given_up(coded: World) -> None:
    (path,) = coded.folder.glob("segment-*.bin")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    query = cloud(1, seed=5)[0]
    assert_alike(coded.answer(query).hits, coded.exact(query))
    result = audit_list(coded.collection, coded.vectors)
    assert isinstance(result, NotReady)
    assert "checksum" in result.reason
    assert coded.answer(query).notice.method == "exact"
    assert coded.update().action == "built"
    assert audited(coded).passed


def test_sampled_queries_are_unit_vectors_and_the_same_every_time(coded: World) -> None:
    with coded.collection.read() as con:
        queries = sample_queries(con, coded.vectors, 30)
        again = sample_queries(con, coded.vectors, 30)
    assert np.linalg.norm(queries, axis=1) == pytest.approx(np.ones(30), abs=1e-5)
    assert (queries == again).all()


def test_an_audit_is_passed_only_at_its_target() -> None:
    figure = Audit(
        recall=0.99,
        target=0.99,
        effort=0,
        covered_seq=1,
        num_vectors=1,
        num_queries=1,
        k=10,
        wall_s=0.1,
    )
    assert figure.passed
    assert not replace(figure, recall=0.989).passed
