"""Write a list of vectors, with what each chunk is, to a Parquet file or a Lance dataset.

Owns the files that leave the project; refuses to choose what leaves. Rows stream from the ledger,
so memory stays that of some batches. Invariant: a file of the final name is whole, whenever the
process ends.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa

from crossmodal.errors import ExtraMissing, PathError
from crossmodal.ledger.read.vector_rows import num_rows, read_rows
from crossmodal.records import VectorList

Format = Literal["parquet", "lance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Tell of one file that was written."""

    file: str
    format: str
    modality: str
    model: str
    """Label of the model version whose vectors they are."""
    num_vectors: int
    dim: int
    size_bytes: int


def refuse_unwritable(dest: Path, form: Format) -> None:
    """Say before any work what would stop an export.

    Raises:
        ExtraMissing: the format needs a package that is not installed.
        PathError: there is something at the destination that is not replaced.
    """
    if form == "lance":
        _lance()
    if dest.is_dir() or (form == "lance" and dest.exists()):
        raise PathError(f"{dest} is there already: delete it, or name another destination")


def export(
    con: duckdb.DuckDBPyConnection,
    held: VectorList,
    dest: Path,
    form: Format,
    advance: Callable[[int], None],
) -> Exported:
    """Write a list to ``dest``, replacing a Parquet file that is there; ``advance`` hears of rows.

    Raises:
        ExtraMissing, PathError: see ``refuse_unwritable``; also where the disk refuses.
    """
    refuse_unwritable(dest, form)
    num = num_rows(con, held)
    rows = _counted(read_rows(con, held), advance)
    with _aside(dest) as part:
        (_write_lance if form == "lance" else _write_parquet)(rows, part)
    return Exported(
        file=str(dest),
        format=form,
        modality=held.modality,
        model=held.version.label,
        num_vectors=num,
        dim=held.version.dim,
        size_bytes=_size_bytes(dest),
    )


def _counted(rows: pa.RecordBatchReader, advance: Callable[[int], None]) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            yield batch
            advance(batch.num_rows)

    return pa.RecordBatchReader.from_batches(rows.schema, batches())


@contextmanager
def _aside(dest: Path) -> Iterator[Path]:
    """Yield a path beside ``dest`` that takes its place at the end; nothing stays on failure."""
    part = dest.parent / f".{dest.name}.{os.getpid()}.part"
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, dest)
    except OSError as error:
        raise PathError(f"cannot write {dest}: {error.strerror or error}") from error
    finally:
        _remove(part)


def _write_parquet(rows: pa.RecordBatchReader, dest: Path) -> None:
    import pyarrow.parquet as pq

    # Unit vectors do not compress, and no two are alike.
    words = [field.name for field in rows.schema if pa.types.is_string(field.type)]
    squeezed = {name: "zstd" for name in words}
    with pq.ParquetWriter(dest, rows.schema, compression=squeezed, use_dictionary=words) as writer:
        for batch in rows:
            writer.write_batch(batch)


def _write_lance(rows: pa.RecordBatchReader, dest: Path) -> None:
    _lance().write_dataset(rows, str(dest))


def _lance() -> Any:
    try:
        import lance
    except ImportError as error:
        raise ExtraMissing(
            "a Lance dataset needs the package pylance, which is not installed: "
            "pip install 'crossmodal[lance]', or export to Parquet"
        ) from error
    return lance


def _size_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # what went wrong before is what has to be told
            path.unlink()
