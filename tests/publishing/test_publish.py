"""A store of each kind holds what the collection has, whatever happened since it was published."""

from __future__ import annotations

import numpy as np
import pytest

from crossmodal.errors import CollectionEmpty, PublicationBusy, StoreTaken
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, publications, runs
from crossmodal.models.promotion import promote_in
from crossmodal.publishing.address import parse_address
from crossmodal.publishing.stores.open import open_store
from crossmodal.publishing.stores.store import table_name
from tests.moderation.hiding import hide, undo
from tests.publishing.world import World, assert_in_step, run_start, stored, tables


def sent(done: object) -> tuple[int, int]:
    return done.num_sent, done.num_removed  # type: ignore[attr-defined]


def test_store_follows_what_is_added_changed_renamed_and_deleted(
    world: World, every_address: str
) -> None:
    address = every_address
    assert sent(world.publish(address)) == (60, 0)
    assert_in_step(world, address)
    assert sent(world.publish(address)) == (0, 0)

    world.add(range(40, 45))
    world.add(range(3), content=" again")
    world.delete("/photos/10.png", "/notes/1.txt")
    world.rename("/photos/11.png", "/photos/other.png", "picture 11")
    done = world.publish(address)
    # The three that changed are other chunks now; the renamed one is the same under another name.
    assert sent(done) == (5 + 3 + 1, 3 + 2)
    assert_in_step(world, address)
    assert sent(world.publish(address)) == (0, 0)
    (table,) = tables(address).values()
    assert (table.num_rows, table.state, table.serves) == (63, "complete", ("image", "text"))


def test_what_moderation_hides_leaves_the_store_and_comes_back_with_the_decision(
    world: World, address: str
) -> None:
    chunk = world.chunk_of("/photos/5.png")
    world.publish(address)
    (finding,) = hide(world.collection, chunk)
    assert sent(world.publish(address)) == (0, 1)
    assert chunk not in stored(address, world.model)
    undo(world.collection, finding)
    assert sent(world.publish(address)) == (1, 0)
    assert_in_step(world, address)


@pytest.mark.slow
def test_a_new_model_is_published_beside_the_live_one_and_serves_once_it_is_promoted(
    world: World, address: str
) -> None:
    world.publish(address)
    new = world.register("model/two", 24)
    world.add(range(40), model=new)
    done = world.publish(address, models=("model/two",))
    assert sent(done) == (40, 0)
    found = tables(address)
    assert found[new.label].serves == ()
    assert found[world.model.label].serves == ("image", "text")
    assert_in_step(world, address, new)

    promote_in(world.collection, {"image": "model/two"}, allow_partial=True)
    assert sent(world.publish(address)) == (0, 0)
    assert tables(address)[new.label].serves == ("image", "text")
    assert tables(address)[world.model.label].serves == ()
    world.delete("/photos/0.png")
    assert sent(world.publish(address)) == (0, 2)  # also from the table that serves no more

    assert world.publish(address, prune=True).dropped == [table_name(world.model)]
    assert tables(address).keys() == {new.label}
    assert stored(address, world.model) == {} if address.startswith("lance") else True
    assert_in_step(world, address, new)


def test_another_collection_is_refused_and_nothing_of_the_store_is_touched(
    world: World, address: str, tmp_path: object
) -> None:
    world.publish(address)
    other = World(Collection(f"{tmp_path}/other.duckdb"))
    other.add(range(100, 110))
    with pytest.raises(StoreTaken, match=r"another collection, 'photos\.duckdb'.*another place"):
        other.publish(address)
    assert_in_step(world, address)


def test_a_table_of_another_dimension_is_refused(world: World, address: str) -> None:
    store = open_store(parse_address(address))
    store.make(table_name(world.model), 7)
    store.close()
    with pytest.raises(StoreTaken, match="16"):
        world.publish(address)


def test_a_second_publisher_is_refused_while_the_first_is_at_work(
    world: World, postgres_address: str
) -> None:
    address = postgres_address
    with world.collection.write() as con:
        runs.start_run(con, run_start("first"))
        publications.open_publication(con, "first", parse_address(address).text)
    with pytest.raises(PublicationBusy, match="run first publishes to"):
        world.publish(address)
    with world.collection.write() as con:
        runs.finish_run(con, "first", "completed", {}, "")
    assert sent(world.publish(address)) == (60, 0)


def test_rows_that_somebody_else_deleted_are_found_missing_and_sent_again(
    world: World, address: str
) -> None:
    world.publish(address)
    store = open_store(parse_address(address))
    store.remove(table_name(world.model), np.array([world.chunk_of("/photos/7.png")]))
    store.close()
    done = world.publish(address)
    assert sent(done) == (1, 0)
    assert "did not hold what was last sent" in done.notes[0]
    assert_in_step(world, address)


def test_a_store_that_was_emptied_is_filled_again(world: World, postgres_address: str) -> None:
    address = postgres_address
    world.publish(address)
    store = open_store(parse_address(address))
    store.drop(table_name(world.model))
    store.mark([])
    store.close()
    assert sent(world.publish(address)) == (60, 0)
    assert_in_step(world, address)


def test_a_copy_of_the_collection_that_was_put_back_finds_what_it_had_not_sent(
    world: World, postgres_address: str
) -> None:
    address = postgres_address
    world.publish(address)
    before = world.collection.path.read_bytes()
    world.add(range(40, 50))
    world.delete("/photos/1.png")
    world.publish(address)
    world.collection.path.write_bytes(before)
    assert sent(world.publish(address)) == (1, 10)
    assert_in_step(world, address)


def test_all_is_sent_again_where_that_is_asked_for(world: World, postgres_address: str) -> None:
    address = postgres_address
    world.publish(address)
    assert sent(world.publish(address, full=True)) == (60, 0)
    assert_in_step(world, address)
    assert sent(world.publish(address)) == (0, 0)


def test_each_publication_stands_in_the_ledger_with_what_it_sent(
    world: World, postgres_address: str
) -> None:
    address = postgres_address
    world.publish(address)
    world.add(range(40, 42))
    world.publish(address)
    with world.collection.read() as con:
        latest, first = publications.publications(con, 10)
        watermark = con.execute("SELECT max(seq) FROM vector_1_image").fetchall()[0][0]
    assert (first.counts["num_sent"], latest.counts["num_sent"]) == (60, 2)
    assert latest.generation == first.generation + 1
    assert latest.watermark == watermark
    assert latest.state == "completed"
    assert latest.address == parse_address(address).text


def test_a_collection_without_vectors_is_refused(tmp_path: object, postgres_address: str) -> None:
    collection = Collection(f"{tmp_path}/empty.duckdb")
    with collection.write() as con:
        assert model_versions.live(con) is None
    world = World.__new__(World)
    world.collection = collection
    with pytest.raises(CollectionEmpty, match="holds no vector yet"):
        world.publish(postgres_address)
