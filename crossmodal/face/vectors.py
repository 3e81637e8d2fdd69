"""Hand out the stored vectors of a modality, each beside the chunk that it stands for.

Owns the way from a list in the ledger to Arrow, Daft and numpy; whole in memory, which
``crossmodal export`` avoids.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossmodal.face.frames import daft_of, pandas_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from crossmodal.face.opened import OpenCollection


@dataclass(frozen=True, slots=True, repr=False)
class StoredVectors:
    """Hold the vectors of one modality under one model version, by chunk id."""

    table: pa.Table
    modality: str
    model: str
    """Label of the model version; vectors of two versions must not be compared."""
    dim: int

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"<{len(self):,} {self.modality} vectors of {self.model}, dim {self.dim}>"

    def to_arrow(self) -> pa.Table:
        """Return chunk_id, path, media_type, ..., text, meta (JSON) and vector, a row a chunk."""
        return self.table

    def to_numpy(self) -> npt.NDArray[np.float32]:
        """Return (n, dim) float32, L2-normalised, in the order of the table's rows."""
        import numpy as np

        parts = [
            chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.dim)
            for chunk in self.table["vector"].chunks
        ]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *parts])

    def to_daft(self) -> Any:
        """Return the table as a Daft DataFrame."""
        return daft_of(self.table)

    def to_pandas(self) -> Any:
        """Return the table as a pandas DataFrame.

        Raises:
            ExtraMissing: pandas is not installed.
        """
        return pandas_of(self.table)


def read_vectors(
    collection: str | os.PathLike[str] | OpenCollection, modality: str, model: str | None = None
) -> StoredVectors:
    """Return the stored vectors of a modality, of the live model or of a named one.

    Args:
        collection: the DuckDB file, or what ``open`` returned.
        modality: image, text or audio.
        model: name, number or label of a model version; None for the live one.

    Raises:
        CollectionMissing, CollectionEmpty, ModelMismatch: there are none of them.
    """
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.read.vector_rows import read_rows
    from crossmodal.search.lists import serving_lists
    from crossmodal.search.options import QueryOptions

    path = os.fspath(getattr(collection, "path", collection))
    opened = Collection(path)
    options = QueryOptions(collection=path, model=model, modalities=(modality,))
    with opened.read() as con:
        (held,) = serving_lists(con, opened.path, options)
        table = read_rows(con, held).read_all()
    return StoredVectors(table, held.modality, held.version.label, held.version.dim)
