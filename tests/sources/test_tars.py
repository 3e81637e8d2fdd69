"""Members of plain tars are sources of their own: kept in step, bounded, and never led astray."""

from __future__ import annotations

import io
import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crossmodal.errors import Refused
from crossmodal.files.archives.opening import contents, split_member
from crossmodal.files.read import read_source
from crossmodal.ledger.read.chunks import SourceRow
from crossmodal.previews.content import content_of
from crossmodal.web.files.breaker import CircuitBreaker
from crossmodal.web.files.sources import Sources
from tests.sources.world import PNG, World


def pack(path: Path, members: dict[str, str], mtime_s: int = 1_000_000_000) -> Path:
    """Write a tar of pictures, each old and of one time as WebDataset's are."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in members.items():
            add(tar, name, PNG + text.encode())
    os.utime(path, (mtime_s, mtime_s))
    return path


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **changes: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changes.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


PLAIN = {"000.png": "zero", "deep/001.png": "one", "002.png": "two"}


def test_members_are_sources_below_their_tar(world: World) -> None:
    tar = pack(world.folder / "shard.tar", PLAIN)
    first = world.run(archives=True)
    assert set(first.table["uri"].to_pylist()) == {f"{tar}/{name}" for name in PLAIN}
    assert first.embedded == {"000.png", "001.png", "002.png"}
    again = world.run(archives=True)
    assert (again.num_read, again.rows) == (0, {})


def test_changed_tar_embeds_only_the_member_that_differs(world: World) -> None:
    tar = pack(world.folder / "shard.tar", PLAIN)
    world.run(archives=True)
    pack(tar, PLAIN | {"002.png": "TWO", "003.png": "three"}, mtime_s=1_000_000_001)
    changed = world.run(archives=True)
    assert changed.num_read == 4
    assert changed.embedded == {"002.png", "003.png"}
    assert changed.actions["000.png"] == "unchanged"
    pack(tar, {"000.png": "zero", "new.png": "one"}, mtime_s=1_000_000_002)
    left = world.run(archives=True)
    assert left.embedded == set()
    assert left.actions["new.png"] == "renamed"
    assert left.actions["002.png"] == left.actions["003.png"] == "deleted"


def test_tar_that_is_named_itself_or_by_a_pattern_is_looked_into(world: World) -> None:
    tar = pack(world.folder / "shard.tar", PLAIN)
    assert world.plan(tar, archives=True).embedded == {"000.png", "001.png", "002.png"}
    assert len(world.plan(world.folder / "*.tar", archives=True).embedded) == 3


def test_members_stay_where_a_later_run_does_not_look_into_tars(world: World) -> None:
    tar = pack(world.folder / "shard.tar", PLAIN)
    world.put("beside.png")
    world.run(archives=True)
    plain = world.run()
    assert "deleted" not in plain.summary.counts
    tar.unlink()
    gone = world.run(allow_delete=True)
    assert gone.summary.counts["deleted"] >= 3


def test_tar_that_ends_in_the_middle_gives_what_is_whole_and_names_the_rest(world: World) -> None:
    whole = {f"{n:03}.png": "x" * 2000 + str(n) for n in range(5)}
    tar = pack(world.folder / "shard.tar", whole)
    world.run(archives=True)
    places = contents(str(tar)).members
    data = tar.read_bytes()
    tar.write_bytes(data[: places["003.png"].start + 700])
    cut = world.run(archives=True)
    assert "deleted" not in cut.summary.counts  # 003 and 004 may come back
    (refusal,) = cut.summary.rejected
    assert (refusal.uri, refusal.reason) == (str(tar), "truncated")
    assert "in the middle of 003.png" in refusal.detail
    assert "3 members are whole" in refusal.detail
    tar.write_bytes(data)
    os.utime(tar, (1_000_000_009, 1_000_000_009))
    assert world.run(archives=True).embedded == set()


@pytest.mark.parametrize("where", [0.5, 0.999])
def test_damage_between_members_is_seen(tmp_path: Path, where: float) -> None:
    tar = pack(tmp_path / "shard.tar", {f"{n}.png": "x" * 600 for n in range(20)})
    places = contents(str(tar)).members
    at = places[f"{int(20 * where)}.png"].start - 512
    data = bytearray(tar.read_bytes())
    data[at : at + 512] = b"\xff" * 512
    tar.write_bytes(data)
    found = contents(str(tar))
    assert len(found.members) == int(20 * where)
    assert "damaged" in found.broken


def test_links_devices_and_hostile_names_are_refused_by_name(world: World) -> None:
    secret = world.home / "secret.png"
    secret.write_bytes(PNG + b"secret")
    with tarfile.open(world.folder / "shard.tar", "w") as tar:
        add(tar, "good.png", PNG + b"good")
        add(tar, "link.png", type=tarfile.SYMTYPE, linkname=str(secret))
        add(tar, "hard.png", type=tarfile.LNKTYPE, linkname="good.png")
        add(tar, "device.png", type=tarfile.CHRTYPE)
        for name in ("/etc/passwd", "../../secret.png", "a//b.png", "bell\x07.png", "n" * 1100):
            add(tar, name, PNG + name.encode())
        add(tar, ".hidden.png", PNG + b"hidden")
        add(tar, "folder", type=tarfile.DIRTYPE)
    found = world.run(archives=True)
    assert found.embedded == {"good.png"}
    assert found.listing.num_hidden == 1
    reasons = sorted(refusal.reason for refusal in found.summary.rejected)
    assert reasons == ["link"] * 2 + ["no_file"] + ["unusable_name"] * 5


def test_headers_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        add(tar, "good.png", PNG)
        add(tar, "pax", b"x" * 200_000, type=tarfile.XHDTYPE)
        add(tar, "after.png", PNG)
    found = contents(str(tmp_path / "shard.tar"))
    assert list(found.members) == ["good.png"]
    assert "damaged" in found.broken


def test_file_that_is_no_tar_is_named(world: World) -> None:
    (world.folder / "no.tar").write_bytes(b"this is no tar at all" * 100)
    (world.folder / "empty.tar").write_bytes(b"")
    reasons = {
        r.uri.rpartition("/")[2]: r.reason for r in world.run(archives=True).summary.rejected
    }
    assert reasons == {"no.tar": "truncated", "empty.tar": "truncated"}


def test_member_is_read_shown_and_served_as_a_file_is(tmp_path: Path) -> None:
    tar = pack(tmp_path / "shard.tar", PLAIN)
    uri = f"{tar}/deep/001.png"
    assert read_source(uri, 1000) == content_of(uri) == PNG + b"one"
    with pytest.raises(Refused, match="it was there"):
        read_source(f"{tar}/none.png", 1000)
    row = source_row(uri, tar, len(PNG) + 3)
    opened = Sources(CircuitBreaker(1)).open(row)
    assert opened.read_at(len(PNG), 2) == b"on"
    opened.close()
    assert Sources(CircuitBreaker(1)).look(row)() == PNG + b"one"
    os.utime(tar, (5, 5))
    with pytest.raises(Refused, match="changed"):
        Sources(CircuitBreaker(1)).open(row)


def test_folder_with_the_name_of_a_tar_is_a_folder(world: World) -> None:
    path = world.put("odd.tar/000.png")
    assert split_member(str(path)) is None
    assert world.run(archives=True).embedded == {"000.png"}


def source_row(uri: str, tar: Path, size: int) -> SourceRow:
    return SourceRow(
        uri=uri,
        root=str(tar.parent),
        media_type="image/png",
        size_bytes=size,
        mtime_ns=tar.stat().st_mtime_ns,
        content_hash="0",
        indexed_at=datetime.now(UTC),
    )
