"""Object stores and web servers, each a real server of this process."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow.parquet as pq
import pytest

from crossmodal.errors import PathError
from crossmodal.files import retry
from crossmodal.sources.listing.listing import Listing, list_sources
from crossmodal.sources.options import ListOptions
from crossmodal.sources.planning.content import inspect
from tests.sources.world import PNG

KEYS = ("a.png", "b.txt", "sub/c.png", "sub/deep/d.png", ".hidden/e.png", "sub/.f.png")


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, request: Any) -> Iterator[Any]:
    """Return a fresh bucket ``photos`` with KEYS below ``album/``."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = _s3()
    store.mkdir("photos")
    for key in KEYS:
        store.pipe(f"photos/album/{key}", PNG + key.encode())
    yield store
    store.rm("photos", recursive=True)


def _s3() -> Any:
    import s3fs

    return s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)


def list_at(tmp_path: Path, *urls: str, **options: Any) -> tuple[Listing, dict[str, Any]]:
    listing = list_sources(list(urls), tmp_path / "manifest", ListOptions(**options))
    rows = pq.read_table(listing.manifest).to_pylist()
    return listing, {row["uri"]: row for row in rows}


def test_bucket_folder_lists_its_objects_with_size_and_time(bucket: Any, tmp_path: Path) -> None:
    listing, rows = list_at(tmp_path, "s3://photos/album/")
    assert sorted(rows) == [
        f"s3://photos/album/{key}" for key in ("a.png", "b.txt", "sub/c.png", "sub/deep/d.png")
    ]
    first = rows["s3://photos/album/a.png"]
    assert first["root"] == "s3://photos/album"
    assert first["size_bytes"] == len(PNG) + 5
    modified = bucket.info("photos/album/a.png")["LastModified"].timestamp()
    assert first["mtime_ns"] == pytest.approx(modified * 1e9)
    assert (listing.roots[0].kind, listing.roots[0].found) == ("folder", 4)
    assert listing.num_hidden == 2


def test_whole_bucket_single_object_and_glob(bucket: Any, tmp_path: Path) -> None:
    assert len(list_at(tmp_path, "s3://photos", include_hidden=True)[1]) == 6
    listing, rows = list_at(tmp_path, "s3://photos/album/a.png")
    assert (listing.roots[0].kind, list(rows)) == ("url", ["s3://photos/album/a.png"])
    listing, rows = list_at(tmp_path, "s3://photos/album/**/*.png")
    assert sorted(uri.rpartition("/")[2] for uri in rows) == ["a.png", "c.png", "d.png"]
    assert {row["root"] for row in rows.values()} == {"s3://photos/album/**/*.png"}


def test_object_that_appears_later_is_seen_by_the_same_process(bucket: Any, tmp_path: Path) -> None:
    assert len(list_at(tmp_path, "s3://photos/album")[1]) == 4
    bucket.pipe("photos/album/new.png", PNG)
    bucket.rm("photos/album/a.png")
    names = [uri.rpartition("/")[2] for uri in list_at(tmp_path, "s3://photos/album")[1]]
    assert sorted(names) == ["b.txt", "c.png", "d.png", "new.png"]


def test_objects_are_sniffed_and_hashed(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe("photos/album/large.png", PNG + bytes(6_000_000))
    bucket.pipe("photos/album/b.txt", b"only words")
    listing, _ = list_at(tmp_path, "s3://photos/album")
    bucket.rm("photos/album/sub/c.png")
    done = inspect(listing.manifest, tmp_path / "out", lambda t: t.startswith("image/"))
    rows = {r["uri"].rpartition("/")[2]: r for r in pq.read_table(done.path).to_pylist()}
    assert rows["a.png"]["content_hash"] == hashlib.sha256(PNG + b"a.png").hexdigest()
    whole = hashlib.sha256(PNG + bytes(6_000_000)).hexdigest()
    assert rows["large.png"]["content_hash"] == whole
    assert (rows["b.txt"]["media_type"], rows["b.txt"]["content_hash"]) == ("text/plain", None)
    assert done.gone == ("s3://photos/album/sub/c.png",)


def test_empty_prefix_is_a_missing_root_but_an_unknown_bucket_an_error(
    bucket: Any, tmp_path: Path
) -> None:
    listing, rows = list_at(tmp_path, "s3://photos/nothing")
    assert (listing.roots[0].missing, rows) == (True, {})
    for url in ("s3://no-such-bucket/x", "s3://no-such-bucket/*.png"):
        with pytest.raises(PathError, match="no such bucket"):
            list_at(tmp_path, url)


def test_missing_credentials_say_what_to_set(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(PathError, match="AWS_ACCESS_KEY_ID"):
        list_at(tmp_path, "s3://photos/album")
    s3fs.S3FileSystem.clear_instance_cache()


def test_unknown_scheme_names_those_that_work(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="s3://"):
        list_at(tmp_path, "nonsense://x/y")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    site = tmp_path / "site"
    for key in ("a.png", "sub/c.png", ".f.png"):
        path = site / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG + key.encode())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_web_folder_lists_what_its_index_page_links(web: str, tmp_path: Path) -> None:
    listing, rows = list_at(tmp_path, f"{web}/")
    assert sorted(rows) == [f"{web}/a.png", f"{web}/sub/c.png"]
    first = rows[f"{web}/a.png"]
    assert first["size_bytes"] == len(PNG) + 5
    modified_s = int((tmp_path / "site" / "a.png").stat().st_mtime)
    assert first["mtime_ns"] == modified_s * 1_000_000_000
    assert listing.roots[0].root == web
    assert sorted(list_at(tmp_path, f"{web}/*/*.png")[1]) == [f"{web}/sub/c.png"]


def test_web_file_is_listed_and_read(web: str, tmp_path: Path) -> None:
    listing, rows = list_at(tmp_path, f"{web}/sub/c.png")
    assert (listing.roots[0].kind, len(rows)) == ("url", 1)
    done = inspect(listing.manifest, tmp_path / "out", lambda media_type: True)
    [row] = pq.read_table(done.path).to_pylist()
    assert row["content_hash"] == hashlib.sha256(PNG + b"sub/c.png").hexdigest()
    assert list_at(tmp_path, f"{web}/nothing.png")[0].roots[0].missing


def test_server_that_cannot_be_reached_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "BASE_DELAY_S", 0.001)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(PathError, match="could not be reached in 4 attempts"):
        list_at(tmp_path, f"http://127.0.0.1:{port}/a.png")
