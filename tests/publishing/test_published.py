"""What was published where is listed, with what each store lacks by now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from crossmodal.cli.drawn import drawn
from crossmodal.cli.export import publish
from crossmodal.errors import CollectionMissing, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.publishing.published import StoreState, published
from crossmodal.records import Lineup
from tests.publishing.world import World

app = typer.Typer()
app.command()(drawn(publish, ["publish"]))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lack(world: World) -> dict[str, int]:
    [store] = published(world.collection).stores
    return {name: getattr(store, f"num_{name}") for name in ("rows", "new", "changed", "gone")}


def test_nothing_was_published_yet(world: World) -> None:
    found = published(world.collection)
    assert (found.stores, found.publications) == ([], [])
    done = run("--list", "-c", world.collection.path)
    assert done.exit_code == 0
    assert "nothing was published yet" in done.stdout


def test_what_a_store_lacks_is_what_the_next_publication_sends(world: World, address: str) -> None:
    world.publish(address)
    assert lack(world) == {"rows": 60, "new": 0, "changed": 0, "gone": 0}
    world.add(range(40, 45))
    world.add([3], " drawn anew")
    world.rename("/photos/7.png", "/photos/seven.png", "picture 7")
    world.delete("/photos/9.png", "/notes/2.txt")
    [behind] = published(world.collection).stores
    assert behind.num_rows == 60
    sent = world.publish(address)
    assert sent.num_sent == behind.num_new + behind.num_changed == 5 + 1 + 1
    assert sent.num_removed == behind.num_gone == 3
    assert behind.num_behind == 10
    assert lack(world) == {"rows": 63, "new": 0, "changed": 0, "gone": 0}


def test_promoted_version_is_lacked_and_the_former_is_kept_in_step(
    world: World, address: str
) -> None:
    world.publish(address)
    other = world.register("model/two", 8)
    world.add(range(10), model=other)
    with world.collection.write() as con:
        model_versions.set_live(con, Lineup.of(other))
    world.delete("/photos/30.png")
    assert lack(world) == {"rows": 60, "new": 10, "changed": 0, "gone": 1}


def test_publication_that_broke_off_is_told_of(world: World, address: str) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    world.publish(address)
    world.add(range(40, 50))
    with pytest.raises(KeyboardInterrupt):
        world.publish(address, stop)
    found = published(world.collection)
    latest, first = found.publications
    assert (latest.state, latest.finished_at) == ("failed", None)
    assert found.stores[0].published_at == first.finished_at


def test_list_is_told_as_tables_and_as_json(world: World, address: str, tmp_path: Path) -> None:
    world.publish(address)
    world.add(range(40, 42))
    asked = ("--list", "-c", world.collection.path)
    found = json.loads(run(*asked, "--json").stdout)
    [store], [publication] = found["stores"], found["publications"]
    assert (store["num_rows"], store["num_new"], store["num_behind"]) == (60, 2, 2)
    assert store["published_at"] == publication["finished_at"]
    assert (publication["state"], publication["counts"]["num_sent"]) == ("completed", 60)
    shown = run(*asked).stdout
    assert "last published (UTC)" in shown
    assert publication["run_id"][:8] in shown
    assert json.loads(run(*asked, "--to", store["address"], "--json").stdout) == found


def test_only_known_stores_of_a_collection_that_is_there_are_listed(
    world: World, address: str, tmp_path: Path
) -> None:
    world.publish(address)
    with pytest.raises(PathError, match="nothing was published to lance:///elsewhere: published"):
        published(world.collection, "lance:///elsewhere")
    with pytest.raises(CollectionMissing):
        published(Collection(tmp_path / "none.duckdb"))


def test_store_is_behind_by_all_that_it_lacks() -> None:
    state = StoreState(
        address="", published_at=None, num_rows=9, num_new=1, num_changed=2, num_gone=4
    )
    assert state.num_behind == 7
