"""Write the manifest in batches, and make every source one row of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from crossmodal.records import MANIFEST_SCHEMA
from crossmodal.sources.listing.roots import Found
from crossmodal.sources.parquet import write_query

_ONE_ROW_A_SOURCE = """
SELECT uri, arg_min(root, list_position($roots, root)) AS root,
       arg_max(size_bytes, mtime_ns) AS size_bytes, max(mtime_ns) AS mtime_ns
FROM read_parquet($manifest) GROUP BY uri ORDER BY uri
"""


class ManifestWriter:
    """Stream files into a Parquet file of MANIFEST_SCHEMA, ``batch_rows`` at a time."""

    def __init__(self, path: Path, batch_rows: int) -> None:
        self.num_rows = 0
        self.num_bytes = 0
        self._batch_rows = batch_rows
        self._writer = pq.ParquetWriter(path, MANIFEST_SCHEMA)

    def __enter__(self) -> ManifestWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()

    def write(self, root: str, files: Iterable[Found]) -> int:
        """Append a root's files and return how many they were."""
        before = self.num_rows
        uris: list[str] = []
        sizes: list[int] = []
        times: list[int] = []
        for uri, size_bytes, mtime_ns in files:
            uris.append(uri)
            sizes.append(size_bytes)
            times.append(mtime_ns)
            if len(uris) >= self._batch_rows:
                self._flush(root, uris, sizes, times)
        self._flush(root, uris, sizes, times)
        return self.num_rows - before

    def _flush(self, root: str, uris: list[str], sizes: list[int], times: list[int]) -> None:
        if uris:
            columns = [uris, pa.repeat(root, len(uris)), sizes, times]
            self._writer.write_table(pa.Table.from_arrays(_arrays(columns), schema=MANIFEST_SCHEMA))
            self.num_rows += len(uris)
            self.num_bytes += sum(sizes)
        for column in (uris, sizes, times):
            column.clear()


def _arrays(columns: list[object]) -> list[pa.Array]:
    return [pa.array(c, f.type) for c, f in zip(columns, MANIFEST_SCHEMA, strict=True)]


def keep_one_row_a_source(manifest: Path, roots: list[str]) -> tuple[int, int]:
    """Merge rows of the same uri, keeping the root that comes first in ``roots``.

    Returns:
        The number of sources and their bytes.
    """
    merged = manifest.with_name(f"{manifest.name}.merged")
    with duckdb.connect() as con:
        parameters = {"manifest": str(manifest), "roots": roots}
        write_query(con, _ONE_ROW_A_SOURCE, parameters, MANIFEST_SCHEMA, merged)
        os.replace(merged, manifest)
        row = con.execute(
            "SELECT count(*), coalesce(sum(size_bytes), 0) FROM read_parquet(?)", [str(manifest)]
        ).fetchall()[0]
    return int(row[0]), int(row[1])
