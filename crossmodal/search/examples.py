"""Find out what an example is, a chunk, a file or a text, and with which vectors it asks.

What the collection holds asks with its stored vectors, so no model is loaded for it. Encoding never
happens while a connection is open: ``look_up`` takes what is stored, ``encode`` the rest.
Invariant: an example that is neither known, nor a file, nor a text is refused, not guessed at.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmodal.errors import ModelMismatch, PathError
from crossmodal.files.read import is_remote
from crossmodal.ledger.read.many_vectors import vectors_of_chunks
from crossmodal.ledger.sql import first_row
from crossmodal.records import ModelVersion, VectorList
from crossmodal.search.centring import Space, normalised, space_of, texts_of_no_subject
from crossmodal.search.lists import encode_image, encode_texts

if TYPE_CHECKING:
    import duckdb

Floats = npt.NDArray[np.float32]

MAX_CHUNKS = 500
"""Chunks of a source whose mean stands for it; a longer one is stood for by its first."""
_MAX_HASHED_BYTES = 512_000_000

_CONTENT = "SELECT content_hash FROM source WHERE uri IN (SELECT unnest($uris)) LIMIT 1"
_CHUNKS = f"""
SELECT chunk_id FROM chunk WHERE content_hash = $hash AND kind <> 'region'
ORDER BY chunk_id LIMIT {MAX_CHUNKS}
"""
_OWN = """
SELECT chunk_id FROM chunk WHERE content_hash IN (SELECT unnest($hashes::VARCHAR[]))
"""
_HELD = """
SELECT c.content_hash FROM chunk c SEMI JOIN source s ON s.content_hash = c.content_hash
WHERE c.chunk_id = $id
"""


@dataclass(frozen=True, slots=True)
class Example:
    """Hold one example as each space sees it."""

    given: str
    """As the caller named it."""
    vectors: Mapping[Space, Floats]
    """(dim,) unit vectors, by where the example itself lies."""
    content_hash: str = ""
    """Of what must not come back; empty for a text, a vector or a file that is not indexed."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Name an example that a model has to read first."""

    given: str
    is_picture: bool


Given = str | int | npt.NDArray[np.float32] | Unread
"""A chunk id, path, URL or text, a bare vector, or what is already known to be unread."""


def chunks_of(con: duckdb.DuckDBPyConnection, examples: Iterable[Example]) -> set[int]:
    """Return the ids of every chunk of the examples' contents: what must not come back."""
    hashes = sorted({each.content_hash for each in examples if each.content_hash})
    rows = con.execute(_OWN, {"hashes": hashes}).fetchall() if hashes else []
    return {int(row[0]) for row in rows}


def look_up(
    con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], given: Given
) -> Example | Unread:
    """Return the example with its stored vectors, or what has to be read.

    Raises:
        PathError: there is no chunk of this number, no such file, or no vector of it.
        ModelMismatch: a vector is of no space of the collection.
    """
    if isinstance(given, Unread):
        return given
    if isinstance(given, np.ndarray):
        return _of_vector(lists, given)
    text = str(given).strip()
    if isinstance(given, int) or (text.isascii() and text.isdigit()):
        return _of_chunk(con, lists, int(text))
    content_hash = _content_of(con, text)
    if content_hash:
        return _of_content(con, lists, text, content_hash)
    return Unread(text, _is_file(text))


def encode(lists: Sequence[VectorList], unread: Unread, device: str) -> Example:
    """Return an example that is not in the collection; loads the models it needs.

    Raises:
        PathError: a picture cannot be read.
        ModelMismatch: no model of the collection can.
    """
    if unread.is_picture:
        found, modality = encode_image(list(lists), unread.given, device), "image"
    else:
        found, modality = encode_texts(list(lists), [unread.given], device)[0], "text"
    vectors = {Space(held.version.fingerprint, modality): v for held, v in found.items()}
    return Example(unread.given, vectors)


def encoded(lists: Sequence[VectorList], example: Example | Unread, device: str) -> Example:
    """Return an example as it is, or read it first: see ``encode``."""
    return encode(lists, example, device) if isinstance(example, Unread) else example


def texts_for(
    examples: Iterable[Example | Unread], wordless: Iterable[ModelVersion], device: str
) -> dict[str, Floats]:
    """Return by space what texts of no subject look like, where an example has to be read as one.

    ``wordless`` are the versions that read texts and have hardly one stored to be centred by.
    """
    if not any(isinstance(each, Unread) and not each.is_picture for each in examples):
        return {}
    return {found.fingerprint: texts_of_no_subject(found, device) for found in wordless}


def _of_vector(lists: Sequence[VectorList], given: Floats) -> Example:
    """Return the example of a bare vector, as if it were of the first list that it fits."""
    fitting = [held for held in lists if given.shape == (held.version.dim,)]
    if not fitting:
        dims = ", ".join(sorted({str(held.version.dim) for held in lists}))
        raise ModelMismatch(
            f"an example has the shape {given.shape}, but the vectors asked have {dims} "
            "dimensions: give one that a model of the collection made"
        )
    if not np.isfinite(given).all() or not given.any():
        raise ModelMismatch("an example is no direction: it has only zeros, or what is no number")
    vector = normalised(np.asarray(given, np.float32))
    return Example("vector", {space_of(fitting[0]): vector})


def _of_chunk(con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], number: int) -> Example:
    row = first_row(con, _HELD, {"id": min(number, 2**63 - 1)})
    if row is None:
        raise PathError(
            f"there is no chunk {number} in this collection: "
            "`crossmodal search TEXT --json` tells the chunk_id of each hit"
        )
    vectors = _means(con, lists, np.array([number], np.int64))
    return Example(str(number), _some(vectors, f"chunk {number}"), str(row[0]))


def _of_content(
    con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], text: str, content_hash: str
) -> Example:
    rows = con.execute(_CHUNKS, {"hash": content_hash}).fetchall()
    vectors = _means(con, lists, np.array([row[0] for row in rows], np.int64))
    return Example(text, _some(vectors, text), content_hash)


def _means(
    con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], chunk_ids: npt.NDArray[np.int64]
) -> dict[Space, Floats]:
    """Return the mean direction of the chunks in each list that holds some of them."""
    held = {space_of(each): vectors_of_chunks(con, each, chunk_ids).matrix for each in lists}
    return {space: normalised(found.mean(axis=0)) for space, found in held.items() if len(found)}


def _some(vectors: dict[Space, Floats], what: str) -> dict[Space, Floats]:
    if vectors:
        return vectors
    raise PathError(
        f"{what} is in the collection but has no vector of the modalities and model asked for: "
        "leave --modality and --model out, or see `crossmodal quarantine`"
    )


def _content_of(con: duckdb.DuckDBPyConnection, text: str) -> str:
    """Return the content hash of a source, by its name or, of a local file, by what it holds."""
    names = [text] if is_remote(text) else [text, os.path.abspath(os.path.expanduser(text))]
    row = first_row(con, _CONTENT, {"uris": names})
    if row is None and not is_remote(text) and os.path.isfile(os.path.expanduser(text)):
        bound = {"hash": _hash_of(os.path.expanduser(text))}
        row = first_row(con, "SELECT content_hash FROM source WHERE content_hash = $hash", bound)
    return str(row[0]) if row and row[0] else ""


def _hash_of(path: str) -> str:
    if os.path.getsize(path) > _MAX_HASHED_BYTES:
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_file(text: str) -> bool:
    """Say whether the example is to be read as a picture; refuse what looks like a path only."""
    if is_remote(text) or os.path.isfile(os.path.expanduser(text)):
        return True
    stem, suffix = os.path.splitext(text)
    if " " not in text and (os.sep in stem or 1 < len(suffix) <= 5):
        raise PathError(
            f"{text} is neither in the collection nor a file here: name a chunk id, an indexed "
            "path, a picture, or write a text of several words"
        )
    return False
