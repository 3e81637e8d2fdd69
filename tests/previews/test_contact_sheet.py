"""The contact sheet: a tile for every hit, whatever became of its source."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from crossmodal.errors import PathError
from crossmodal.previews.contact_sheet import QueryRow, contact_sheet
from tests.search.hits import hit

RED, BLUE, GREY, PAPER = (220, 20, 30), (20, 60, 220), (217, 217, 222), (255, 255, 255)
TILE_X, TILE_Y = 232 + 16, 174 + 48
FIRST = (32 + 116, 32 + 46 + 40)


@pytest.fixture
def red(tmp_path: Path) -> Path:
    Image.new("RGB", (464, 348), RED).save(tmp_path / "red.png")
    return tmp_path / "red.png"


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    Image.new("RGB", (100, 300), BLUE).save(tmp_path / "blue.png")
    return tmp_path / "blue.png"


def drawn(rows: list[QueryRow], folder: Path, columns: int = 5) -> Image.Image:
    contact_sheet(rows, folder / "sheet.png", columns)
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        return sheet.convert("RGB")


def tile_colour(sheet: Image.Image, column: int, line: int = 0) -> object:
    return sheet.getpixel((FIRST[0] + column * TILE_X, FIRST[1] + line * TILE_Y))


def test_hits_stand_in_their_order_and_go_on_below(tmp_path: Path, red: Path, blue: Path) -> None:
    sheet = drawn([QueryRow("cars", [hit(red), hit(blue), hit(red)])], tmp_path, columns=2)
    assert tile_colour(sheet, 0) == RED
    assert tile_colour(sheet, 1) == BLUE
    assert tile_colour(sheet, 0, line=1) == RED
    assert tile_colour(sheet, 1, line=1) == PAPER


def test_each_query_has_a_row_of_its_own(tmp_path: Path, red: Path, blue: Path) -> None:
    one = drawn([QueryRow("red", [hit(red)])], tmp_path)
    two = drawn([QueryRow("red", [hit(red)]), QueryRow("blue", [hit(blue)])], tmp_path)
    assert two.width == one.width
    row_height = two.height - one.height
    assert two.getpixel((FIRST[0], FIRST[1] + row_height)) == BLUE


def test_tall_picture_is_shown_whole_beside_margins(tmp_path: Path, blue: Path) -> None:
    sheet = drawn([QueryRow("blue", [hit(blue)])], tmp_path)
    assert sheet.getpixel((FIRST[0] - 100, FIRST[1])) == (242, 242, 244)
    assert sheet.getpixel((FIRST[0], 32 + 46 + 1)) == BLUE
    assert sheet.getpixel((FIRST[0], 32 + 46 + 172)) == BLUE


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\xff\xd8\xff\xe0 cut short"])
def test_source_that_cannot_be_shown_keeps_its_place_in_grey(
    tmp_path: Path, red: Path, content: bytes | None
) -> None:
    odd = tmp_path / "odd.jpg"
    if content is not None:
        odd.write_bytes(content)
    sheet = drawn([QueryRow("odd", [hit(odd), hit(red)])], tmp_path)
    assert sheet.getpixel((32 + 5, 32 + 46 + 5)) == GREY
    tile = sheet.crop((32, 78, 32 + 232, 78 + 174))
    assert len(tile.getcolors(maxcolors=1000) or []) > 1, "the reason is written on it"
    assert tile_colour(sheet, 1) == RED


def test_query_without_hits_keeps_its_title(tmp_path: Path) -> None:
    sheet = drawn([QueryRow("a unicorn", [])], tmp_path)
    colours = sheet.getcolors(maxcolors=100_000) or []
    assert len(colours) > 2
    assert sheet.height < 150


@pytest.mark.parametrize(
    "name",
    [
        "line\nbreak.png",
        "caf\u00e9 \u6f22\u5b57 \U0001f600.png",
        "x" * 240 + ".png",
        "bell\x07\x1b[2J.png",
    ],
)
def test_odd_names_and_titles_stay_inside_their_tile(tmp_path: Path, red: Path, name: str) -> None:
    odd = red.rename(tmp_path / name)
    sheet = drawn([QueryRow(name * 3, [hit(odd)])], tmp_path, columns=2)
    assert tile_colour(sheet, 0) == RED
    beside = sheet.crop((32 + 232, 32 + 46, sheet.width, sheet.height))
    assert beside.getcolors() == [(beside.width * beside.height, PAPER)]
    right_margin = sheet.crop((sheet.width - 31, 0, sheet.width, sheet.height))
    assert right_margin.getcolors() == [(right_margin.width * right_margin.height, PAPER)]


def test_copies_are_counted_under_the_tile(tmp_path: Path, red: Path) -> None:
    alone = drawn([QueryRow("red", [hit(red)])], tmp_path)
    copied = drawn([QueryRow("red", [hit(red, num_copies=3)])], tmp_path)
    assert alone.tobytes() != copied.tobytes()


def test_url_is_shown_like_a_file(tmp_path: Path, red: Path) -> None:
    sheet = drawn([QueryRow("red", [hit(red.as_uri())])], tmp_path)
    assert tile_colour(sheet, 0) == RED


@pytest.mark.parametrize("name", ["folder", "red.png/sheet.png"])
def test_place_that_cannot_be_written_is_named_and_nothing_is_left(
    tmp_path: Path, red: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(PathError, match=f"cannot write the contact sheet to .*{name}"):
        contact_sheet([QueryRow("red", [hit(red)])], tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "red.png"]


def test_words_stand_on_their_tile_and_stay_inside_it(tmp_path: Path) -> None:
    texts = ["a short note", "word " * 500, "x" * 500, ""]
    hits = [hit(f"/n/{i}.md", i, modality="text", text=text) for i, text in enumerate(texts, 1)]
    contact_sheet([QueryRow("words", hits)], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        inked = [has_ink(sheet, column) for column in range(4)]
        between = sheet.crop((32 + 232, 0, 32 + 232 + 16, sheet.height)).convert("L")
    assert inked == [True, True, True, False]
    assert between.getextrema()[0] > 200


def has_ink(sheet: Image.Image, column: int) -> bool:
    """Say whether a tile of the first row has anything dark on it."""
    left = 32 + column * TILE_X
    tile = sheet.crop((left, 32 + 46, left + 232, 32 + 46 + 174)).convert("L")
    return tile.getextrema()[0] < 100
