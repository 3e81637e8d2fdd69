"""Cut tables of delimited text: what programs write, what people write, what is hostile."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from crossmodal.chunking.pieces import Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.tables import cut as table
from crossmodal.errors import Refused
from tests.chunking.clips import tools

CARS = "make,colour,year,price\n" + "".join(
    f"{make},{colour},{year},{price}\n"
    for make, colour, year, price in [
        ("Audi", "red", 2001, 1200.5),
        ("BMW", "blue", 2003, 900),
        ("Audi", "", 2001, 1500),
    ]
)


def cut(text: str | bytes, rules: ChunkRules | None = None, **lent) -> list[Piece | Flaw]:
    data = text.encode() if isinstance(text, str) else text
    source = Source("file:///data/cars.csv", "text/csv", data)
    return list(table.cut(source, rules or ChunkRules(), tools(**lent)))


def refusal(text: str | bytes, rules: ChunkRules | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        cut(text, rules)
    return caught.value


def names(pieces) -> list[str]:
    return [column["name"] for column in pieces[0].facts["columns"]]


def png(colour: str = "red") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(stream, "PNG")
    return stream.getvalue()


def test_a_table_is_described_and_its_rows_become_text() -> None:
    head, rows = cut(CARS)
    assert (head.kind, head.modality, head.parent) == ("table", "text", None)
    assert head.text == (
        "Table cars.csv. 3 rows. Columns: make (text, such as Audi, BMW), "
        "colour (text, such as red, blue), year (integer, such as 2001, 2003), "
        "price (number, such as 1200.5, 900, 1500)"
    )
    assert head.facts == {
        "columns": [
            {"name": "make", "type": "text"},
            {"name": "colour", "type": "text"},
            {"name": "year", "type": "integer"},
            {"name": "price", "type": "number"},
        ],
        "num_rows": 3,
        "num_columns": 4,
    }
    assert (rows.kind, rows.modality, rows.parent) == ("rows", "text", 0)
    assert rows.position == {"rows": [0, 3]}
    assert rows.text == (
        "make: Audi; colour: red; year: 2001; price: 1200.5\n"
        "make: BMW; colour: blue; year: 2003; price: 900\n"
        "make: Audi; year: 2001; price: 1500"
    )


def test_rows_carry_the_values_to_filter_by() -> None:
    _, rows = cut(CARS)
    assert rows.facts["values"] == {
        "make": ["Audi", "BMW"],
        "colour": ["red", "blue"],
        "year": [2001, 2003],
        "price": [1200.5, 900.0, 1500.0],
    }


def test_columns_of_many_values_are_not_filtered_by() -> None:
    text = "id,kind\n" + "".join(f"{number},{'ab'[number % 2]}\n" for number in range(200))
    pieces = cut(text)
    assert all(set(piece.facts["values"]) == {"kind"} for piece in pieces[1:])


def test_rows_come_in_groups_of_the_size_asked_for() -> None:
    text = "id\n" + "".join(f"{number}\n" for number in range(45))
    _, *groups = cut(text)
    assert [group.position["rows"] for group in groups] == [[0, 20], [20, 40], [40, 45]]


def test_a_group_that_the_encoder_cannot_read_is_divided() -> None:
    text = "word,note\n" + "".join(f"w{number},{'very ' * 7}long\n" for number in range(40))
    _, *groups = cut(text, max_tokens=30)
    assert all(len(group.text.split()) <= 30 for group in groups)
    spans = [group.position["rows"] for group in groups]
    assert [number for start, stop in spans for number in range(start, stop)] == list(range(40))
    assert len(groups) <= 20


def test_a_row_that_the_encoder_cannot_read_is_divided_between_cells_then_words() -> None:
    text = f"a,b,c\nshort,{'middle ' * 15},{'tail ' * 100}\n"
    _, *parts = cut(text, max_tokens=20)
    assert all(len(part.text.split()) <= 20 for part in parts)
    assert {tuple(part.position["rows"]) for part in parts} == {(0, 1)}
    assert parts[0].text.startswith("a: short")
    together = " ".join(part.text for part in parts)
    assert (together.count("middle"), together.count("tail")) == (15, 100)


def test_a_description_says_as_much_as_the_encoder_reads() -> None:
    text = ",".join(f"column {number}" for number in range(300)) + "\n" + ",".join("x" * 300)
    head = cut(text, max_tokens=20)[0]
    assert len(head.text.split()) <= 20
    assert head.text.startswith("Table cars.csv. 1 rows. Columns: column 0, column 1")
    assert head.facts["num_columns"] == 300


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_recognised(delimiter: str) -> None:
    text = "name,size,note\n'a',1,x\n'b',2,y\n".replace(",", delimiter)
    assert names(cut(text)) == ["name", "size", "note"]


def test_decimal_commas_do_not_hide_semicolons() -> None:
    assert names(cut("width;height\n1,5;2,5\n3,5;4,5\n")) == ["width", "height"]


def test_quoted_cells_keep_delimiters_quotes_and_lines() -> None:
    _, rows = cut('name,quote\nJo,"He said ""no, never"",\nand left"\nMo,nothing\n')
    assert rows.text == 'name: Jo; quote: He said "no, never", and left\nname: Mo; quote: nothing'


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(line_end: str) -> None:
    pieces = cut(line_end.join(["a,b", "1,x", '2,"y', 'z"', "3,w"]))
    assert pieces[1].text == "a: 1; b: x\na: 2; b: y z\na: 3; b: w"


def test_a_stray_carriage_return_ends_a_line() -> None:
    assert cut("a,b\n1,x\r2,y\n3,z\n")[0].facts["num_rows"] == 3


def test_ragged_rows_lose_nothing() -> None:
    pieces = cut("a,b\n1\n2,3,4,5\n6,7\n")
    assert names(pieces) == ["a", "b", "column_3", "column_4"]
    assert pieces[1].text == "a: 1\na: 2; b: 3; column_3: 4; column_4: 5\na: 6; b: 7"


def test_a_table_without_header_gets_names() -> None:
    pieces = cut("1,red\n2,blue\n3,red\n")
    assert names(pieces) == ["column_1", "column_2"]
    assert pieces[1].position == {"rows": [0, 3]}


def test_repeated_and_missing_names_are_told_apart() -> None:
    assert names(cut("id,,name,\n1,2,x,4\n3,4,y,6\n")) == ["id", "column_2", "name", "column_4"]


def test_an_index_without_name_is_a_column_like_others() -> None:
    assert names(cut(",score\n0,5\n1,6\n")) == ["column_1", "score"]


def test_what_stands_above_the_header_becomes_the_title() -> None:
    head, rows = cut("Sales of 2024,,\n,,\nregion,month,sum\nnorth,May,3\nsouth,June,4\n")
    assert "Sales of 2024" in head.text
    assert names([head]) == ["region", "month", "sum"]
    assert rows.position == {"rows": [0, 2]}


@pytest.mark.parametrize(
    ("encoding", "lines"),
    [
        ("utf-16", "Größe;Straße\nklein;Müllerweg\n"),
        ("utf-8-sig", "Größe;Straße\nklein;Müllerweg\n"),
        ("cp1252", "Größe;Straße\nklein;Müllerweg\n"),
        ("cp1251", "город;описание\nМосква;столица и самый большой город\nКазань;на Волге\n"),  # noqa: RUF001
        ("gb18030", "城市;说明\n北京;中国的首都,人口很多\n上海;最大的城市之一\n"),
    ],
)
def test_encodings_are_recognised(encoding: str, lines: str) -> None:
    assert names(cut(lines.encode(encoding))) == lines.split("\n")[0].split(";")


def test_types_are_told_from_all_values() -> None:
    text = "whole,part,day,no,code,mixed\n1,1.5,2024-01-31,true,007,1\n-2,2e3,2023-12-01,no,012,x\n"
    assert [column["type"] for column in cut(text)[0].facts["columns"]] == [
        "integer",
        "number",
        "date",
        "boolean",
        "number",
        "text",
    ]


def test_pictures_in_cells_are_joined_to_their_row() -> None:
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()
    text = f'name,caption,photo\nJo,a red square,"{uri}"\nMo,nothing,https://example.org/mo.png\n'
    head, rows, picture = cut(text)
    assert head.facts["columns"][2] == {"name": "photo", "type": "image"}
    assert rows.text == (
        "name: Jo; caption: a red square\n"
        "name: Mo; caption: nothing; photo: https://example.org/mo.png"
    )
    assert (picture.kind, picture.modality) == ("cell_image", "image")
    assert picture.picture == png()
    assert picture.parent == 1
    assert picture.position == {"row": 0, "column": "photo"}
    assert picture.caption == "a red square"
    assert picture.text == "name: Jo; caption: a red square"


def test_a_picture_that_is_no_base64_is_a_flaw() -> None:
    *pieces, flaw = cut("name,photo\nJo,data:image/png;base64,@@@\n")
    assert [piece.kind for piece in pieces] == ["table", "rows"]
    assert (flaw.part, flaw.reason) == ("row 0, column photo", "decoder_error")


def test_a_huge_cell_is_cut_and_said_so() -> None:
    *pieces, flaw = cut(f"name,blob\nJo,{'x' * 50_000}\nMo,y\n", max_tokens=60)
    assert (flaw.part, flaw.reason) == ("row 0, column blob", "cell_cut")
    assert max(len(piece.text) for piece in pieces) < 10_100


def test_a_quote_that_is_never_closed_does_not_swallow_the_table() -> None:
    rows = "".join(f"{number},plain\n" for number in range(500))
    *pieces, flaw = cut('id,note\n0,"open\n' + rows)
    assert flaw.reason == "unclosed_quote"
    assert "line 2" in flaw.detail
    assert pieces[0].facts["num_rows"] == 501


def test_a_table_cut_off_inside_its_last_quote_is_read() -> None:
    *pieces, flaw = cut('id,note\n1,"one, two"\n2,"three')
    assert pieces[1].text == "id: 1; note: one, two\nid: 2; note: three"
    assert (flaw.part, flaw.reason) == ("rows", "unclosed_quote")


def test_a_long_cell_of_many_lines_at_the_end_is_no_open_quote() -> None:
    pieces = cut('id,note,n\n1,"' + "line\n" * 300 + '",5\n')
    assert pieces[0].facts["num_rows"] == 1
    assert all(isinstance(piece, Piece) for piece in pieces)


def test_nul_characters_are_dropped() -> None:
    assert cut(b"a,b\nx\0,1\ny,2\n")[1].text == "a: x; b: 1\na: y; b: 2"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "no_content"),
        (b",,,\n,,\n", "no_content"),
        (bytes(range(256)) * 64, "binary"),
        (b"\0" * 1000, "binary"),
        (b"a," * 20_000, "too_many_columns"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, reason: str) -> None:
    assert refusal(data).reason == reason


def test_a_header_alone_is_a_table_without_rows() -> None:
    (head,) = cut("name,size\n")
    assert names([head]) == ["name", "size"]
    assert head.facts["num_rows"] == 0


def test_too_many_rows_are_refused_before_they_are_cut() -> None:
    text = "id\n" + "1\n" * 100
    refused = refusal(text, ChunkRules(max_chunks=4))
    assert refused.reason == "too_many_chunks"
    assert "80 rows" in refused.detail


def test_too_many_chunks_are_refused() -> None:
    text = "id,word\n" + "".join(f"{number},{'long ' * 50}\n" for number in range(20))
    assert refusal(text, ChunkRules(max_chunks=10)).reason == "too_many_chunks"


def test_real_tables_are_read_whole(shared_data: Path) -> None:
    for name, num_rows in [("cars/labels.csv", 256), ("audio/labels.csv", 91)]:
        head, *groups = cut((shared_data / name).read_bytes())
        assert head.facts["num_rows"] == num_rows
        spans = [group.position["rows"] for group in groups]
        assert spans[0][0] == 0
        assert spans[-1][1] == num_rows
    colours = {value for group in groups for value in group.facts["values"].get("label", [])}
    assert {"rain", "rooster"} <= colours
