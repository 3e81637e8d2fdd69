"""Packed tars, remote tars and Parquet files with media: their members are sources of their own."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossmodal.errors import Refused
from crossmodal.files.archives import copies, opening
from crossmodal.files.archives.copies import copies_folder
from crossmodal.files.archives.opening import contents
from crossmodal.files.read import read_source
from crossmodal.web.files.breaker import CircuitBreaker
from crossmodal.web.files.sources import Sources
from tests.sources.test_tars import PLAIN, add, pack, source_row
from tests.sources.world import PNG, World
from tests.web.web import web as serving


@pytest.fixture(autouse=True)
def _cache_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_CACHE", str(tmp_path / "cache"))


def zstd(data: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(data)
    return bytes(out.getvalue())


PACKERS = {
    ".tar.gz": gzip.compress,
    ".tgz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".tar.zst": zstd,
}


def packed(folder: Path, ending: str = ".tar.gz", members: dict[str, str] = PLAIN) -> Path:
    """Write a compressed tar of pictures."""
    plain = pack(folder.parent / "plain.tar", members)
    path = folder / f"shard{ending}"
    path.write_bytes(PACKERS[ending](plain.read_bytes()))
    plain.unlink()
    return path


def copies_of_this_test() -> list[Path]:
    return sorted(copies_folder().glob("*/copy.tar"))


@pytest.mark.parametrize("ending", PACKERS)
def test_members_of_a_packed_tar_are_sources(world: World, ending: str) -> None:
    path = packed(world.folder, ending)
    first = world.run(archives=True)
    assert set(first.table["uri"].to_pylist()) == {f"{path}/{name}" for name in PLAIN}
    assert read_source(f"{path}/deep/001.png", 1000) == PNG + b"one"
    again = world.run(archives=True)
    assert (again.num_read, again.rows) == (0, {})


def test_a_packed_tar_that_did_not_change_is_listed_without_its_copy(world: World) -> None:
    path = packed(world.folder)
    world.run(archives=True)
    (copy,) = copies_of_this_test()
    copy.unlink()
    opening._KNOWN.clear()
    assert world.run(archives=True).rows == {}
    assert copies_of_this_test() == []
    assert read_source(f"{path}/000.png", 1000) == PNG + b"zero"
    assert copies_of_this_test() == [copy]


def test_packed_tar_that_ends_in_the_middle_gives_what_is_whole(world: World) -> None:
    members = {f"{n:03}.png": os.urandom(2000).hex() for n in range(5)}
    path = packed(world.folder, members=members)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 5])
    cut = world.run(archives=True)
    (refusal,) = cut.summary.rejected
    assert (refusal.uri, refusal.reason) == (str(path), "truncated")
    assert "it ends in the middle" in refusal.detail
    assert 0 < len(cut.embedded) < 5
    path.write_bytes(whole)
    os.utime(path, (1_000_000_009, 1_000_000_009))
    assert len(world.run(archives=True).embedded) == 5 - len(cut.embedded)
    assert world.run(archives=True).rows == {}


def test_file_that_is_not_packed_as_its_name_says_is_named(world: World) -> None:
    (world.folder / "no.tar.gz").write_bytes(b"this is no gzip at all" * 100)
    (world.folder / "no.tar.zst").write_bytes(b"this is no zstd at all" * 100)
    (world.folder / "no.parquet").write_bytes(b"PAR1 and no more")
    told = {r.uri.rpartition("/")[2]: r.detail for r in world.run(archives=True).summary.rejected}
    assert "packed in another way" in told["no.tar.gz"]
    assert "packed in another way" in told["no.tar.zst"]
    assert "cannot be read" in told["no.parquet"]


def test_bomb_is_stopped_and_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "ALWAYS_ALLOWED_BYTES", 1_000_000)
    path = world.folder / "bomb.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        add(tar, "good.png", PNG + b"good")
        add(tar, "zeros.png", bytes(50_000_000))
    found = world.run(archives=True)
    assert found.embedded == {"good.png"}
    (refusal,) = found.summary.rejected
    assert "100 times its size" in refusal.detail
    assert sum(copy.stat().st_size for copy in copies_of_this_test()) < 10_000_000


def test_full_disk_is_said_and_what_was_known_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(world.folder)
    world.run(archives=True)
    monkeypatch.setattr(copies, "KEPT_FREE_BYTES", 1 << 60)
    monkeypatch.setattr(copies, "ALWAYS_ALLOWED_BYTES", 512)
    os.utime(path, (5, 5))
    full = world.run(archives=True)
    (refusal,) = full.summary.rejected
    assert "no room to unpack it" in refusal.detail
    assert "deleted" not in full.summary.counts
    monkeypatch.undo()


def test_copies_unused_for_longest_go_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = packed(world.folder)
    contents(str(first))
    monkeypatch.setattr(copies, "MAX_COPIES_BYTES", 10_000)
    second = packed(world.folder, ".tar.xz")
    contents(str(second))
    assert len(copies_of_this_test()) == 1
    assert read_source(f"{first}/000.png", 1000) == PNG + b"zero"


def test_hostile_members_of_a_packed_tar_are_refused_as_in_a_plain_one(world: World) -> None:
    with tarfile.open(world.folder / "shard.tar.gz", "w:gz") as tar:
        add(tar, "good.png", PNG + b"first")
        add(tar, "good.png", PNG + b"last")
        add(tar, "link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        for name in ("/etc/passwd", "../../secret.png"):
            add(tar, name, PNG + name.encode())
    found = world.run(archives=True)
    assert found.embedded == {"good.png"}
    assert read_source(f"{world.folder}/shard.tar.gz/good.png", 100) == PNG + b"last"
    reasons = sorted(refusal.reason for refusal in found.summary.rejected)
    assert reasons == ["link", "unusable_name", "unusable_name"]


FEATURES = {
    "image": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": ["cat", "dog"]},
}


def pictures_table(texts: list[str | None], path: str | None = "cats/{}.png") -> pa.Table:
    """Return a table as Hugging Face's datasets write it."""
    cells = [
        None
        if text is None
        else {"bytes": PNG + text.encode(), "path": path and path.format(number)}
        for number, text in enumerate(texts)
    ]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        "image": pa.array(cells, struct),
        "label": pa.array([n % 2 for n in range(len(texts))], pa.int64()),
        "text": pa.array([f"picture of {text}" for text in texts]),
    }
    noted = json.dumps({"info": {"features": FEATURES}})
    return pa.table(columns).replace_schema_metadata({"huggingface": noted})


def test_rows_of_a_parquet_file_are_sources_with_names_of_their_own(world: World) -> None:
    path = world.folder / "train.parquet"
    pq.write_table(pictures_table(["zero", None, "two"]), path, row_group_size=2)
    first = world.run(archives=True)
    assert first.embedded == {"000000000.image.png", "000000002.image.png"}
    assert read_source(f"{path}/000000002.image.png", 1000) == PNG + b"two"
    assert world.run(archives=True).rows == {}
    pq.write_table(pictures_table(["new", "zero", "two"]), path, row_group_size=2)
    os.utime(path, (1_000_000_009, 1_000_000_009))
    changed = world.run(archives=True)
    assert changed.embedded == {"000000000.image.png"}


def test_rows_without_a_path_are_sources_too(world: World) -> None:
    pq.write_table(pictures_table(["zero"], path=None), world.folder / "train.parquet")
    assert world.run(archives=True).embedded == {"000000000.image.media"}


def test_parquet_without_media_stays_a_table(world: World) -> None:
    path = world.folder / "plain.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    found = world.run(archives=True)
    assert found.listing.num_found == 1
    assert found.table["uri"].to_pylist() == [str(path)]


def test_parquet_that_ends_in_the_middle_keeps_what_was_known(world: World) -> None:
    path = world.folder / "train.parquet"
    pq.write_table(pictures_table([f"picture {n}" for n in range(40)]), path)
    whole = path.read_bytes()
    assert len(world.run(archives=True).embedded) == 40
    path.write_bytes(whole[: len(whole) // 2])
    cut = world.run(archives=True)
    assert "deleted" not in cut.summary.counts
    (refusal,) = cut.summary.rejected
    assert "it cannot be read" in refusal.detail
    path.write_bytes(whole)
    os.utime(path, (1_000_000_009, 1_000_000_009))
    assert world.run(archives=True).embedded == set()


def test_damage_in_a_later_row_group_costs_only_what_follows(world: World) -> None:
    path = world.folder / "train.parquet"
    texts = [os.urandom(3000).hex() for _ in range(64)]
    pq.write_table(
        pictures_table(texts), path, row_group_size=16, use_dictionary=False, compression="snappy"
    )
    data = bytearray(path.read_bytes())
    at = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    data[at : at + 4000] = os.urandom(4000)
    path.write_bytes(data)
    found = world.run(archives=True)
    assert len(found.embedded) == 32
    (refusal,) = found.summary.rejected
    assert "row 32 and what follows cannot be read" in refusal.detail


@pytest.mark.parametrize("knows_ranges", [True, False])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_members_of_a_tar_on_a_web_server_are_sources(
    world: World, ending: str, knows_ranges: bool
) -> None:
    members = {f"{n}.png": os.urandom(200_000).hex() for n in range(5)}
    if ending:
        packed(world.folder, members=members)
    else:
        pack(world.folder / "shard.tar", members)
    with serving(world.folder) as web:
        web.knows_ranges = knows_ranges
        opening._REMOTE.clear()
        tar = f"{web.url}/shard.tar{ending}"
        found = world.plan(f"{web.url}/", archives=True)
        assert set(found.table["uri"].to_pylist()) == {f"{tar}/{name}" for name in members}
        web.asked.clear()
        assert read_source(f"{tar}/3.png", 1 << 20) == PNG + members["3.png"].encode()
        asked = [request for request in web.asked if request.startswith("GET")]
        assert len(asked) == (1 if knows_ranges and not ending else 0)
        with pytest.raises(Refused, match="it was there"):
            read_source(f"{tar}/none.png", 1000)


def test_member_behind_a_url_is_shown_and_its_parts_are_sent(world: World) -> None:
    tar = pack(world.folder / "shard.tar", PLAIN)
    with serving(world.folder) as web:
        uri = f"{web.url}/shard.tar/deep/001.png"
        content = PNG + b"one"
        row = replace(
            source_row(uri, tar, len(content)),
            root=web.url,
            content_hash=hashlib.sha256(content).hexdigest(),
        )
        sources = Sources(CircuitBreaker(1))
        assert sources.look(row)() == content
        opened = sources.open(row)
        assert opened.read_at(len(PNG), 2) == b"on"
        opened.close()


def test_members_of_a_tar_and_rows_of_a_parquet_in_a_bucket_are_sources(
    world: World, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    import s3fs

    store = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    store.mkdir("shards")
    store.put(str(pack(world.home / "0.tar", PLAIN)), "shards/a/0.tar")
    pq.write_table(pictures_table(["three"]), world.home / "1.parquet")
    store.put(str(world.home / "1.parquet"), "shards/a/1.parquet")
    store.pipe("shards/a/folder.tar/000.png", PNG + b"in a folder with the name of a tar")
    try:
        found = world.run("s3://shards/a", archives=True)
        assert set(found.table["uri"].to_pylist()) == {
            *(f"s3://shards/a/0.tar/{name}" for name in PLAIN),
            "s3://shards/a/1.parquet/000000000.image.png",
            "s3://shards/a/folder.tar/000.png",
        }
        assert world.run("s3://shards/a", archives=True).rows == {}
    finally:
        store.rm("shards", recursive=True)
