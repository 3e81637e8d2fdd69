"""Read the rows of a table about sources: CSV, JSON lines or Parquet, as cells of text.

Owns the formats and what is said of a file that is none; refuses to know what a column means. The
first row is the names of the columns. Parquet is read in a child process.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from crossmodal.errors import PathError, Refused
from crossmodal.files.local import open_regular
from crossmodal.sandbox.pool import run_in_child

_DELIMITERS = ",;\t|"
_MAX_LINE_CHARS = 10_000_000
_MAX_SECONDS = 600.0
_MAX_MEMORY_BYTES = 2_000_000_000
_BATCH_ROWS = 1000


class Rows:
    """Iterate over the rows of a table, and count its lines for what is said of them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.line = 0

    def __iter__(self) -> Iterator[list[str]]:
        for row in self._each():
            if any("\0" in cell for cell in row):
                raise self.wrong("holds a NUL byte", "save the table as UTF-8 text")
            yield [" ".join(cell.split()) for cell in row]

    def wrong(self, what: str, hint: str) -> PathError:
        """Return the error of the current line."""
        return PathError(f"{self.file}, line {self.line}: it {what}: {hint}")

    def _each(self) -> Iterator[list[str]]:
        read = {".jsonl": self._json_lines, ".ndjson": self._json_lines, ".parquet": self._parquet}
        yield from read.get(self.file.suffix.lower(), self._csv)()

    def _csv(self) -> Iterator[list[str]]:
        with self.file.open(encoding="utf-8-sig", newline="") as lines:
            delimiter = max(_DELIMITERS, key=lines.readline(1_000_000).count)
            lines.seek(0)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            try:
                for row in reader:
                    self.line = reader.line_num
                    yield row
            except csv.Error as error:
                raise self.wrong(f"is no CSV ({error})", "save the table as CSV") from error

    def _json_lines(self) -> Iterator[list[str]]:
        """Read twice: which names there are is known in the end."""
        names = list(dict.fromkeys(name for told in self._objects() for name in told))
        yield names
        for told in self._objects():
            yield [cell_text(told.get(name)) for name in names]

    def _objects(self) -> Iterator[dict[str, Any]]:
        with self.file.open(encoding="utf-8-sig") as lines:
            self.line = 0
            while line := lines.readline(_MAX_LINE_CHARS):
                self.line += 1
                if line.strip():
                    yield self._object(line)

    def _object(self, line: str) -> dict[str, Any]:
        try:
            told = json.loads(line)
        except (ValueError, RecursionError) as error:
            detail = "is no JSON: it ends in the middle, or is no line of an object"
            raise self.wrong(detail, "write one object a line") from error
        if not isinstance(told, dict):
            raise self.wrong("is no JSON object", "write one object a line")
        return told

    def _parquet(self) -> Iterator[list[str]]:
        limits: Any = {"max_seconds": _MAX_SECONDS, "max_memory_bytes": _MAX_MEMORY_BYTES}
        with open_regular(str(self.file)) as file:
            try:
                for rows in run_in_child(parquet_cells, file, yields=(Any,), **limits):
                    for row in rows:
                        self.line += 1
                        yield list(map(str, row))
            except Refused as refusal:
                raise self.wrong(refusal.detail, "write the table again") from refusal


def parquet_cells(file: IO[bytes]) -> Iterator[list[list[str]]]:
    """Yield the names of a Parquet file's columns, then its rows, as text; bytes are left out.

    Raises:
        Refused: it is no Parquet file, or a damaged one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_memory_pool(pa.system_memory_pool())  # the others reserve address space in advance
    try:
        parquet = pq.ParquetFile(file, pre_buffer=False)
        yield [list(parquet.schema_arrow.names)]
        for batch in parquet.iter_batches(_BATCH_ROWS, use_threads=False):
            columns = [[cell_text(cell) for cell in column.to_pylist()] for column in batch.columns]
            yield [list(row) for row in zip(*columns, strict=True)]
    except (pa.ArrowException, OSError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise Refused("damaged", f"is no whole Parquet file ({line})") from error


def cell_text(value: Any) -> str:
    """Return a value as it is compared: plain ones as they are written, others as JSON."""
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
