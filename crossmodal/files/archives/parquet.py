"""Turn the rows of a Parquet file that hold media into a tar in the manner of WebDataset.

That is how Hugging Face's datasets keep pictures and sound: a column of structs of ``bytes`` and
``path``. Row 12 of a column ``image`` becomes ``000000012.image.jpg``, and what else the row says
``000000012.json``. Runs in a child process; holds a few rows at a time.
"""

from __future__ import annotations

import json
import posixpath
import re
import tarfile
from collections.abc import Iterator
from typing import IO, Any

from crossmodal.errors import Refused

NO_MEDIA = "no_media"
"""Why a Parquet file is a table like any other."""
_BATCH_ROWS = 16
_PIECE_BYTES = 1 << 20
_MAX_FACTS = 64
_MAX_VALUE_CHARS = 1000
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


def tar_of_rows(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a tar with the media of each row.

    Raises:
        Refused: ``no_media``: no column holds any; ``damaged``: the file, or rows from some on,
            cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_memory_pool(pa.system_memory_pool())  # the others reserve address space in advance
    row = 0
    try:
        parquet = pq.ParquetFile(file, pre_buffer=False)
        schema = parquet.schema_arrow
        media = [name for name, kind in zip(schema.names, schema.types, strict=True) if _is(kind)]
        if not media or len(set(schema.names)) < len(schema.names):
            raise Refused(NO_MEDIA, "no column holds structs of bytes and path")
        labels = _labels(schema)
        for batch in parquet.iter_batches(_BATCH_ROWS, use_threads=False):
            for told in _rows(batch):
                yield from _row(row, told, media, labels)
                row += 1
    except pa.ArrowMemoryError as error:
        raise MemoryError(str(error)) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        where = f"row {row:,} and what follows" if row else "it"
        line = " ".join(str(error).split())[:200]
        raise Refused("damaged", f"{where} cannot be read: {line}") from error
    yield bytes(2 * tarfile.BLOCKSIZE)


def _is(kind: Any) -> bool:
    import pyarrow.types as pt

    if not pt.is_struct(kind) or kind.get_field_index("path") < 0:
        return False
    place = kind.get_field_index("bytes")
    return place >= 0 and bool(
        pt.is_binary(kind.field(place).type) or pt.is_large_binary(kind.field(place).type)
    )


def _labels(schema: Any) -> dict[str, list[str]]:
    """Return the names of the classes that columns number, as Hugging Face notes them."""
    try:
        noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = noted["info"]["features"]
        return {
            column: list(map(str, told["names"]))
            for column, told in features.items()
            if told.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _rows(batch: Any) -> list[dict[str, Any]]:
    """Return rows as Python values; columns that Python has no values for are left out."""
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            columns[name] = column.to_pylist()
        except (ValueError, OverflowError):
            columns[name] = [None] * batch.num_rows
    return [dict(zip(columns, told, strict=True)) for told in zip(*columns.values(), strict=True)]


def _row(
    row: int, told: dict[str, Any], media: list[str], labels: dict[str, list[str]]
) -> Iterator[bytes]:
    held = {name: told[name] for name in media if told[name] and told[name]["bytes"]}
    facts = {name: value for name, value in told.items() if name not in media}
    for name, cell in held.items():
        path = str(cell["path"] or "")
        if path:
            facts.setdefault("file_name", path)
        yield from _member(f"{row:09}.{_plain(name)}{_suffix(path)}", cell["bytes"])
    if held:
        said = {name: _fact(value, labels.get(name)) for name, value in facts.items()}
        said = {name: value for name, value in said.items() if value is not None}
        first = dict(list(said.items())[:_MAX_FACTS])
        yield from _member(f"{row:09}.json", json.dumps(first).encode())


def _fact(value: Any, names: list[str] | None) -> Any:
    if isinstance(value, list):
        return [_fact(each, names) for each in value[:_MAX_FACTS]]
    if names and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return None if isinstance(value, bytes | dict) else str(value)[:_MAX_VALUE_CHARS]


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "media"


def _suffix(path: str) -> str:
    found = _SUFFIX.search(posixpath.basename(path))
    return found.group().lower() if found else ".media"


def _member(name: str, data: bytes) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    yield info.tobuf(tarfile.GNU_FORMAT)
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]
    yield bytes(-len(data) % tarfile.BLOCKSIZE)
