"""Vectors spread over the edges of the ledger, and a change reaches its ball of nodes alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from crossmodal.errors import ParametersError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.many_vectors import chunk_ids_of, vectors_of_chunks
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models.retire import collect
from crossmodal.records import Lineup, ModelVersion, VectorList
from crossmodal.spaces.add import add_space
from crossmodal.spaces.edges import near_edges
from crossmodal.spaces.fill import fill_spaces
from crossmodal.spaces.fit import SpaceSpec
from crossmodal.spaces.graph import Edges, Spread, reached, spread
from tests.ledger.build import plan, planned, shard, vector_row, version

DIM = 24
NUM = 20
EACH = 4
"""Passages of a part."""
_COME = """
INSERT INTO chunk (content_hash, chunker, kind, ordinal, meta, run_id, modality, section, text)
SELECT content_hash, chunker, kind, ?, meta, 'back', modality, section, 'it is back' FROM chunk
WHERE ordinal = ?
"""


@pytest.fixture
def document(tmp_path: Path) -> Collection:
    """Return a document of 20 passages in a row, each with a figure of its own."""
    return document_of(tmp_path, lambda place: "")


@pytest.fixture
def sections(tmp_path: Path) -> Collection:
    """Return the same document in parts of four passages and their figures."""
    return document_of(tmp_path, lambda place: f"Part {place // EACH}")


def document_of(tmp_path: Path, heading: Callable[[int], str]) -> Collection:
    collection = Collection(tmp_path / "doc.duckdb")
    draw = np.random.default_rng(0)
    row = planned("/d/paper.pdf", "paper", media_type="application/pdf")
    rows = [_part(row, draw, "text", place, section=heading(place)) for place in range(NUM)]
    rows += [
        _part(row, draw, "image", NUM + place, parent=place, section=heading(place))
        for place in range(NUM)
    ]
    with collection.write() as con:
        model = model_versions.register_lineup(con, Lineup.of(version(dim=DIM)))
        shard_writer.commit_shard(con, shard(model, plan(row), rows))
    return collection


def _part(row: dict[str, Any], draw: np.random.Generator, modality: str, place: int, **more: Any):
    made = draw.normal(size=DIM).astype(np.float32)
    vector = made / np.linalg.norm(made)
    kind = "passage" if modality == "text" else "figure"
    told = {"kind": kind, "modality": modality, "ordinal": place, "text": f"{kind} {place}"}
    return vector_row(row, vector, **told, **more)


def added(collection: Collection, **how: Any) -> ModelVersion:
    add_space(str(collection.path), SpaceSpec(kind="propagation", name="spread", **how))
    with collection.read() as con:
        return model_versions.find(con, "spread")[-1]


def rows_of(collection: Collection, space: ModelVersion) -> dict[int, np.ndarray]:
    with collection.read() as con:
        lists = [VectorList(space, modality) for modality in ("image", "text")]
        found = [vectors_of_chunks(con, held, chunk_ids_of(con, held)) for held in lists]
    return {
        chunk_id: vector
        for each in found
        for chunk_id, vector in zip(each.chunk_ids.tolist(), each.matrix, strict=True)
    }


def ids_by_ordinal(con: duckdb.DuckDBPyConnection) -> dict[int, int]:
    return dict(con.execute("SELECT ordinal, chunk_id FROM chunk").fetchall())


def lose(
    collection: Collection, ordinal: int, tables: tuple[int, ...] = (1,), modality: str = "text"
) -> int:
    """Take a chunk's vector away, of the parent alone or of the space too."""
    with collection.write() as con:
        chunk_id = ids_by_ordinal(con)[ordinal]
        for number in tables:
            con.execute(f"DELETE FROM vector_{number}_{modality} WHERE chunk_id = ?", [chunk_id])
    return chunk_id


def test_figure_moves_towards_the_passages_that_it_stands_in(document: Collection) -> None:
    base = version_of_parent(document)
    before, after = rows_of(document, base), rows_of(document, added(document, keep=0.5))
    with document.read() as con:
        ids = ids_by_ordinal(con)
    gained = [
        float(after[ids[NUM + p]] @ before[ids[p]] - before[ids[NUM + p]] @ before[ids[p]])
        for p in range(NUM)
    ]
    assert min(gained) > 0.1
    for place in range(NUM):
        np.testing.assert_allclose(after[ids[place]], before[ids[place]], atol=1e-6)


def version_of_parent(collection: Collection) -> ModelVersion:
    with collection.read() as con:
        live = model_versions.live(con)
    assert live is not None
    return live.joint


def test_keeping_all_of_its_own_leaves_every_vector_as_it_is(document: Collection) -> None:
    before = rows_of(document, version_of_parent(document))
    for chunk_id, vector in rows_of(document, added(document, keep=1.0)).items():
        np.testing.assert_allclose(vector, before[chunk_id], atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("near", [0, 3])
def test_deleted_neighbour_changes_its_ball_and_nothing_else(
    document: Collection, steps: int, near: int
) -> None:
    space = added(document, steps=steps, near=near, everything=True)
    before = rows_of(document, space)
    with document.read() as con:
        old = edges_of(con, space)
    gone = lose(document, 10)
    num = fill_spaces(document, "next")
    after = rows_of(document, space)
    with document.read() as con:
        new = edges_of(con, space)
    assert gone not in after
    changed = {c for c, vector in after.items() if not np.array_equal(vector, before[c])}
    # Who has other edges is computed anew, and who takes from these in the steps that are left.
    seeds = new.changed_since(old)
    ball = set(reached(new, seeds[seeds != gone], steps - 1).tolist())
    assert changed <= ball
    assert num == len(ball) + 1
    assert changed >= set(seeds.tolist()) - {gone}
    assert len(ball) < len(after) or near


def edges_of(con: duckdb.DuckDBPyConnection, space: ModelVersion) -> Edges:
    rows = con.execute(
        "SELECT chunk_id, neighbour_id, weight FROM space_edge WHERE model_version_id = ?",
        [space.id],
    ).fetchnumpy()
    return Edges.of(*(np.asarray(rows[n]) for n in ("chunk_id", "neighbour_id", "weight")))


@pytest.mark.parametrize("near", [0, 4])
@pytest.mark.parametrize("tables", [(1,), (1, 2)])
def test_space_that_was_kept_up_is_the_one_that_is_made_anew(
    document: Collection, near: int, tables: tuple[int, ...]
) -> None:
    how = {"steps": 3, "near": near, "everything": True}
    kept_up = added(document, **how)
    for place in (3, 11, 12):
        lose(document, place, tables)
        fill_spaces(document, "next")
    assert_made_anew_alike(document, kept_up)


def test_nothing_is_computed_where_nothing_changed(document: Collection) -> None:
    added(document, near=3)
    assert fill_spaces(document, "again") == 0


def test_space_goes_with_its_edges(document: Collection) -> None:
    added(document)
    collect(document, keep=0, dry_run=False)
    with document.read() as con:
        assert con.execute("SELECT count(*) FROM space_edge").fetchall() == [(0,)]


@pytest.mark.parametrize("steps", [1, 2])
def test_section_passes_on_between_its_chunks_in_one_step(sections: Collection, steps: int) -> None:
    """Computed by hand: all edges but those of sections are left out, as they weigh nothing."""
    parent = version_of_parent(sections)
    base, found = (
        rows_of(sections, each)
        for each in (parent, added(sections, steps=steps, everything=True, section=100.0))
    )
    with sections.read() as con:
        ids = ids_by_ordinal(con)
    by_modality = [np.stack([base[ids[p]] for p in ps]) for ps in (range(NUM), range(NUM, 2 * NUM))]
    means = [each.mean(axis=0) for each in by_modality]
    own = np.concatenate([each - mean for each, mean in zip(by_modality, means, strict=True)])
    part = np.arange(2 * NUM) % NUM // EACH
    now = own
    for _ in range(steps):
        of_part = np.stack([now[part == number].mean(axis=0) for number in range(NUM // EACH)])
        now = 0.5 * own + 0.5 * of_part[part]
    for place in range(2 * NUM):
        vector = now[place] + means[place // NUM]
        cosine = float(found[ids[place]] @ vector / np.linalg.norm(vector))
        assert cosine == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("near", [0, 2])
def test_deleted_passage_changes_what_takes_from_it_through_its_section_and_nothing_else(
    sections: Collection, steps: int, near: int
) -> None:
    how = {"steps": steps, "near": near, "everything": True, "section": 1.0}
    kept_up = added(sections, **how)
    before = rows_of(sections, kept_up)
    gone = lose(sections, 9)
    num = fill_spaces(sections, "next")
    after = rows_of(sections, kept_up)
    changed = {c for c, vector in after.items() if not np.array_equal(vector, before[c])}
    with sections.read() as con:
        ids = ids_by_ordinal(con)
    # Who stands in the part; and a figure two places before took from the passage itself.
    part = {ids[p] for p in (8, 10, 11, *range(NUM + 8, NUM + 12))}
    assert changed >= part
    assert gone not in after
    if near:
        return
    if steps == 1:
        assert changed == part | {ids[NUM + 7]}
    assert len(changed) < len(after)
    assert num == len(changed) + 1


@pytest.mark.parametrize("near", [0, 4])
@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("tables", [(1,), (1, 2)])
def test_space_with_sections_that_was_kept_up_is_the_one_that_is_made_anew(
    sections: Collection, near: int, everything: bool, tables: tuple[int, ...]
) -> None:
    kept_up = added(sections, steps=2, near=near, everything=everything, section=0.5)
    for place in (8, 9, 3, NUM + 3, 0):  # the last is what its part is numbered by
        lose(sections, place, tables, "image" if place >= NUM else "text")
        fill_spaces(sections, "next")
    come_back(sections, 9)
    fill_spaces(sections, "next")
    assert_made_anew_alike(sections, kept_up)


def come_back(collection: Collection, ordinal: int) -> None:
    """Let a passage come where one was, with a vector of its own."""
    made = np.ones(DIM, np.float32) / np.sqrt(DIM)
    with collection.write() as con:
        con.execute(_COME, [ordinal, ordinal + 1])
        chunk_id = ids_by_ordinal(con)[ordinal]
        con.execute(
            "INSERT INTO vector_1_text (chunk_id, run_id, v) VALUES (?, 'back', ?)",
            [chunk_id, made.tolist()],
        )


def assert_made_anew_alike(collection: Collection, space: ModelVersion) -> None:
    found = rows_of(collection, space)
    with collection.write() as con:
        con.execute("DELETE FROM space_edge")
        for modality in ("image", "text"):
            con.execute(f"DELETE FROM vector_{space.id}_{modality}")
    fill_spaces(collection, "anew")
    again = rows_of(collection, space)
    assert found.keys() == again.keys()
    for chunk_id, vector in again.items():
        np.testing.assert_allclose(found[chunk_id], vector, atol=1e-5)


def test_without_sections_a_space_has_the_fingerprint_that_it_had(document: Collection) -> None:
    plain = Spread(keep=0.5, steps=2, near=0, everything=False)
    with_sections = Spread(keep=0.5, steps=2, near=0, everything=False, section=1.0)
    numbers = [each.packed()["graph"].mean for each in (plain, with_sections)]
    assert [len(each) for each in numbers if each is not None] == [4, 5]
    assert Spread.unpacked(with_sections.packed()).section == 1.0
    assert Spread.unpacked(plain.packed()).section == 0.0


def test_document_without_headings_has_no_sections(document: Collection) -> None:
    space = added(document, section=1.0)
    with document.read() as con:
        assert edges_of(con, space).nodes.min() > 0


@pytest.mark.parametrize("section", [-1.0, 101.0])
def test_weight_of_sections_that_makes_no_sense_is_refused(
    document: Collection, section: float
) -> None:
    with pytest.raises(ParametersError, match=r"--section .* 0 to 100"):
        added(document, section=section)


@pytest.mark.parametrize("wrong", [{"keep": 1.5}, {"steps": 0}, {"near": -1}, {"dim": 8}])
def test_what_makes_no_sense_is_refused_with_what_does(
    document: Collection, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ParametersError, match=r"--(keep|dim)"):
        added(document, **wrong)


def test_nearest_of_what_came_and_went_are_those_of_a_search_for_all() -> None:
    draw = np.random.default_rng(5)
    vectors = draw.normal(size=(60, 8)).astype(np.float32) + 1
    unit = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    ids = np.arange(60) * 3
    none = near_edges(ids[:0], unit[:0], Edges.of(*_nothing()), 4)
    before = near_edges(ids[:50], unit[:50], none, 4)
    left = np.r_[5:60]
    kept_up = near_edges(ids[left], unit[left], before, 4)
    anew = near_edges(ids[left], unit[left], none, 4)
    assert len(anew) == 4 * len(left)
    assert not len(kept_up.changed_since(anew)) or np.allclose(
        np.sort(kept_up.weights), np.sort(anew.weights), atol=1e-5
    )
    assert kept_up.neighbours.tolist() == anew.neighbours.tolist()


def _nothing() -> tuple[Any, Any, Any]:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)


def test_spreading_is_personalised_pagerank() -> None:
    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(4, 3)).astype(np.float32)
    edges = Edges.of(
        np.array([0, 0, 1, 2]), np.array([1, 2, 0, 0]), np.array([1, 3, 1, 1], np.float32)
    )
    share = np.array([[0, 0.25, 0.75, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    how = Spread(keep=0.3, steps=5, near=0, everything=True, means={})
    expected = vectors
    for _ in range(5):
        expected = 0.3 * vectors + 0.7 * share @ expected
        expected[3] = vectors[3]
    np.testing.assert_allclose(spread(np.arange(4), vectors, edges, how), expected, atol=1e-5)
