"""A GraphSAGE learns which chunks are neighbours, and is kept up as propagation is."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from crossmodal.cli.space import space as space_commands
from crossmodal.errors import ExtraMissing, ParametersError, TrainingFailed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models.lineage import lineage_of
from crossmodal.records import Lineup, ModelVersion
from crossmodal.spaces.add import Added, add_space
from crossmodal.spaces.fill import fill_spaces
from crossmodal.spaces.fit import SpaceSpec
from crossmodal.spaces.graph import Edges, Spread, reached, spread
from crossmodal.spaces.learn_links import Graph, learn_links
from crossmodal.spaces.sage import Layer
from crossmodal.vectors.affine import apply, unpack
from tests.ledger.build import plan, planned, shard, vector_row, version
from tests.spaces.test_propagation import (
    edges_of,
    ids_by_ordinal,
    lose,
    rows_of,
    version_of_parent,
)

DIM = 16
NUM = 60

needs_pyg = pytest.mark.skipif(
    find_spec("torch_geometric") is None, reason="torch_geometric (crossmodal[graph]) is missing"
)


def make(path: Path, num: int = NUM, *, joined: bool = True) -> Collection:
    """Return a document whose topic drifts: figures tell of it in directions of their own."""
    collection = Collection(path)
    draw = np.random.default_rng(0)
    turned = np.linalg.qr(draw.normal(size=(DIM, DIM)))[0]
    row = planned("/d/paper.pdf", "paper", media_type="application/pdf")
    rows, topic = [], draw.normal(size=DIM)
    for place in range(num):
        topic = 0.6 * topic + 0.8 * draw.normal(size=DIM)
        figure = {"parent": place} if joined else {}
        step = 1 if joined else 2  # passages that do not follow each other are no neighbours
        rows.append(_part(row, "text", step * place, topic))
        rows.append(_part(row, "image", 1000 + 2 * place, turned @ topic, **figure))
    with collection.write() as con:
        model = model_versions.register_lineup(con, Lineup.of(version(dim=DIM)))
        shard_writer.commit_shard(con, shard(model, plan(row), rows))
    return collection


def _part(row: dict[str, Any], modality: str, place: int, made: np.ndarray, **more: Any) -> Any:
    kind = "passage" if modality == "text" else "figure"
    told = {"kind": kind, "modality": modality, "ordinal": place, "text": f"{kind} {place}"}
    vector = np.asarray(made / np.linalg.norm(made), np.float32)
    return vector_row(row, vector, **told, **more)


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few epochs do, where it is no question how much was learned."""
    monkeypatch.setattr("crossmodal.spaces.learn_links.MAX_EPOCHS", 4)


@pytest.fixture
def drifting(tmp_path: Path, briefly: None) -> Collection:
    return make(tmp_path / "doc.duckdb")


def add(collection: Collection, **how: Any) -> Added:
    return add_space(str(collection.path), SpaceSpec(kind="graphsage", name="sage", **how))


def space_of(collection: Collection, name: str = "sage") -> ModelVersion:
    with collection.read() as con:
        return model_versions.find(con, name)[-1]


def learned(collection: Collection, **how: Any) -> ModelVersion:
    add(collection, **how)
    return space_of(collection)


def nothing_came_of(collection: Collection) -> bool:
    with collection.read() as con:
        return all(not each.derived for each in model_versions.all_versions(con))


@needs_pyg
@pytest.mark.parametrize("steps", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_neighbours_that_were_held_out_are_told_better_than_by_the_parent(
    tmp_path: Path, steps: int
) -> None:
    drifting = make(tmp_path / "doc.duckdb")
    added = add(drifting, steps=steps)
    assert added.learned is not None
    assert added.learned.num_pairs == NUM + 4 * NUM - 6
    assert added.learned.auc_after > added.learned.auc_before + 0.1
    assert any("held out the neighbour is nearer" in line for line in added.lines())
    before = rows_of(drifting, version_of_parent(drifting))
    after = rows_of(drifting, space_of(drifting))
    with drifting.read() as con:
        ids = ids_by_ordinal(con)
    pairs = [(ids[1000 + 2 * place], ids[place]) for place in range(NUM)]
    gained = [after[f] @ after[p] - before[f] @ before[p] for f, p in pairs]
    assert np.mean(gained) > 0.1


@needs_pyg
def test_one_seed_gives_one_space_and_another_seed_another(
    tmp_path: Path, drifting: Collection
) -> None:
    first = drifting
    second = Collection(shutil.copy(first.path, tmp_path / "b.duckdb"))
    third = Collection(shutil.copy(first.path, tmp_path / "c.duckdb"))
    hashes = [learned(c, seed=s).weights_hash for c, s in ((first, 0), (second, 0), (third, 1))]
    assert hashes[0] == hashes[1] != hashes[2]


@needs_pyg
def test_a_query_needs_no_graph_and_goes_as_a_passage_does(drifting: Collection) -> None:
    """Passages do not move, so what a query comes to is what a passage with its words came to."""
    space = learned(drifting)
    assert space.derived is not None
    parent, own = rows_of(drifting, space.derived.parent), rows_of(drifting, space)
    with drifting.read() as con:
        passages = [chunk_id for place, chunk_id in ids_by_ordinal(con).items() if place < 1000]
    maps = unpack(space.derived.maps)
    for chunk_id in passages:
        asked = apply(maps, "text", parent[chunk_id])
        np.testing.assert_allclose(asked, own[chunk_id], atol=1e-5)
        assert not np.array_equal(asked, parent[chunk_id])


@needs_pyg
@pytest.mark.parametrize("how", [{"steps": 1}, {"steps": 2}, {"steps": 2, "near": 3}])
def test_deleted_neighbour_changes_its_ball_and_nothing_else(
    drifting: Collection, how: dict[str, Any]
) -> None:
    space = learned(drifting, everything=True, **how)
    before = rows_of(drifting, space)
    with drifting.read() as con:
        old = edges_of(con, space)
    gone = lose(drifting, 10)
    num = fill_spaces(drifting, "next")
    after = rows_of(drifting, space)
    with drifting.read() as con:
        new = edges_of(con, space)
    seeds = new.changed_since(old)
    ball = set(reached(new, seeds[seeds != gone], how["steps"] - 1).tolist())
    changed = {c for c, vector in after.items() if not np.array_equal(vector, before[c])}
    assert set(seeds.tolist()) - {gone} <= changed <= ball
    assert num == len(ball) + 1
    assert len(ball) < len(after)


@needs_pyg
@pytest.mark.parametrize("how", [{"everything": True}, {"near": 4}])
def test_space_that_was_kept_up_is_the_one_that_is_filled_anew(
    drifting: Collection, how: dict[str, Any]
) -> None:
    space = learned(drifting, **how)
    for place, tables in ((3, (1,)), (11, (1, 2)), (12, (1,))):
        lose(drifting, place, tables)
        fill_spaces(drifting, "next")
    assert fill_spaces(drifting, "again") == 0
    found = rows_of(drifting, space)
    with drifting.write() as con:
        con.execute("DELETE FROM space_edge")
        for modality in ("image", "text"):
            con.execute(f"DELETE FROM vector_{space.id}_{modality}")
    fill_spaces(drifting, "anew")
    again = rows_of(drifting, space)
    assert found.keys() == again.keys()
    for chunk_id, vector in again.items():
        np.testing.assert_allclose(found[chunk_id], vector, atol=1e-5)


@needs_pyg
def test_space_is_filled_where_the_extra_is_not_installed(
    drifting: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned(drifting)
    lose(drifting, 5)
    monkeypatch.setitem(sys.modules, "torch_geometric.nn", None)
    assert fill_spaces(drifting, "next") > 1


@needs_pyg
def test_lineage_and_json_say_what_was_learned(drifting: Collection) -> None:
    how = ["add", "graphsage", "--name", "sage", "-c", str(drifting.path), "--json"]
    done = CliRunner().invoke(space_commands, how)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["learned"]
    with drifting.read() as con:
        made = lineage_of(con, space_of(drifting).id or 0)
    assert made is not None
    assert told.items() <= made.how.items()
    assert made.how["space"] == "graphsage"


def test_layers_without_weights_are_the_space_of_the_parent() -> None:
    draw = np.random.default_rng(2)
    vectors = draw.normal(size=(5, 4)).astype(np.float32)
    edges = Edges.of(np.arange(4), np.arange(1, 5), np.ones(4, np.float32))
    nothing = Layer(np.eye(4, dtype=np.float32), np.zeros((4, 4), np.float32))
    how = Spread(keep=0, steps=2, near=0, everything=True, layers=(nothing, nothing))
    np.testing.assert_array_equal(spread(np.arange(5), vectors, edges, how), vectors)


def test_layers_are_what_the_formula_says() -> None:
    draw = np.random.default_rng(3)
    vectors, own, around = (
        draw.normal(size=s).astype(np.float32) for s in ((3, 4), (4, 4), (4, 4))
    )
    edges = Edges.of(np.array([0, 0, 1]), np.array([1, 2, 0]), np.array([1, 3, 1], np.float32))
    share = np.array([[0, 0.25, 0.75], [1, 0, 0], [0, 0, 0]])
    how = Spread(keep=0, steps=2, near=0, everything=True, layers=(Layer(own, around),) * 2)
    expected = vectors
    for _ in range(2):
        expected = expected @ own + share @ expected @ around
    np.testing.assert_allclose(spread(np.arange(3), vectors, edges, how), expected, atol=1e-4)


def test_too_few_pairs_are_refused_with_how_many_it_takes(tmp_path: Path) -> None:
    few = make(tmp_path / "few.duckdb", 20)
    with pytest.raises(ParametersError, match=r"94 pairs of a picture and .* from 100 or more"):
        add(few)
    assert nothing_came_of(few)


def test_pictures_and_passages_that_nothing_joins_are_refused(tmp_path: Path) -> None:
    lone = make(tmp_path / "lone.duckdb", joined=False)
    with pytest.raises(ParametersError, match=r"join 0 pairs .* with one model for pictures and"):
        add(lone)
    with pytest.raises(ParametersError, match=r"join 0 pairs of neighbours that"):
        add(lone, everything=True)
    assert nothing_came_of(lone)


@pytest.mark.parametrize("wrong", [{"steps": 3}, {"dim": 8}, {"seed": -1}, {"near": -1}])
def test_what_makes_no_sense_is_refused(drifting: Collection, wrong: dict[str, Any]) -> None:
    with pytest.raises(ParametersError, match=r"--(steps|dim|near)"):
        add(drifting, **wrong)


def test_missing_extra_is_named(drifting: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_geometric.nn", None)
    with pytest.raises(ExtraMissing, match=r"crossmodal\[graph\]"):
        add(drifting)
    assert nothing_came_of(drifting)


def pairs_that_are_equal(num: int = 300) -> Graph:
    """Return pictures that have the very vector of the one passage that they belong to."""
    vectors = np.random.default_rng(4).normal(size=(num, DIM)).astype(np.float32)
    edges = Edges.of(np.arange(num), np.arange(num) + num, np.ones(num, np.float32))
    return Graph(
        vectors=np.concatenate([vectors, vectors]),
        modality=np.repeat([0, 1], num),
        means=np.zeros((2, DIM), np.float32),
        moving=np.repeat([True, False], num),
        pairs=np.stack([edges.nodes, edges.neighbours], axis=1),
        edges=edges.joined(Edges.of(edges.neighbours, edges.nodes, edges.weights)),
    )


SPREAD = Spread(keep=0, steps=1, near=0, everything=False)


@needs_pyg
def test_where_nothing_can_get_better_nothing_is_made() -> None:
    with pytest.raises(TrainingFailed, match=r"nothing was learned: of 30 pairs .* 100\.0%"):
        learn_links(pairs_that_are_equal(), SPREAD, 0)


@needs_pyg
def test_a_loss_that_is_no_number_is_said_at_once() -> None:
    graph = pairs_that_are_equal()
    broken = graph.vectors.copy()
    broken[7] = np.nan
    with pytest.raises(TrainingFailed, match="the loss of epoch 1 is nan"):
        learn_links(replace(graph, vectors=broken), SPREAD, 0)
