"""The publish flow with a real Prefect server, a real PostgreSQL, a random CLIP and a space."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossmodal.errors import CollectionMissing, ParametersError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models.promotion import promote_in
from crossmodal.publishing.stores.store import table_name
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fit import SpaceSpec
from flows.index import index
from flows.publish import publish
from tests.publishing.conftest import postgres, postgres_address
from tests.publishing.world import stored, tables
from tests.shell import Shell

__all__ = ["postgres", "postgres_address"]

pytestmark = pytest.mark.usefixtures("prefect")


def test_a_collection_is_published_and_a_derived_space_is_a_table_like_any_other(
    tmp_path: Path, pictures: Path, tiny_clip: Path, postgres_address: str
) -> None:
    collection = tmp_path / "collection.duckdb"
    index(collection=str(collection), paths=[str(pictures)], model=str(tiny_clip))
    report = publish(collection=str(collection), to=postgres_address)
    assert (report["num_sent"], report["num_rows"]) == (12, 12)
    assert table_of(postgres_address) in report["text"]
    assert publish(collection=str(collection), to=postgres_address)["num_sent"] == 0

    space = add_space(str(collection), SpaceSpec(kind="pca", dim=8))
    promote_in(Collection(collection), {"image": space.name})
    with Collection(collection).read() as con:
        derived = model_versions.by_id(con, space.id)
    report = publish(collection=str(collection), to=postgres_address, prune=True)
    assert report["num_sent"] == 12
    assert len(report["dropped"]) == 1
    (told,) = tables(postgres_address).values()
    assert (told.name, told.dim, told.serves[0]) == (table_name(derived), 8, "image")
    vectors = stored(postgres_address, derived)
    with Collection(collection).read() as con:
        rows = con.execute(f"SELECT chunk_id, v FROM vector_{space.id}_image").fetchall()
        runs = con.execute("SELECT counts FROM run WHERE flow = 'publish'").fetchall()
    assert {i: pytest.approx(list(v), abs=1e-6) for i, v in rows} == vectors
    assert all(json.loads(counts)["to"] == postgres_address for (counts,) in runs)


def table_of(address: str) -> str:
    return next(iter(tables(address).values())).name


def test_nothing_is_published_of_no_collection_or_to_no_store(
    tmp_path: Path, postgres_address: str
) -> None:
    with pytest.raises(CollectionMissing):
        publish(collection=str(tmp_path / "none.duckdb"), to=postgres_address)
    assert not (tmp_path / "none.duckdb").exists()
    with pytest.raises(ParametersError, match="name a store"):
        publish(collection=str(tmp_path / "none.duckdb"))
    with pytest.raises(ParametersError, match="leave it out"):
        publish(collection=str(tmp_path / "none.duckdb"), to="postgresql://ada:canary@host/db")


def test_the_command_says_what_is_missing(shell: object, tmp_path: Path) -> None:
    person: Shell = shell()  # type: ignore[operator]
    done = person.run("publish", expect=2)
    assert "--to is missing" in " ".join(done.stderr.replace("│", " ").split())
    done = person.run("publish", "--to", "mysql://host/db", expect=2)
    assert "is no store" in " ".join(done.stderr.replace("│", " ").split())
