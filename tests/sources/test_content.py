"""Reading candidates: media type and hash, refusals, files that move while they are read."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossmodal.files import retry
from crossmodal.records import MANIFEST_SCHEMA
from crossmodal.sources.planning import content
from crossmodal.sources.planning.content import INSPECTED_SCHEMA, Inspection, inspect
from tests.sources.world import PNG


def is_picture(media_type: str) -> bool:
    return media_type.startswith("image/")


def inspected(tmp_path: Path, *paths: Path, **options: Any) -> tuple[Inspection, list[Any]]:
    rows = [{"uri": str(p), "root": "/", "size_bytes": 1, "mtime_ns": 1} for p in paths]
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST_SCHEMA), tmp_path / "candidates")
    done = inspect(tmp_path / "candidates", tmp_path / "inspected", is_picture, **options)
    table = pq.read_table(done.path)
    assert table.schema == INSPECTED_SCHEMA
    return done, table.to_pylist()


def test_picture_gets_its_type_hash_size_and_time(tmp_path: Path) -> None:
    body = PNG + os.urandom(3_000_000)
    picture = tmp_path / "x.jpg"
    picture.write_bytes(body)
    done, [row] = inspected(tmp_path, picture)
    assert row == {
        "uri": str(picture),
        "size_bytes": len(body),
        "mtime_ns": picture.stat().st_mtime_ns,
        "media_type": "image/png",
        "content_hash": hashlib.sha256(body).hexdigest(),
    }
    assert (done.num_read, done.num_bytes) == (1, len(body))


def test_content_without_chunker_is_not_hashed(tmp_path: Path) -> None:
    table = tmp_path / "x.csv"
    table.write_text("a,b\n" * 100_000)
    done, [row] = inspected(tmp_path, table)
    assert (row["media_type"], row["content_hash"], done.num_bytes) == ("text/csv", None, 0)


def test_file_that_vanished_is_gone_and_no_refusal(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    gone = [tmp_path / "x.jpg", tmp_path / "folder", tmp_path / "pipe", tmp_path / "pipe" / "y.jpg"]
    done, rows = inspected(tmp_path, *gone)
    assert rows == []
    assert done.gone == tuple(map(str, gone))
    assert done.rejected == ()


def test_file_without_permission_is_refused(
    tmp_path: Path, bound_by_modes: Callable[[], None]
) -> None:
    (tmp_path / "x.jpg").touch(mode=0o000)
    bound_by_modes()
    done, rows = inspected(tmp_path, tmp_path / "x.jpg")
    [refusal] = done.rejected
    assert rows == []
    assert (refusal.stage, refusal.reason, refusal.transient) == ("plan", "unreadable", False)
    assert "Permission denied" in refusal.detail


def test_file_that_is_being_written_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "x.png"
    picture.write_bytes(PNG)
    handled = iter([True])

    def grow_once(media_type: str) -> bool:
        if next(handled, False):
            with picture.open("ab") as file:
                file.write(b"more")
        return True

    rows = [{"uri": str(picture), "root": "/", "size_bytes": 1, "mtime_ns": 1}]
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST_SCHEMA), tmp_path / "candidates")
    done = inspect(tmp_path / "candidates", tmp_path / "inspected", grow_once)
    [row] = pq.read_table(done.path).to_pylist()
    assert row["content_hash"] == hashlib.sha256(PNG + b"more").hexdigest()
    assert row["size_bytes"] == len(PNG) + 4


def test_file_that_never_holds_still_is_refused_for_now(tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    picture.write_bytes(PNG)

    def grow(media_type: str) -> bool:
        with picture.open("ab") as file:
            file.write(b"more")
        return True

    rows = [{"uri": str(picture), "root": "/", "size_bytes": 1, "mtime_ns": 1}]
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST_SCHEMA), tmp_path / "candidates")
    [refusal] = inspect(tmp_path / "candidates", tmp_path / "inspected", grow).rejected
    assert (refusal.reason, refusal.transient) == ("changed_while_indexing", True)


@pytest.mark.parametrize(("code", "num_calls"), [(errno.EIO, 4), (errno.EACCES, 1)])
def test_only_passing_failures_are_tried_again(
    code: int, num_calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "BASE_DELAY_S", 0.001)
    calls = []

    def fail() -> None:
        calls.append(1)
        raise OSError(code, os.strerror(code))

    with pytest.raises(OSError, match=os.strerror(code)):
        retry.with_retries(fail)
    assert len(calls) == num_calls


def test_failure_that_passes_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "BASE_DELAY_S", 0.001)
    answers = iter([OSError(errno.EIO, "x"), TimeoutError(), 7])

    def sometimes() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retry.with_retries(sometimes) == 7


def test_more_files_than_a_batch_are_all_read_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_BATCH_ROWS", 7)
    pictures = [tmp_path / f"{number:02}.png" for number in range(30)]
    for picture in pictures:
        picture.write_bytes(PNG + picture.name.encode())
    progress: list[int] = []
    done, rows = inspected(tmp_path, *pictures, progress=progress.append)
    assert done.num_read == sum(progress) == 30
    assert len({row["content_hash"] for row in rows}) == 30
