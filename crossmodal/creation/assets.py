"""Read the sources of a collection with their vectors, as assets that are paired or compared.

Owns how folders, files and globs name sources that are indexed; nothing is read from disk. An asset
is a source; where it has several chunks it has several vectors.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from crossmodal.errors import PathError
from crossmodal.files.read import is_remote
from crossmodal.ledger.read.conditions import glob_to_regex
from crossmodal.ledger.read.hidden import hidden_chunks
from crossmodal.ledger.read.many_vectors import vectors_of_chunks
from crossmodal.records import Hit, VectorList
from crossmodal.search.centring import Centring, space_of

if TYPE_CHECKING:
    import duckdb

Floats = npt.NDArray[np.float32]

_ASSETS = """
SELECT s.uri, c.chunk_id, c.modality FROM source s JOIN chunk c USING (content_hash)
WHERE regexp_full_match(s.uri, $pattern, 's') ORDER BY s.uri, c.chunk_id
"""


class Assets(NamedTuple):
    """Hold sources and the vectors of their chunks in one space."""

    uris: list[str]
    """(n,), sorted."""
    matrix: Floats
    """(m, dim) centred unit vectors, those of one source side by side."""
    owners: npt.NDArray[np.int64]
    """(m,): which source each vector belongs to, never falling."""
    chunk_ids: npt.NDArray[np.int64]
    """(m,)."""


def assets_in(
    con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], named: str, centring: Centring
) -> Assets | None:
    """Return the sources under a folder, of a glob or of one name, as lists of one space hold them.

    None where they have no vector in these lists. What moderation hides is not among them.

    Raises:
        PathError: none is indexed.
    """
    hidden = set(hidden_chunks(con))
    found_rows = con.execute(_ASSETS, {"pattern": _pattern(named)}).fetchall()
    rows = [row for row in found_rows if row[1] not in hidden]
    if not rows:
        raise PathError(
            f"nothing at {named} is in the collection: index it first, or name an indexed folder"
        )
    owner = {int(row[1]): str(row[0]) for row in rows}
    found: list[tuple[str, int, Floats]] = []
    for held in lists:
        vectors = vectors_of_chunks(con, held, np.array(sorted(owner), np.int64))
        centred = centring.centred(vectors.matrix, space_of(held))
        ids = vectors.chunk_ids.tolist()
        found += [(owner[chunk], chunk, row) for chunk, row in zip(ids, centred, strict=True)]
    return _grouped(found) if found else None


def _grouped(found: list[tuple[str, int, Floats]]) -> Assets:
    found.sort(key=lambda row: row[:2])
    uris = sorted({uri for uri, _, _ in found})
    number = {uri: place for place, uri in enumerate(uris)}
    return Assets(
        uris,
        np.stack([vector for _, _, vector in found]),
        np.array([number[uri] for uri, _, _ in found], np.int64),
        np.array([chunk for _, chunk, _ in found], np.int64),
    )


def _pattern(named: str) -> str:
    """Return the RE2 pattern of the uris that a folder, file or glob names."""
    place = named if is_remote(named) else os.path.abspath(os.path.expanduser(named))
    whole = glob_to_regex(place)
    return whole if any(sign in named for sign in "*?") else f"{whole}(/.*)?"


def shown_source(uri: str, score: float) -> Hit:
    """Return a source as a hit that a contact sheet can draw."""
    return Hit(
        rank=1,
        score=score,
        uri=uri,
        chunk_id=0,
        kind="image",
        ordinal=0,
        modality="image",
        media_type="",
        size_bytes=0,
        modified=None,
        num_copies=1,
    )
