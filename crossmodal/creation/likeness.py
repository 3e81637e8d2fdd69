"""Find pairs of sources that look alike or mean the same; the first of these decodes pictures.

A picture is decoded once in the life of its content: its hash stays in the collection. What cannot
be decoded any more, as what is gone since, is remembered as a picture without a hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from crossmodal.creation.groups import Item
from crossmodal.creation.near_hashes import near_pairs
from crossmodal.errors import Refused
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.many_vectors import chunk_ids_of, vectors_of_chunks
from crossmodal.ledger.write.picture_hashes import picture_hashes, remember_hashes, unhashed
from crossmodal.pictures.perceptual_hash import hash_of
from crossmodal.previews.thumbnail import thumbnail
from crossmodal.records import VectorList
from crossmodal.search.lists import choose_lists
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.nearest_many import search_many

if TYPE_CHECKING:
    import duckdb

NUM_NEAREST = 20
"""Neighbours of a source that are looked at by meaning."""
_HASH_SIDE_PX = 64
_READERS = 4
_BATCH = 512


def hash_new_pictures(collection: Collection) -> int:
    """Give every picture that has none its hash, and return how many were looked at."""
    with collection.read() as con:
        new = unhashed(con)
    with ThreadPoolExecutor(_READERS) as readers:
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            bits = readers.map(_bits, (uri for _, uri in batch))
            found = {content: each for (content, _), each in zip(batch, bits, strict=True)}
            with collection.write() as con:
                remember_hashes(con, found)
    return len(new)


def _bits(uri: str) -> int | None:
    try:
        return hash_of(thumbnail(uri, (_HASH_SIDE_PX, _HASH_SIDE_PX)))
    except Refused:
        return None


def alike_by_looks(
    con: duckdb.DuckDBPyConnection, items: Sequence[Item], max_bits: int
) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs of items whose pictures' hashes differ in at most ``max_bits`` bits."""
    known = picture_hashes(con)
    numbers = [number for number, item in enumerate(items) if item.content_hash in known]
    hashes = np.array([known[items[number].content_hash] for number in numbers], np.uint64)
    for one, other in near_pairs(hashes, max_bits):
        different = int(np.bitwise_count(hashes[one] ^ hashes[other]))
        yield numbers[one], numbers[other], 1 - different / 64


def alike_by_meaning(
    con: duckdb.DuckDBPyConnection,
    collection: Collection,
    items: Sequence[Item],
    min_cosine: float,
) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs of items of a single chunk whose vectors' cosine is at least ``min_cosine``.

    A pair in several lists is yielded for each.
    """
    number_of = {item.chunk_id: number for number, item in enumerate(items) if item.chunk_id}
    options = QueryOptions(collection=str(collection.path))
    codes = CodesFolder(collection.path)
    for held in choose_lists(con, collection.path, options):
        for one, other, cosine in _near_in(con, held, codes, min_cosine):
            if one in number_of and other in number_of:
                yield number_of[one], number_of[other], cosine


def _near_in(
    con: duckdb.DuckDBPyConnection, held: VectorList, codes: CodesFolder, min_cosine: float
) -> Iterator[tuple[int, int, float]]:
    """Yield the ids of near chunks of a list, the smaller one first, and their cosine."""
    ids = chunk_ids_of(con, held)
    for start in range(0, len(ids), 4 * _BATCH):
        asking = vectors_of_chunks(con, held, ids[start : start + 4 * _BATCH])
        found = search_many(con, held, asking.matrix, NUM_NEAREST, codes)
        rows, places = np.nonzero(found.scores >= min_cosine)
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            one, other = int(asking.chunk_ids[row]), int(found.chunk_ids[row, place])
            if one != other:
                yield min(one, other), max(one, other), min(1.0, float(found.scores[row, place]))
