"""A derived space is a model version: made, filled, asked, promoted and dropped like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import ModelMismatch, ParametersError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.many_vectors import chunk_ids_of, vectors_of_chunks
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.ledger.write.undo_log import Undo
from crossmodal.models.lineage import lineage_of
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec
from crossmodal.models.promotion import promote_in, rollback_in
from crossmodal.models.retire import collect
from crossmodal.records import ModelVersion, VectorList
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import answer
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fill import fill_spaces
from crossmodal.spaces.fit import SpaceSpec
from tests.drawn import draw_pictures
from tests.evaluation.conftest import Album, embed, load


@pytest.fixture
def own(album: Album, tmp_path: Path) -> Collection:
    """Return a copy of the album that a test may change."""
    return Collection(shutil.copy(album.collection, tmp_path / "own.duckdb"))


def version_of(collection: Collection, name: str) -> ModelVersion:
    with collection.read() as con:
        return model_versions.find(con, name)[-1]


def vectors(collection: Collection, version: ModelVersion) -> np.ndarray:
    held = VectorList(version, "image")
    with collection.read() as con:
        return vectors_of_chunks(con, held, chunk_ids_of(con, held)).matrix


def add(collection: Collection, kind: str, dim: int = 0, name: str = "") -> ModelVersion:
    add_space(str(collection.path), SpaceSpec(kind=kind, dim=dim, name=name))
    default = f"tiny-clip-{kind}{dim or ''}"
    return version_of(collection, name or default)


def test_centring_takes_the_mean_of_its_modality_off(own: Collection) -> None:
    space = add(own, "centring")
    assert space.derived is not None
    base = vectors(own, space.derived.parent)
    moved = base - base.mean(axis=0)
    expected = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors(own, space), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["pca", "whitening"])
def test_fewer_dimensions_are_unit_vectors_of_that_many(own: Collection, kind: str) -> None:
    found = vectors(own, add(own, kind, 8))
    assert found.shape[1] == 8
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_truncation_keeps_the_first_dimensions(own: Collection, album: Album) -> None:
    space = add(own, "truncation", 8)
    assert space.derived is not None
    first = vectors(own, space.derived.parent)[:, :8]
    expected = first / np.linalg.norm(first, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors(own, space), expected, atol=1e-5)
    options = QueryOptions(collection=str(own.path), model=space.name, device="cpu", k=1)
    (found,) = answer(options, [], [str(album.pictures[3])])
    assert found.hits[0].score == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("dim", [0, 32, 33])
def test_truncation_says_how_many_dimensions_it_takes(own: Collection, dim: int) -> None:
    with pytest.raises(ParametersError, match="truncation takes 1 to 31"):
        add(own, "truncation", dim)


def test_pca_of_all_dimensions_keeps_every_cosine(own: Collection) -> None:
    space = add(own, "pca")
    assert space.derived is not None
    base, turned = vectors(own, space.derived.parent), vectors(own, space)
    np.testing.assert_allclose(turned @ turned.T, base @ base.T, atol=1e-4)


def test_a_query_goes_through_what_the_vectors_went_through(own: Collection, album: Album) -> None:
    space = add(own, "pca", 16)
    picture = str(album.pictures[3])
    options = QueryOptions(collection=str(own.path), model=space.name, device="cpu", k=3)
    (found,) = answer(options, [], [picture])
    assert found.hits[0].uri == picture
    assert found.hits[0].score == pytest.approx(1, abs=1e-3)


def test_equal_space_is_not_made_twice(own: Collection) -> None:
    assert add(own, "centring").id == add(own, "centring").id


def test_space_has_its_parent_in_its_lineage(own: Collection) -> None:
    space = add(own, "pca", 8)
    with own.read() as con:
        made = lineage_of(con, space.id or 0)
    assert made is not None
    assert made.needs_parent
    assert made.how["space"] == "pca"
    assert made.how["dim"] == 8


def test_only_new_chunks_are_computed_later(own: Collection, tmp_path: Path) -> None:
    space = add(own, "centring")
    assert fill_spaces(own, "again") == 0
    assert space.derived is not None
    more = draw_pictures(tmp_path / "more", 4)
    embed(own, more, load(Path(space.root.name)))
    assert fill_spaces(own, "next") == len(more)
    assert len(vectors(own, space)) == len(vectors(own, space.derived.parent))


def test_vector_that_its_parent_lost_goes_with_its_chunk(own: Collection) -> None:
    space = add(own, "centring")
    with own.write() as con:
        con.execute("DELETE FROM source WHERE uri = (SELECT min(uri) FROM source)")
        shard_writer.collect_orphans(con, Undo(con, "none", 0))
        # Which number a picture gets is not told: one of those that are left.
        lost = "SELECT min(chunk_id) FROM vector_1_image"
        con.execute(f"DELETE FROM vector_1_image WHERE chunk_id = ({lost})")
    assert fill_spaces(own, "next") == 1
    assert space.derived is not None
    assert len(vectors(own, space)) == len(vectors(own, space.derived.parent))


def test_space_of_a_space_goes_through_both(own: Collection, album: Album) -> None:
    add(own, "centring", name="first")
    spec = SpaceSpec(kind="pca", dim=8, parent="first", name="second")
    add_space(str(own.path), spec)
    second = version_of(own, "second")
    assert second.root.name.endswith("tiny-clip")
    assert second.dim == 8
    options = QueryOptions(collection=str(own.path), model="second", device="cpu", k=1)
    (found,) = answer(options, [], [str(album.pictures[0])])
    assert found.hits[0].score == pytest.approx(1, abs=1e-3)


def test_promoted_space_is_fed_by_its_parents_model(own: Collection) -> None:
    space = add(own, "pca", 8)
    promote_in(own, {"image": space.name})
    assert choose_lineup(own, LineupSpec(), "auto").joint == space.root
    with own.read() as con:
        live = model_versions.live(con)
    assert live is not None
    assert live.joint == space
    assert rollback_in(own).after["image"].startswith("tiny-clip@")


def test_gc_keeps_the_parent_of_a_live_space_and_drops_a_space_whole(own: Collection) -> None:
    space = add(own, "pca", 8)
    promote_in(own, {"image": space.name})
    kept = collect(own, keep=0, dry_run=True).kept
    assert {label.partition("@")[0] for label in kept} == {"tiny-clip", "tiny-clip-pca8"}
    rollback_in(own)
    collect(own, keep=0, dry_run=False)
    with own.read() as con:
        assert con.execute("SELECT count(*) FROM space").fetchall() == [(0,)]
        assert [v.name for v in model_versions.all_versions(con)] == [space.root.name]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (SpaceSpec(kind="magic"), "take one of centring, pca, whitening, truncation"),
        (SpaceSpec(kind="pca", dim=33), "take 1 to 32"),
        (SpaceSpec(kind="centring", dim=8), "centring keeps the dimension"),
    ],
)
def test_wrong_space_is_refused_in_a_sentence(own: Collection, spec: SpaceSpec, said: str) -> None:
    with pytest.raises(ParametersError, match=said):
        add_space(str(own.path), spec)


def test_space_cannot_take_the_name_of_a_model(own: Collection, tiny_clip: Path) -> None:
    with pytest.raises(ModelMismatch, match="is the name of a model"):
        add_space(str(own.path), SpaceSpec(kind="centring", name=str(tiny_clip)))
