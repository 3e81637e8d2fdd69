"""A user's own CSV: what it may look like, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from crossmodal.errors import PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import runs, shard_writer, undo
from crossmodal.ledger.write.own_columns import JoinedColumns, joined_before, put_own_columns
from crossmodal.ledger.write.settle import has_work, settle_run
from crossmodal.records import Lineup, Plan, PlanSummary
from crossmodal.sources import own_columns
from crossmodal.sources.own_columns import read_own_columns
from tests.ledger import build
from tests.ledger.undo_world import start

URIS = (
    "/photos/a/1.jpg",
    "/photos/a/2.jpg",
    "/photos/b/1.jpg",
    "/photos/b/x y.jpg",
    "s3://b/3.jpg",
)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection(tmp_path / "c.duckdb")
    with made.write() as con:
        rows = [build.planned(uri, uri, embed=False) for uri in URIS]
        shard_writer.apply_plan(con, build.plan(*rows), "run", None)
    return made


def csv(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "labels.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def join(collection: Collection, file: Path) -> JoinedColumns:
    with collection.write() as con:
        return put_own_columns(con, read_own_columns(file))


def said(collection: Collection) -> set[tuple[str, str, str]]:
    with collection.read() as con:
        sql = "SELECT split_part(uri, '/', -2) || '/' || split_part(uri, '/', -1), name, value"
        return set(con.execute(f"{sql} FROM own_column").fetchall())


def test_a_path_is_whole_or_relative_or_the_end_of_one_source(
    collection: Collection, tmp_path: Path
) -> None:
    file = csv(
        tmp_path,
        "path,Label\n/photos/a/1.jpg,whole\na/2.jpg,root\n./b/../b/x y.jpg,dots\ns3://b/3.jpg,url\n",
    )
    found = join(collection, file)
    assert said(collection) == {
        ("a/1.jpg", "label", "whole"),
        ("a/2.jpg", "label", "root"),
        ("b/x y.jpg", "label", "dots"),
        ("b/3.jpg", "label", "url"),
    }
    assert (found.num_joined, found.num_unknown, found.num_ambiguous) == (4, 0, 0)
    assert found.told() == []


def test_rows_that_mean_no_source_or_several_are_counted_and_told(
    collection: Collection, tmp_path: Path
) -> None:
    file = csv(tmp_path, "file;label\n1.jpg;either\nnone.jpg;gone\n2.jpg;right\n;nobody\n\n")
    found = join(collection, file)
    assert said(collection) == {("a/2.jpg", "label", "right")}
    assert (found.num_rows, found.num_joined, found.num_unknown, found.num_ambiguous) == (
        3,
        1,
        1,
        1,
    )
    told = " ".join(found.told())
    assert "1 row names no path" in told
    assert "of 3 rows 1 were joined; 1 name no source of the collection, 1 name several" in told
    assert "such as 1.jpg, none.jpg" in told


def test_the_folder_of_the_file_comes_before_the_ends_of_paths(
    collection: Collection, tmp_path: Path
) -> None:
    own = str(tmp_path / "1.jpg")
    with collection.write() as con:
        plan = build.plan(build.planned(own, own, embed=False))
        shard_writer.apply_plan(con, plan, "run", None)
    found = join(collection, csv(tmp_path, "path,label\n1.jpg,mine\n"))
    assert found.num_joined == 1
    with collection.read() as con:
        assert con.execute("SELECT uri FROM own_column").fetchall() == [(own,)]


def test_a_changed_file_changes_what_it_said_and_nothing_else(
    collection: Collection, tmp_path: Path
) -> None:
    file = csv(tmp_path, "path,label,year\na/1.jpg,red,2010\na/2.jpg,blue,\na/2.jpg,dark,\n")
    join(collection, file)
    assert ("a/2.jpg", "label", "dark") in said(collection)
    with collection.read() as con:
        assert joined_before(con, str(file), own_columns.stat_of(file)) is not None
    file.write_text("path,label\na/1.jpg,green\n")
    with collection.read() as con:
        assert joined_before(con, str(file), own_columns.stat_of(file)) is None
    join(collection, file)
    assert said(collection) == {("a/1.jpg", "label", "green")}


def test_what_a_file_said_of_a_source_goes_with_the_source(
    collection: Collection, tmp_path: Path
) -> None:
    join(collection, csv(tmp_path, "path,label\na/1.jpg,red\na/2.jpg,blue\n"))
    with collection.write() as con:
        gone = build.planned("/photos/a/1.jpg", None, action="deleted", embed=False)
        shard_writer.apply_plan(con, build.plan(gone), "run", Lineup.of(build.version()))
    assert said(collection) == {("a/2.jpg", "label", "blue")}


def test_what_a_file_said_of_an_undone_source_goes_with_the_next_run(
    collection: Collection, tmp_path: Path
) -> None:
    added = build.planned("/photos/c/9.jpg", "nine", embed=False)
    with collection.write() as con:
        runs.start_run(con, start(con, "adding"))
        shard_writer.apply_plan(con, build.plan(added), "adding", Lineup.of(build.version()))
        runs.finish_run(con, "adding", "completed", {}, "")
    join(collection, csv(tmp_path, "path,caption\nc/9.jpg,a heron\na/2.jpg,a boat\n"))
    file = tmp_path / "plan.parquet"
    pq.write_table(build.plan(), file)
    nothing = Plan(
        path=file,
        summary=PlanSummary(counts={}, num_to_embed=0, bytes_to_embed=0, num_found=5),
        batches=(),
    )
    with collection.write() as con:
        undo.undo(con, start(con, "undoing", "undo"), "adding")
        assert has_work(con, nothing)
        settle_run(con, "undoing", nothing, Lineup.of(build.version()))
        assert not has_work(con, nothing)
        left = con.execute("SELECT uri FROM caption_words").fetchall()
    assert said(collection) == {("a/2.jpg", "caption", "a boat")}
    assert left == [("/photos/a/2.jpg",)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column of paths among none"),
        (b"name,label\nx,y\n", "no column of paths among 'name', 'label': call one path"),
        (b"path,Label, label \nx,1,2\n", "has the column 'label' twice (also as 'Label'"),
        (b"path,a=b\nx,1\n", "no filter can name the column 'a=b'"),
        (b"path,label\nx,1\ny,\xff\n", "is not UTF-8 text"),
        ("path,label\nx,1\n".encode("utf-16"), "is not UTF-8 text"),
        (b"path,label\nx,1\ny,a\0b\n", "line 3: it holds a NUL byte"),
        (b"path,label\nx,1,2\n", "line 2: it has 3 cells, the first line 2"),
        (b'path,label\nx,"1\n', "it is no CSV"),
        (b"path," + b",".join(b"c%d" % i for i in range(300)), "301 columns"),
        (b"path," + b"x" * 300, "no filter can name the column"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(PathError) as told:
        read_own_columns(csv(tmp_path, content))
    assert message in str(told.value)
    assert "labels.csv" in str(told.value)


def test_what_is_no_file_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PathError, match="cannot be read"):
        read_own_columns(tmp_path / "none.csv")
    with pytest.raises(PathError, match="are no file"):
        read_own_columns(tmp_path)
    monkeypatch.setattr(own_columns, "MAX_BYTES", 5)
    with pytest.raises(PathError, match="are larger than"):
        read_own_columns(csv(tmp_path, "path,label\n"))


def test_names_of_fields_and_nameless_columns_are_no_harm(tmp_path: Path) -> None:
    read = read_own_columns(
        csv(tmp_path, "\ufeff,path\tsize\n".replace(",", "\t") + "0\tx.jpg\t9\n")
    )
    assert read.values.to_pylist() == [{"row": 0, "name": "size", "value": "9"}]
    assert read.notes == ("'size' is a field of its own: ask for the column as columns.size",)
