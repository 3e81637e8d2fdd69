"""What lies below local paths: links, odd names, what cannot be read, roots that overlap."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from crossmodal.errors import PathError
from crossmodal.records import MANIFEST_SCHEMA
from crossmodal.sources.listing.listing import Listing, list_sources
from crossmodal.sources.options import ListOptions


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    for name in ("a.jpg", "sub/b.jpg", "sub/deep/c.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def list_below(tree: Path, *paths: Any, **options: Any) -> Listing:
    chosen = [str(path) for path in paths or (tree,)]
    return list_sources(chosen, tree.parent / "manifest", ListOptions(**options))


def rows(listing: Listing) -> list[dict[str, Any]]:
    return pq.read_table(listing.manifest).to_pylist()


def uris(listing: Listing) -> list[str]:
    return sorted(row["uri"] for row in rows(listing))


def names(listing: Listing) -> list[str]:
    return sorted(os.path.basename(uri) for uri in uris(listing))


def test_every_file_below_a_folder_is_one_row_with_size_and_time(tree: Path) -> None:
    listing = list_below(tree)
    assert pq.read_schema(listing.manifest) == MANIFEST_SCHEMA
    assert uris(listing) == [str(tree / n) for n in ("a.jpg", "sub/b.jpg", "sub/deep/c.png")]
    first = min(rows(listing), key=lambda row: row["uri"])
    status = (tree / "a.jpg").stat()
    assert (first["size_bytes"], first["mtime_ns"]) == (status.st_size, status.st_mtime_ns)
    assert first["root"] == str(tree)
    assert (listing.num_found, listing.bytes_found) == (3, 5 + 9 + 14)


def test_batches_smaller_than_the_folder_lose_nothing(tree: Path) -> None:
    for number in range(10):
        (tree / f"{number}.jpg").touch()
    assert list_below(tree, batch_rows=4).num_found == 13
    assert pq.ParquetFile(tree.parent / "manifest").num_row_groups == 4


def test_paths_are_made_absolute(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "sub")
    monkeypatch.setenv("HOME", str(tree))
    assert uris(list_below(tree, "../a.jpg")) == [str(tree / "a.jpg")]
    assert uris(list_below(tree, "~/sub/deep/")) == [str(tree / "sub/deep/c.png")]
    assert uris(list_below(tree, f"file://{tree}/a.jpg")) == [str(tree / "a.jpg")]


def test_glob_keeps_its_pattern_as_root(tree: Path) -> None:
    listing = list_below(tree, tree / "**/*.jpg")
    assert names(listing) == ["a.jpg", "b.jpg"]
    assert {row["root"] for row in rows(listing)} == {str(tree / "**/*.jpg")}
    assert (listing.roots[0].kind, listing.roots[0].base) == ("glob", str(tree))


def test_path_that_exists_is_no_pattern(tree: Path) -> None:
    (tree / "[old] *").mkdir()
    (tree / "[old] *" / "d.jpg").touch()
    listing = list_below(tree, tree / "[old] *")
    assert (names(listing), listing.roots[0].kind) == (["d.jpg"], "folder")


def test_source_is_listed_once_where_roots_overlap(tree: Path) -> None:
    paths = (tree / "a.jpg", tree / "*.jpg", tree / "sub", tree, f"{tree}/")
    for order in (paths, paths[::-1]):
        listing = list_below(tree, *order)
        assert names(listing) == ["a.jpg", "b.jpg", "c.png"]
        assert {row["root"] for row in rows(listing)} == {str(tree)}, "the widest root keeps it"
        assert (listing.num_found, listing.bytes_found) == (3, 28)
        assert {Path(r.root).name: r.found for r in listing.roots} == {
            "a.jpg": 1,
            "*.jpg": 1,
            "sub": 2,
            "tree": 3,
        }


def test_links_are_followed_and_loops_end(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "far.jpg").touch()
    (tree / "0_to_outside").symlink_to(outside)
    (tree / "0_to_sub").symlink_to(tree / "sub")
    (tree / "sub" / "up").symlink_to(tree)
    (outside / "back").symlink_to(tree)
    (tree / "link.jpg").symlink_to(tree / "a.jpg")
    (tree / "dangling.jpg").symlink_to(tree / "nothing")
    (tree / "itself.jpg").symlink_to(tree / "itself.jpg")
    listing = list_below(tree)
    assert uris(listing) == [
        str(tree / name)
        for name in ("0_to_outside/far.jpg", "a.jpg", "link.jpg", "sub/b.jpg", "sub/deep/c.png")
    ]
    assert listing.rejected == []


def test_folder_that_is_a_link_is_walked_by_the_name_it_was_given(
    tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "album").symlink_to(tree)
    assert uris(list_below(tree, tmp_path / "album"))[0] == str(tmp_path / "album" / "a.jpg")


def test_hidden_files_are_listed_on_request(tree: Path) -> None:
    (tree / ".trash").mkdir()
    (tree / ".trash" / "x.jpg").touch()
    (tree / ".y.jpg").touch()
    listing = list_below(tree)
    assert (names(listing), listing.num_hidden) == (["a.jpg", "b.jpg", "c.png"], 2)
    assert list_below(tree, include_hidden=True).num_found == 5
    assert names(list_below(tree, tree / ".trash")) == ["x.jpg"], "named by the user"


def test_odd_names_are_kept_as_they_are(tree: Path) -> None:
    odd = ['it\'s "x".jpg', "写真 😀.jpg", "new\nline.jpg", "%20.jpg", "n" * 250, "a:b;$c.jpg"]
    folder = tree / "odd"
    folder.mkdir()
    for name in odd:
        (folder / name).touch()
    assert names(list_below(tree, folder)) == sorted(odd)


def test_name_that_is_not_utf8_is_refused_and_shown_with_escapes(tree: Path) -> None:
    Path(os.fsdecode(os.fsencode(tree) + b"/caf\xe9.jpg")).touch()
    os.mkdir(os.fsencode(tree) + b"/d\xff")
    listing = list_below(tree)
    assert names(listing) == ["a.jpg", "b.jpg", "c.png"]
    assert {(r.uri, r.stage, r.reason) for r in listing.rejected} == {
        (f"{tree}/caf\\xe9.jpg", "discover", "undecodable_name"),
        (f"{tree}/d\\xff", "discover", "undecodable_name"),
    }


def test_pipes_and_sockets_are_no_sources(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tree / "pipe.jpg")
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        assert names(list_below(tree)) == ["a.jpg", "b.jpg", "c.png"]
    with pytest.raises(PathError, match="neither a file nor a folder"):
        list_below(tree, tree / "pipe.jpg")


def test_unreadable_folder_is_a_refusal_with_its_prefix(
    tree: Path, bound_by_modes: Callable[[], None]
) -> None:
    for closed, mode in (("locked", 0o000), ("no_entry", 0o444)):
        (tree / closed).mkdir()
        (tree / closed / "d.jpg").touch()
        (tree / closed).chmod(mode)
    (tree / "link.jpg").symlink_to(tree / "locked" / "d.jpg")
    bound_by_modes()
    listing = list_below(tree)
    assert names(listing) == ["a.jpg", "b.jpg", "c.png"]
    assert listing.unreadable == [str(tree / n) for n in ("link.jpg", "locked", "no_entry")]
    assert {(Path(r.uri).name, r.reason, r.transient) for r in listing.rejected} == {
        ("link.jpg", "unreadable", False),
        ("locked", "unreadable_folder", False),
        ("no_entry", "unreadable_folder", False),
    }
    assert "Permission denied" in listing.rejected[0].detail


def test_collection_and_its_side_files_are_no_sources(tree: Path, tmp_path: Path) -> None:
    for name in ("c.duckdb", "c.duckdb.wal", "c.duckdb.lock", "c.duckdb.runs/1/manifest"):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tree / "c.duckdb_photo.jpg").touch()
    (tmp_path / "album").symlink_to(tree)
    listing = list_below(tree, tmp_path / "album", exclude=(str(tree / "c.duckdb"),))
    assert names(listing) == ["a.jpg", "b.jpg", "c.duckdb_photo.jpg", "c.png"]


def test_missing_paths_are_roots_without_files(tree: Path) -> None:
    gone = [tree / "gone", tree / "a.jpg" / "below", tree / "gone" / "*.jpg", tree / ("x" * 3000)]
    listing = list_below(tree, *gone)
    assert listing.num_found == 0
    assert [root.missing for root in listing.roots] == [True] * len(gone)


@pytest.mark.parametrize("paths", [[], [""], ["  "]])
def test_no_path_is_an_error_rather_than_the_current_folder(
    paths: list[str], tmp_path: Path
) -> None:
    with pytest.raises(PathError, match="folder, file, glob or URL"):
        list_sources(paths, tmp_path / "manifest", ListOptions())


def test_excluded_patterns_leave_out_files_and_whole_folders(tree: Path) -> None:
    listing = list_below(tree, patterns=("*.png", "/a.jpg"))
    assert names(listing) == ["b.jpg"]
    assert listing.num_ignored == 2
    assert "2 files and folders" in listing.notes[0]
    assert names(list_below(tree, patterns=("sub/",))) == ["a.jpg"]


def test_ignore_files_hold_for_their_folder_and_the_deepest_decides(tree: Path) -> None:
    (tree / ".gitignore").write_text("# no pictures\n*.jpg\n*.png\n")
    (tree / "sub" / ".crossmodalignore").write_text("!b.jpg\n")
    assert names(list_below(tree)) == ["b.jpg"]
    assert names(list_below(tree, heed_ignore_files=False)) == ["a.jpg", "b.jpg", "c.png"]


def test_ignore_file_that_is_none_hides_nothing(tree: Path) -> None:
    (tree / ".gitignore").mkdir()
    (tree / "sub" / ".gitignore").write_bytes(b"\xff\x00[[[\n\\")
    assert list_below(tree).num_found == 3


def test_pattern_that_is_none_is_refused_with_an_example(tree: Path) -> None:
    with pytest.raises(PathError, match="gitignore"):
        list_below(tree, patterns=("!",))
