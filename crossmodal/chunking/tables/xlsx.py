"""Read Excel workbooks with openpyxl, sheet by sheet and row by row.

Owns the guard against archives that unpack to far more than they are. Formulas give the values
that were stored with them; pictures that float over a sheet are not read.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import Any

from crossmodal.chunking.tables.shapes import Grid, Rows
from crossmodal.errors import Refused

_OLE = b"\xd0\xcf\x11\xe0"
_MAX_MEMBERS = 20_000
_MAX_UNPACKED_BYTES = 1_000_000_000
# XML of long columns of equal numbers packs to a hundredth; deflate can reach a thousandth.
_MAX_RATIO, _FREE_BYTES = 400, 20_000_000


def grids(data: bytes) -> Iterator[Grid]:
    """Yield each sheet of cells of a workbook.

    Raises:
        Refused: No workbook, encrypted, damaged, or one that unpacks to too much.
    """
    _check_archive(data)
    workbook = _open(data)
    try:
        for sheet in workbook.worksheets:
            sheet.reset_dimensions()  # a sheet may claim a width that pads every row to 16,384
            yield Grid(read=partial(_rows, sheet), sheet=sheet.title)
    finally:
        workbook.close()


def _rows(sheet: Any, _: bool) -> Rows:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield from sheet.iter_rows(values_only=True)
        except (MemoryError, Refused):
            raise
        except Exception as error:  # openpyxl lets through whatever hostile XML makes it raise
            raise Refused("damaged", f"sheet {sheet.title!r}: {_line(error)}") from error


def _open(data: bytes) -> Any:
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that are of no use here
        try:
            return openpyxl.load_workbook(
                io.BytesIO(data), read_only=True, data_only=True, keep_links=False
            )
        except MemoryError:
            raise
        except Exception as error:
            raise Refused("damaged", f"the workbook cannot be read: {_line(error)}") from error


def _check_archive(data: bytes) -> None:
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise Refused("encrypted", "the workbook wants a password")
        raise Refused("unsupported_format", "a workbook of before Excel 2007")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Refused("damaged", f"the workbook's archive: {_line(error)}") from error
    if any(member.flag_bits & 1 for member in members):
        raise Refused("encrypted", "the workbook's archive is encrypted")
    _check_sizes(members, len(data))


def _check_sizes(members: list[zipfile.ZipInfo], num_bytes: int) -> None:
    """Trust the declared sizes: reading stops at them, and a lie fails its checksum."""
    unpacked = sum(member.file_size for member in members)
    if len(members) > _MAX_MEMBERS or unpacked > _MAX_UNPACKED_BYTES:
        raise Refused("zip_bomb", f"{len(members)} members unpack to {unpacked / 1e6:.0f} MB")
    if unpacked > _FREE_BYTES and unpacked > _MAX_RATIO * num_bytes:
        raise Refused("zip_bomb", f"{num_bytes / 1e6:.1f} MB unpack to {unpacked / 1e6:.0f} MB")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
