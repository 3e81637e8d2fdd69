"""Read pairs of pictures and captions, and say what is wrong with them before anything is learned.

Owns the look-up, in a collection, of the pictures that a table, a log of clicks or judgements tell
of. A picture is there with its stored vector or it is not used: a picture that is missing, broken
or not indexed is counted and named, each with what to do.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.errors import PairsError
from crossmodal.files.read import is_remote
from crossmodal.ledger.sql import registered
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.previews.preview import Subject
from crossmodal.records import VectorList
from crossmodal.training.inside import COLLECTION, parts_inside
from crossmodal.training.judged import JUDGEMENTS, judged
from crossmodal.training.tables import read_told
from crossmodal.training.told import Told
from crossmodal.vectors.affine import Floats

FEWEST_PAIRS = 32
"""Fewer than that teach a map nothing that holds elsewhere."""
_LEVELS_UP = 3

_FIND = """
SELECT w.path, s.uri, s.content_hash, s.media_type, v.v FROM wanted w
JOIN source s ON s.uri = w.uri JOIN chunk c ON c.content_hash = s.content_hash AND c.kind = 'image'
JOIN {table} v ON v.chunk_id = c.chunk_id
ORDER BY w.path
"""
_REFUSED = "SELECT w.path FROM wanted w JOIN quarantine q ON q.uri = w.uri"


@dataclass(frozen=True, slots=True)
class Hard:
    """Hold pictures that were looked at for a caption and left: hard negatives."""

    uris: list[str]
    images: Floats
    """(k, dim)."""
    caption_of: np.ndarray
    """(k,) int64: the caption that each does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Hold the pairs that can be learned from."""

    origin: str
    """The table, or what else they were taken from."""
    pictures: list[Subject]
    images: Floats
    """(n, dim): the stored vectors of the pictures."""
    captions: list[str]
    picture_of: np.ndarray
    """(m,) int64: the picture that each caption tells of."""
    hard: Hard | None = None
    problems: dict[str, int] = field(default_factory=dict)

    @property
    def uris(self) -> list[str]:
        """Return the source of each picture."""
        return [picture.uri for picture in self.pictures]

    @property
    def digest(self) -> str:
        """Return SHA-256 over pictures and captions, hex."""
        names = [_name(picture) for picture in self.pictures]
        told = [f"{names[p]}\0{c}" for c, p in zip(self.captions, self.picture_of, strict=True)]
        if self.hard:
            left = zip(self.hard.uris, self.hard.caption_of, strict=True)
            told += [f"not {uri}\0{self.captions[caption]}" for uri, caption in left]
        return hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest()


def read_pairs(con: duckdb.DuckDBPyConnection, given: str, images: VectorList) -> Pairs:
    """Return the pairs that a table, a log of clicks, the judgements or the collection tell of.

    Raises:
        PairsError: the table cannot be read, or too little of it can be used; says why.
    """
    pairs = _inside(con, images) if given == COLLECTION else _told_of(con, given, images)
    _refuse(pairs)
    return pairs


def _inside(con: duckdb.DuckDBPyConnection, images: VectorList) -> Pairs:
    found = parts_inside(con, images)
    told = [part for part in found if part.captions]
    silent = Counter(part.picture.kind for part in found if not part.captions)
    return Pairs(
        origin="the collection",
        pictures=[part.picture for part in told],
        images=np.array([p.vector for p in told], np.float32).reshape(-1, images.version.dim),
        captions=[text for part in told for text in part.captions],
        picture_of=np.array([n for n, p in enumerate(told) for _ in p.captions], np.int64),
        problems={f"{kind}s without words beside them": num for kind, num in silent.items()},
    )


def _told_of(con: duckdb.DuckDBPyConnection, given: str, images: VectorList) -> Pairs:
    place = Path(given).expanduser().absolute()
    told = (judged(con) if given == JUDGEMENTS else read_told(place)).settled()
    paths = list(dict.fromkeys([*told.captions, *(path for _, path in told.skipped)]))
    found = _located(con, place, paths, images)
    told.problems.update(_missing(con, place, [p for p in told.captions if p not in found]))
    return _pairs(given if given == JUDGEMENTS else str(place), told, found, images.version.dim)


@dataclass(frozen=True, slots=True)
class _Found:
    picture: Subject
    content: str
    vector: Floats


def _pairs(origin: str, told: Told, found: dict[str, _Found], dim: int) -> Pairs:
    """Return the pairs; files of one content are one picture."""
    places: dict[str, int] = {}
    pictures, vectors, captions, picture_of = [], [], [], []
    for given in filter(told.captions.__contains__, found):
        one = found[given]
        if one.content not in places:
            places[one.content] = len(places)
            pictures.append(one.picture)
            vectors.append(one.vector)
        captions += told.captions[given]
        picture_of += [places[one.content]] * len(told.captions[given])
    return Pairs(
        origin=origin,
        pictures=pictures,
        images=np.array(vectors, np.float32).reshape(-1, dim),
        captions=captions,
        picture_of=np.array(picture_of, np.int64),
        hard=_hard(told, found, captions, dim),
        problems={what: num for what, num in told.problems.items() if num},
    )


def _hard(told: Told, found: dict[str, _Found], captions: list[str], dim: int) -> Hard | None:
    first = {text: place for place, text in reversed(list(enumerate(captions)))}
    kept = [(first[text], found[p]) for text, p in told.skipped if text in first and p in found]
    if not kept:
        return None
    return Hard(
        uris=[one.picture.uri for _, one in kept],
        images=np.array([one.vector for _, one in kept], np.float32).reshape(-1, dim),
        caption_of=np.array([caption for caption, _ in kept], np.int64),
    )


def _refuse(pairs: Pairs) -> None:
    told = "; ".join(f"{num:,} {what}" for what, num in pairs.problems.items())
    why = f" ({told})" if told else ""
    if len(pairs.uris) < FEWEST_PAIRS:
        raise PairsError(
            f"{pairs.origin} has {len(pairs.uris):,} pictures that can be learned from{why}, and "
            f"{FEWEST_PAIRS} are the fewest that teach anything: add pairs, or index their "
            "pictures with `crossmodal index` first"
        )
    text, num = Counter(c.casefold() for c in pairs.captions).most_common(1)[0]
    if num > len(pairs.captions) / 2:
        raise PairsError(
            f"{num:,} of {len(pairs.captions):,} captions of {pairs.origin} are {text[:60]!r}: "
            "where most pictures are called the same there is nothing to tell them apart by"
        )


def _located(
    con: duckdb.DuckDBPyConnection, place: Path, paths: list[str], images: VectorList
) -> dict[str, _Found]:
    """Return pictures by path, from the base that finds most."""
    found: dict[str, _Found] = {}
    for base in [place.parent, *list(place.parent.parents)[:_LEVELS_UP]]:
        wanted = pa.table({"path": paths, "uri": [_absolute(path, base) for path in paths]})
        with registered(con, wanted=wanted):
            table = con.sql(_FIND.format(table=table_of(images))).to_arrow_table()
        if table.num_rows > len(found):
            flat = table["v"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            vectors = flat.reshape(-1, images.version.dim)
            names = ("path", "uri", "content_hash", "media_type")
            columns = [table[name].to_pylist() for name in names]
            found = {
                path: _Found(Subject(kind="image", media_type=m or "", uri=uri), content, vector)
                for path, uri, content, m, vector in zip(*columns, vectors, strict=True)
            }
    return found


def _missing(con: duckdb.DuckDBPyConnection, place: Path, paths: list[str]) -> Counter[str]:
    """Count pictures that have no vector, by why."""
    bases = [place.parent, *list(place.parent.parents)[:_LEVELS_UP]]
    tried = [(path, _absolute(path, base)) for path in paths for base in bases]
    wanted = pa.table({"path": [p for p, _ in tried], "uri": [u for _, u in tried]})
    with registered(con, wanted=wanted):
        broken = {path for (path,) in con.execute(_REFUSED).fetchall()} if tried else set()
    there = {path for path, uri in tried if not is_remote(uri) and os.path.exists(uri)}
    return Counter(
        "whose picture is broken, see `crossmodal quarantine`"
        if path in broken
        else "whose picture is not in the collection: index it first"
        if path in there or is_remote(path)
        else "whose picture is missing"
        for path in paths
    )


def _absolute(path: str, base: Path) -> str:
    return path if is_remote(path) else os.path.abspath(base / os.path.expanduser(path))


def _name(picture: Subject) -> str:
    """Return what tells a picture from others: its source and, of a part, where it stands."""
    if picture.kind == "image":
        return picture.uri
    return f"{picture.uri}#{picture.kind} {json.dumps(picture.meta, sort_keys=True)}"
