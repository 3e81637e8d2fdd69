"""Read Parquet files with pyarrow, a few rows at a time.

Owns which columns hold pictures: bytes or structs of bytes that begin like one. Rows come as
Python values; nothing is read from beside the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from crossmodal.chunking.tables.cells import cell_image
from crossmodal.chunking.tables.shapes import MAX_COLUMNS, Grid, Rows
from crossmodal.errors import Refused

# A batch of pictures has to fit into memory several times.
_BATCH_ROWS, _HEAVY_BATCH_ROWS = 1000, 20
_SNIFFED_ROWS = 20


def grids(data: bytes) -> Iterator[Grid]:
    """Yield the one table of a Parquet file.

    Raises:
        Refused: No Parquet file, encrypted or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_memory_pool(pa.system_memory_pool())  # the others reserve address space in advance
    try:
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Refused("damaged", f"the Parquet file cannot be read: {_line(error)}") from error
    if len(schema.names) > MAX_COLUMNS:
        raise Refused(
            "too_many_columns",
            f"the table has {len(schema.names)} columns; the limit is {MAX_COLUMNS}",
        )
    heavy = [place for place, kind in enumerate(schema.types) if _is_heavy(kind)]
    yield Grid(
        read=partial(_rows, file, heavy),
        names=tuple(schema.names),
        types=_types(file, schema, heavy),
        num_rows=file.metadata.num_rows,
    )


def _rows(file: Any, heavy: list[int], light: bool) -> Rows:
    """Yield rows; with ``light``, columns of bytes are passed over."""
    import pyarrow as pa

    names = file.schema_arrow.names
    skipped = set(heavy) if light and len(set(names)) == len(names) else set[int]()
    wanted = [name for place, name in enumerate(names) if place not in skipped]
    if not wanted:
        yield from ([None] * len(names) for _ in range(file.metadata.num_rows))
        return
    size = _BATCH_ROWS if len(skipped) == len(heavy) else _HEAVY_BATCH_ROWS
    try:
        batches = file.iter_batches(size, columns=wanted if skipped else None, use_threads=False)
        for batch in batches:
            columns = [_values(column) for column in batch.columns]
            for place in sorted(skipped):
                columns.insert(place, [None] * batch.num_rows)
            yield from zip(*columns, strict=True)
    except pa.ArrowMemoryError as error:
        raise MemoryError(str(error)) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Refused("damaged", f"rows cannot be read: {_line(error)}") from error


def _values(column: Any) -> list[Any]:
    """Return a column as Python values; times beyond Python's calendar as text."""
    import pyarrow as pa

    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):
        try:
            return list(column.cast(pa.string()).to_pylist())
        except pa.ArrowException:
            return [None] * len(column)


def _types(file: Any, schema: Any, heavy: list[int]) -> dict[int, str]:
    types = {place: _type_name(kind) for place, kind in enumerate(schema.types)}
    sample = list(islice(_rows(file, heavy, False), _SNIFFED_ROWS)) if heavy else []
    for place in heavy:
        if any(cell_image(row[place]) is not None for row in sample):
            types[place] = "image"
    return {place: name for place, name in types.items() if name}


def _is_heavy(kind: Any) -> bool:
    import pyarrow.types as pt

    if pt.is_struct(kind):
        return any(_is_heavy(kind.field(place).type) for place in range(kind.num_fields))
    return bool(pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind))


def _type_name(kind: Any) -> str:
    """Return the plain name of an Arrow type, or nothing where the cells shall tell."""
    import pyarrow.types as pt

    names = (
        ("integer", pt.is_integer),
        ("number", lambda kind: pt.is_floating(kind) or pt.is_decimal(kind)),
        ("boolean", pt.is_boolean),
        ("date", pt.is_temporal),
        ("data", lambda kind: _is_heavy(kind) or pt.is_nested(kind)),
    )
    return next((name for name, fits in names if fits(kind)), "")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
