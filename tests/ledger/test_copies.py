"""What keeps a collection safe: reading all of it, copying it beside a run, putting it back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmodal.cli.main import make_app
from crossmodal.errors import CollectionError, CollectionUnreadable
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.copies import back_up, restore
from crossmodal.ledger.read.verify_all import verify_all
from crossmodal.ledger.write import model_versions, runs
from tests.ledger import build

NUM_SOURCES = 3000


@pytest.fixture
def filled(collection: Collection) -> Collection:
    """Return a collection of some blocks at rest."""
    with collection.write() as con:
        version = model_versions.register(con, build.version())
        start = runs.RunStart(run_id="run", flow="index", params={}, code_version="0")
        runs.start_run(con, start)
        build.commit(
            con, version, *(build.planned(f"/p/{i}.png", f"{i:064}") for i in range(NUM_SOURCES))
        )
    return collection


def test_sound_collection_is_read_to_its_end(filled: Collection) -> None:
    found = verify_all(filled)
    assert found.problems == []
    assert found.num_vectors == NUM_SOURCES
    assert found.num_rows > 3 * NUM_SOURCES


BLOCK_BYTES = 262_144
FIRST_BLOCK = 3 * 4096


def content_of(collection: Collection) -> list[tuple[object, ...]]:
    """Return every row of every table, as far as can be told by a sum of hashes."""
    with collection.read() as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        return [
            con.execute(f"SELECT '{t}', count(*), sum(hash(t)) FROM \"{t}\" t").fetchone()
            for (t,) in tables
        ]


def test_flipped_byte_in_any_block_is_found_unless_nothing_lies_there(filled: Collection) -> None:
    sound = content_of(filled)
    size = filled.path.stat().st_size
    num_found = 0
    places = [begin + 1000 for begin in range(FIRST_BLOCK, size, BLOCK_BYTES)]
    for place in places:
        flip(filled.path, place)
        try:
            found = bool(verify_all(filled).problems)
        except CollectionUnreadable:
            found = True
        assert found or content_of(filled) == sound, f"byte {place} lies and nobody says so"
        num_found += found
        flip(filled.path, place)
    assert num_found >= len(places) / 2
    assert verify_all(filled).problems == []


def flip(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 0xFF]))


def test_vector_that_is_too_long_and_chunk_that_is_gone_are_found(filled: Collection) -> None:
    with filled.write() as con:
        con.execute("UPDATE vector_1_image SET v = [2, 0, 0, 0]::FLOAT[4] WHERE chunk_id = 1")
        con.execute("DELETE FROM chunk WHERE chunk_id = 2")
    problems = verify_all(filled).problems
    assert any("not of length 1" in problem for problem in problems)
    assert any("without a chunk" in problem for problem in problems)


def test_copy_beside_a_run_is_whole_and_sound(filled: Collection, tmp_path: Path) -> None:
    stop = threading.Event()

    def keep_writing() -> None:
        number = NUM_SOURCES
        while not stop.is_set():
            with filled.write() as con:
                version = model_versions.by_id(con, 1)
                build.commit(con, version, build.planned(f"/p/{number}.png", f"{number:064}"))
            number += 1

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        copies = [back_up(filled, tmp_path / f"copy{i}.duckdb") for i in range(3)]
    finally:
        stop.set()
        writer.join()
    counts = [copied.verified.num_vectors for copied in copies]
    assert NUM_SOURCES <= counts[0] <= counts[1] <= counts[2]
    assert not list(tmp_path.glob("*.copy*"))


def test_copy_is_put_back_only_where_that_is_said(filled: Collection, tmp_path: Path) -> None:
    kept = Collection(back_up(filled, tmp_path / "kept.duckdb").destination)
    with filled.write() as con:
        con.execute("DELETE FROM vector_1_image")
    with pytest.raises(CollectionError, match="--replace"):
        restore(kept, filled)
    assert restore(kept, filled, over=True).verified.num_vectors == NUM_SOURCES
    assert verify_all(filled).num_vectors == NUM_SOURCES
    with pytest.raises(CollectionError, match="is there already"):
        back_up(filled, kept.path)


def test_commands_end_with_1_where_something_is_wrong_and_put_a_copy_back(
    filled: Collection, tmp_path: Path
) -> None:
    copy = tmp_path / "kept.duckdb"
    assert command("backup", copy, "-c", filled.path) == 0
    assert command("verify", "-c", filled.path, "--json") == 0
    with filled.write() as con:
        con.execute("UPDATE vector_1_image SET v = [2, 0, 0, 0]::FLOAT[4] WHERE chunk_id = 1")
    assert command("verify", "-c", filled.path) == 1
    assert command("restore", copy, "-c", filled.path) == 1
    assert command("verify", "-c", filled.path) == 1
    assert command("restore", copy, "-c", filled.path, "--replace") == 0
    assert command("verify", "-c", filled.path) == 0


def command(*arguments: object) -> int:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(make_app(words), words).exit_code


def test_emptied_collection_is_refused_and_its_log_is_kept(filled: Collection) -> None:
    filled.path.write_bytes(b"")
    log = Path(f"{filled.path}.wal")
    log.write_bytes(b"the last commits")
    with pytest.raises(CollectionUnreadable, match="is empty now"), filled.write():
        pass
    assert log.read_bytes() == b"the last commits"
    log.unlink()
    with pytest.raises(CollectionUnreadable, match="is empty now"), filled.write():
        pass
