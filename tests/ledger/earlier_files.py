"""Write the files that were indexed into ``data/earlier.zip``, byte for byte and to the nanosecond.

The archive holds ``collection.duckdb``, as the code before the library lay under ``crossmodal/``
made it, and ``model``, the tiny random CLIP that embedded it. It was made once, by

    index FILES --model MODEL --collection collection.duckdb --dtype float32

in commit f96cc20, and then every path in it was cut down to ``/earlier/files`` and
``/earlier/model``. It is never made again: a collection that later code made would test nothing.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import duckdb

ARCHIVE = Path(__file__).parent / "data" / "earlier.zip"
_FIRST_NS = 1_700_000_000_000_000_000
_SIDE = 32

_NOTE = """# Tides

The sea comes and goes twice a day.

## Moon

The moon pulls the water up.
"""
_SUBTITLE = """1
00:00:01,000 --> 00:00:03,000
A boat leaves the harbour.
"""
_TABLE = "harbour,depth_m\nWick,4.5\nLeith,7.0\n"


def write_files(folder: Path) -> list[Path]:
    """Write three pictures, a note, a subtitle and a table with fixed times."""
    folder.mkdir(parents=True)
    contents = {f"square{n}.ppm": _picture(n) for n in range(3)}
    texts = {"tides.md": _NOTE, "boat.srt": _SUBTITLE, "harbours.csv": _TABLE}
    contents |= {name: text.encode() for name, text in texts.items()}
    paths = []
    for number, (name, content) in enumerate(contents.items()):
        path = folder / name
        path.write_bytes(content)
        os.utime(path, ns=(_FIRST_NS + number, _FIRST_NS + number))
        paths.append(path)
    return paths


def unpack(folder: Path) -> tuple[Path, Path, Path]:
    """Return the collection, the model and the files, laid out below a folder."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    write_files(folder / "files")
    collection = folder / "collection.duckdb"
    _move(collection, "/earlier", str(folder))
    return collection, folder / "model", folder / "files"


def _move(collection: Path, before: str, after: str) -> None:
    """Let every path in a collection begin otherwise, as if the folder had always been there."""
    moved = "{0} = replace({0}, $before, $after)"
    columns = {"source": ("uri", "root"), "model_version": ("name",)}
    with duckdb.connect(str(collection)) as con:
        for table, names in columns.items():
            changes = ", ".join(moved.format(name) for name in names)
            con.execute(f"UPDATE {table} SET {changes}", {"before": before, "after": after})


def _picture(number: int) -> bytes:
    """Return a PPM of one colour with a square of another: no library's encoder is involved."""
    ground, square = bytes([40 * number, 90, 200]), bytes([250, 60 * number, 10])
    rows = [
        square if 8 <= x < 24 and 8 <= y < 24 else ground
        for y in range(_SIDE)
        for x in range(_SIDE)
    ]
    return b"P6\n%d %d\n255\n" % (_SIDE, _SIDE) + b"".join(rows)
