from __future__ import annotations

from pathlib import Path

import pytest

from crossmodal.errors import PathError
from crossmodal.search.query_file import read_queries
from crossmodal.search.service import Query


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_each_line_of_text_is_a_query(tmp_path: Path) -> None:
    found = read_queries(written(tmp_path, "q.txt", "\ufeffa boat\n\n  the sea \r\n"))
    assert [each.query for each in found] == [Query(text="a boat"), Query(text="the sea")]


def test_a_table_names_texts_or_pictures_and_keeps_the_rest(tmp_path: Path) -> None:
    table = 'id,query,image\n7,"a boat, at sea",\n8,,/p/x.jpg\n'
    found = read_queries(written(tmp_path, "q.csv", table))
    assert [each.query for each in found] == [
        Query(text="a boat, at sea"),
        Query(picture="/p/x.jpg"),
    ]
    assert [each.extras for each in found] == [{"id": "7"}, {"id": "8"}]


def test_json_lines_keep_what_else_they_hold(tmp_path: Path) -> None:
    lines = '{"text": "a boat", "id": 7}\n\n{"image": "x.png"}\n'
    found = read_queries(written(tmp_path, "q.jsonl", lines))
    assert [each.query for each in found] == [Query(text="a boat"), Query(picture="x.png")]
    assert found[0].extras == {"id": 7}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("q.xlsx", "a", r"ends in \.txt, \.csv, \.jsonl"),
        ("q.txt", "\n", "holds 0 queries"),
        ("q.csv", "name\na\n", "one must be query, text or image"),
        ("q.csv", "query,image\na,b\n", "line 2 .* either a text .* or an image"),
        ("q.csv", "query,image\n,\n", "line 2 .*: it holds neither"),
        ("q.jsonl", "{", "line 1 .* is no JSON"),
        ("q.jsonl", "[1]", "line 1 .*: it holds neither"),
        ("q.jsonl", '{"text": 3}', "line 1 .*: it holds neither"),
    ],
)
def test_a_row_that_asks_nothing_is_refused_by_its_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(PathError, match=message):
        read_queries(written(tmp_path, name, text))


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("q.txt", "none.txt"):
        with pytest.raises(PathError, match="cannot be read"):
            read_queries(tmp_path / name)
