"""A store that is away, closed or broken off is a clear sentence, and nothing is lost."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from crossmodal.errors import PathError, StoreAway, StoreError, is_transient
from crossmodal.ledger.write import runs
from crossmodal.publishing.address import Address, parse_address
from crossmodal.publishing.options import PublishOptions
from crossmodal.publishing.publisher import publishing, verified
from tests.publishing.conftest import fresh_address
from tests.publishing.world import World, assert_in_step, run_start
from tests.waiting import free_port


@pytest.mark.parametrize(
    "text", ["", "photos", "mysql://host/db", "lance://", "lance:", "postgresql:host"]
)
def test_what_is_no_store_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(PathError, match=r"is no store: write lance:///FOLDER.*qdrant://HOST:6333"):
        parse_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ada:canary@host/db",
        "postgresql://ada@host/db?password=canary",
        "postgresql://ada@host/db?sslpassword=canary",
        "qdrant://host:6333/photos?api_key=canary",
        "lance://s3://key:canary@bucket/photos",
    ],
)
def test_an_address_with_a_password_is_refused_and_the_message_does_not_hold_it(text: str) -> None:
    with pytest.raises(PathError, match="leave it out") as refused:
        parse_address(text)
    assert "canary" not in str(refused.value)


def test_a_folder_means_the_same_wherever_the_run_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address("lance://out/photos").text == f"lance://{tmp_path}/out/photos"
    assert parse_address("lance:////out//photos/").text == "lance:///out/photos"
    assert parse_address("lance://s3://b/k/") == Address("lance", "s3://b/k")
    assert parse_address("postgres://h/db?schema=a").text == "postgresql://h/db?schema=a"


def test_a_folder_that_cannot_be_made_is_told_without_where_lance_found_out(world: World) -> None:
    pytest.importorskip("lance", reason="crossmodal[lance] is not installed")
    with pytest.raises(StoreError, match=r"cannot be written \(.*os error \d+\)\):") as refused:
        world.publish("lance:///proc/photos")
    assert ".rs:" not in str(refused.value)


def test_a_server_that_is_away_is_worth_another_try(world: World) -> None:
    pytest.importorskip("psycopg", reason="crossmodal[postgres] is not installed")
    with pytest.raises(StoreAway, match=r"does not answer.*publish again") as away:
        world.publish(f"postgresql://ada@127.0.0.1:{free_port()}/photos?connect_timeout=2")
    assert is_transient(away.value)


def test_a_qdrant_that_is_away_is_worth_another_try(world: World) -> None:
    pytest.importorskip("qdrant_client", reason="crossmodal[qdrant] is not installed")
    with pytest.raises(StoreAway, match=r"does not answer.*publish again"):
        world.publish(f"qdrant://127.0.0.1:{free_port()}/photos")


def test_a_database_that_is_not_there_is_named(world: World, postgres: str) -> None:
    with pytest.raises(StoreError, match='database "nowhere" does not exist') as refused:
        world.publish(postgres.replace("/postgres?", "/nowhere?"))
    assert not is_transient(refused.value)


def test_a_user_without_rights_is_told_what_to_grant(world: World, postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as con:
        con.execute("CREATE EXTENSION IF NOT EXISTS vector")
        con.execute("DROP ROLE IF EXISTS reader")
        con.execute("CREATE ROLE reader LOGIN")
    with pytest.raises(StoreError, match=r"refuses this user \(permission denied.*grant CREATE"):
        world.publish(postgres.replace("postgres@", "reader@") + "&schema=closed")


def test_a_folder_that_cannot_be_made_is_refused(
    world: World, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fresh_address("lance", request, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written.*name another folder"):
        world.publish(f"lance://{tmp_path / 'file'}/store")


def test_a_connection_that_breaks_off_is_taken_up_where_it_was(
    world: World, postgres_address: str
) -> None:
    import psycopg

    dsn, _ = postgres_address.split("&schema=")
    run_id, cut = uuid.uuid4().hex, []
    with world.collection.write() as con:
        runs.start_run(con, run_start(run_id))

    def cut_once(_: int) -> None:
        if not cut:
            with psycopg.connect(dsn, autocommit=True) as con:
                cut.extend(con.execute(CUT).fetchall())

    world.publish(postgres_address)
    world.add(range(200, 220))
    world.delete("/photos/0.png")
    with publishing(world.collection, PublishOptions(to=postgres_address), run_id) as publisher:
        plan = publisher.plan()
        with pytest.raises(StoreAway, match="does not answer"):
            publisher.send(plan, cut_once)
        publisher.send(plan, cut_once)
        done = publisher.close(verified(publisher, plan, cut_once))
    assert cut == [(True,)]
    assert (done.num_sent, done.num_removed) == (20, 1)
    assert_in_step(world, postgres_address)


CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name = ''
"""


def test_vectors_that_somebody_else_wrote_are_told_of(world: World, postgres_address: str) -> None:
    import psycopg

    world.publish(postgres_address)
    dsn, schema = postgres_address.split("&schema=")
    with psycopg.connect(dsn, autocommit=True) as con:
        (name,) = con.execute(f"SELECT name FROM {schema}.crossmodal_tables").fetchone()
        con.execute(f"UPDATE {schema}.{name} SET vector = vector + vector")
    with pytest.raises(StoreError, match=r"is not the collection's.*Publish with --full"):
        world.publish(postgres_address)
    assert world.publish(postgres_address, full=True).num_sent == 60
    assert_in_step(world, postgres_address)
