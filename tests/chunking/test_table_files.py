"""Cut Parquet files and Excel workbooks, whole and hostile."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossmodal.chunking.pieces import Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.tables import cut as table
from crossmodal.errors import Refused
from tests.chunking.clips import tools
from tests.chunking.test_table import names, png


def cut(data: bytes, rules: ChunkRules | None = None, **lent) -> list[Piece | Flaw]:
    source = Source("s3://bucket/things", "application/octet-stream", data)
    return list(table.cut(source, rules or ChunkRules(), tools(**lent)))


def refusal(data: bytes, rules: ChunkRules | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        cut(data, rules)
    return caught.value


def parquet(columns, schema: pa.Schema | None = None, **options) -> bytes:
    stream = io.BytesIO()
    columns = columns if isinstance(columns, pa.Table) else pa.table(columns, schema=schema)
    pq.write_table(columns, stream, **options)
    return stream.getvalue()


def workbook(**sheets: list[list[object]]) -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(stream)
    book.close()
    return stream.getvalue()


def repacked(data: bytes, changed: dict[str, bytes]) -> bytes:
    """Return an archive with some members exchanged or added."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in dict.fromkeys([*old.namelist(), *changed]):
            new.writestr(name, changed[name] if name in changed else old.read(name))
    return stream.getvalue()


def test_parquet_columns_keep_names_and_types() -> None:
    data = parquet(
        {
            "name": ["Jo", None],
            "size": [1.5, 2.0],
            "count": pa.array([3, 4], pa.int8()),
            "when": [datetime.date(2024, 5, 1), datetime.date(2024, 5, 2)],
            "ok": [True, False],
            "tags": [["a", "b"], []],
        }
    )
    head, rows = cut(data)
    types = [(column["name"], column["type"]) for column in head.facts["columns"]]
    assert types == [
        ("name", "text"),
        ("size", "number"),
        ("count", "integer"),
        ("when", "date"),
        ("ok", "boolean"),
        ("tags", "data"),
    ]
    assert rows.text == (
        'name: Jo; size: 1.5; count: 3; when: 2024-05-01; ok: true; tags: ["a", "b"]\n'
        "size: 2; count: 4; when: 2024-05-02; ok: false; tags: []"
    )
    assert rows.facts["values"]["ok"] == [True, False]


@pytest.mark.parametrize("shape", ["bytes", "struct"])
def test_pictures_in_parquet_are_joined_to_their_rows(shape: str) -> None:
    colours = ["red", "green", "blue"] * 10
    pictures = [png(colour) if number != 4 else None for number, colour in enumerate(colours)]
    column = pictures
    if shape == "struct":
        column = [{"bytes": data, "path": f"{at}.png"} for at, data in enumerate(pictures)]
    pieces = cut(parquet({"caption": colours, "image": column}))
    images = [piece for piece in pieces if piece.kind == "cell_image"]
    assert pieces[0].facts["columns"][1] == {"name": "image", "type": "image"}
    assert [image.position["row"] for image in images] == [at for at in range(30) if at != 4]
    for image in images:
        row = image.position["row"]
        assert image.picture == pictures[row]
        assert image.caption == colours[row]
        start, stop = pieces[image.parent].position["rows"]
        assert start <= row < stop


def test_bytes_that_are_no_picture_are_left_out() -> None:
    head, rows = cut(parquet({"id": [1, 2], "blob": [b"\0\1\2" * 100, b"x"]}))
    assert head.facts["columns"][1] == {"name": "blob", "type": "data"}
    assert rows.text == "id: 1\nid: 2"


def test_parquet_columns_with_odd_names_are_told_apart() -> None:
    columns = pa.table([pa.array([1]), pa.array([2]), pa.array([png()])], ["a.b", "a.b", "a"])
    pieces = cut(parquet(columns))
    assert names(pieces) == ["a.b", "a.b_2", "a"]
    assert pieces[1].text == "a.b: 1; a.b_2: 2"
    assert pieces[2].picture == png()


def test_a_table_of_pictures_alone_gives_them_all() -> None:
    pieces = cut(parquet({"image": [png("red"), png("blue")]}))
    assert [piece.kind for piece in pieces] == ["table", "cell_image", "cell_image"]
    assert [piece.parent for piece in pieces] == [None, 0, 0]


def test_a_parquet_bomb_is_refused_by_what_it_declares() -> None:
    data = parquet({"x": pa.nulls(50_000_000, pa.int8())}, compression="zstd")
    assert len(data) < 1_000_000
    assert refusal(data).reason == "too_many_chunks"


def test_damaged_parquet_is_refused() -> None:
    data = parquet({"x": list(range(1000))})
    assert refusal(data[: len(data) // 2]).reason == "damaged"
    broken = bytearray(data)
    broken[100:900] = b"\xff" * 800
    assert refusal(bytes(broken)).reason in {"damaged", "parser_crashed"}
    assert refusal(b"PAR1").reason == "damaged"


def test_each_sheet_of_a_workbook_is_a_table() -> None:
    pieces = cut(
        workbook(
            Cars=[["make", "year"], ["Audi", 2001], ["BMW", 2003]],
            Empty=[],
            Days=[["day", "sum"], [datetime.datetime(2024, 5, 1), 2.5], [None, True]],
        )
    )
    assert [piece.kind for piece in pieces] == ["table", "rows", "table", "rows"]
    assert [piece.parent for piece in pieces] == [None, 0, None, 2]
    assert [piece.position["sheet"] for piece in pieces] == ["Cars", "Cars", "Days", "Days"]
    assert pieces[1].text == "make: Audi; year: 2001\nmake: BMW; year: 2003"
    assert pieces[3].text == "day: 2024-05-01; sum: 2.5\nsum: true"
    assert pieces[2].text.startswith("Table things, sheet Days. 2 rows.")


def test_a_sheet_that_claims_to_be_huge_costs_what_it_holds() -> None:
    data = workbook(S=[["a", "b"], [1, 2]])
    name = "xl/worksheets/sheet1.xml"
    xml = zipfile.ZipFile(io.BytesIO(data)).read(name)
    lying = xml.replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"')
    assert lying != xml
    assert cut(repacked(data, {name: lying}))[1].text == "a: 1; b: 2"


def test_a_workbook_bomb_is_refused_before_it_is_unpacked() -> None:
    data = workbook(S=[["a"], [1]])
    bomb = repacked(data, {"xl/worksheets/sheet1.xml": b"<" + b" " * 60_000_000})
    assert len(bomb) < 100_000
    assert refusal(bomb).reason == "zip_bomb"


def test_entities_in_a_workbook_do_not_expand() -> None:
    data = workbook(S=[["a"], ["b"]])
    entities = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 12))
    xml = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "lol">{entities}]>'
        '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        "<si><t>&e11;</t></si></sst>"
    )
    hostile = repacked(data, {"xl/sharedStrings.xml": xml.encode()})
    try:
        pieces = cut(hostile, ChunkRules(max_memory_bytes=500_000_000))
    except Refused as refused:
        pieces = [Flaw("", refused.reason, refused.detail)]
    assert sum(len(getattr(piece, "text", "")) for piece in pieces) < 1000


def test_a_broken_sheet_does_not_cost_the_others() -> None:
    data = workbook(Good=[["a", "b"], [1, 2]], Bad=[["c"], [3]])
    name = "xl/worksheets/sheet2.xml"
    xml = zipfile.ZipFile(io.BytesIO(data)).read(name)
    broken = repacked(data, {name: xml[: xml.index(b"</row>")]})
    *pieces, flaw = cut(broken)
    assert [piece.kind for piece in pieces] == ["table", "rows"]
    assert (flaw.part, flaw.reason) == ("sheet Bad", "damaged")


def test_what_is_no_workbook_is_refused() -> None:
    data = workbook(S=[["a"], [1]])
    assert refusal(data[: len(data) // 2]).reason == "damaged"
    assert refusal(repacked(data, {"xl/workbook.xml": b"no xml"})).reason == "damaged"
    assert refusal(workbook(S=[])).reason == "no_content"
    assert refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)).reason == "unsupported_format"
    password = b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le")
    assert refusal(password).reason == "encrypted"


def test_a_real_workbook_is_read(shared_data: Path) -> None:
    pieces = cut((shared_data / "documents" / "xlsx_01.xlsx").read_bytes())
    assert pieces[0].position == {"rows": [0, 6], "sheet": "Sheet1"}
    assert names(pieces) == ["first", "second", "third"]
    assert pieces[1].text.startswith("first: 1; second: 5; third: 9\n")
