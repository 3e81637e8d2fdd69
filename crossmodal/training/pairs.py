"""Read pairs of pictures and captions, and say what is wrong with them before anything is learned.

Owns the table (``path`` with ``caption`` or a list of them; CSV, TSV, JSONL) and the look-up of its
pictures in a collection. A picture is there with its stored vector or it is not used: a
picture that is missing, broken or not indexed is counted and named, each with what to do.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.errors import PairsError
from crossmodal.files.read import is_remote
from crossmodal.ledger.sql import registered
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.vectors.affine import Floats

FEWEST_PAIRS = 32
"""Fewer than that teach a map nothing that holds elsewhere."""
_PATHS = ("path", "filepath", "image", "file", "file_name", "uri")
_TEXTS = ("caption", "captions", "title", "text", "sentences")
_LEVELS_UP = 3

_FIND = """
SELECT w.path, s.uri, s.content_hash, v.v FROM wanted w
JOIN source s ON s.uri = w.uri JOIN chunk c ON c.content_hash = s.content_hash AND c.kind = 'image'
JOIN {table} v ON v.chunk_id = c.chunk_id
ORDER BY w.path
"""
_REFUSED = "SELECT w.path FROM wanted w JOIN quarantine q ON q.uri = w.uri"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Hold the pairs that can be learned from."""

    path: Path
    uris: list[str]
    """Of each picture."""
    images: Floats
    """(n, dim): the stored vectors of the pictures."""
    captions: list[str]
    picture_of: np.ndarray
    """(m,) int64: the picture that each caption tells of."""
    problems: dict[str, int] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return SHA-256 over pictures and captions, hex."""
        told = [f"{self.uris[p]}\0{c}" for c, p in zip(self.captions, self.picture_of, strict=True)]
        return hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest()


def read_pairs(con: duckdb.DuckDBPyConnection, path: str, images: VectorList) -> Pairs:
    """Return the pairs of a table whose pictures a collection holds.

    Raises:
        PairsError: the table cannot be read, or too little of it can be used; says why.
    """
    place = Path(path).expanduser().absolute()
    problems: Counter[str] = Counter()
    by_path: dict[str, list[str]] = {}
    for given, captions in _rows(place):
        told = [text for text in (" ".join(c.split()) for c in captions) if text]
        problems["with an empty caption"] += not told
        by_path.setdefault(given, []).extend(told)
    by_path = {given: captions for given, captions in by_path.items() if captions}
    found = _located(con, place, list(by_path), images)
    problems.update(_missing(con, place, [p for p in by_path if p not in found]))
    pairs = _pairs(place, by_path, found, {k: n for k, n in problems.items() if n})
    _refuse(pairs)
    return pairs


def _pairs(
    place: Path,
    by_path: dict[str, list[str]],
    found: dict[str, tuple[str, str, Floats]],
    problems: dict[str, int],
) -> Pairs:
    """Return the pairs; files of one content are one picture."""
    places: dict[str, int] = {}
    uris, vectors, captions, picture_of = [], [], [], []
    for given, (uri, content, vector) in found.items():
        if content not in places:
            places[content] = len(places)
            uris.append(uri)
            vectors.append(vector)
        captions += by_path[given]
        picture_of += [places[content]] * len(by_path[given])
    return Pairs(
        path=place,
        uris=uris,
        images=np.array(vectors, np.float32),
        captions=captions,
        picture_of=np.array(picture_of, np.int64),
        problems=problems,
    )


def _refuse(pairs: Pairs) -> None:
    told = "; ".join(f"{num:,} {what}" for what, num in pairs.problems.items())
    why = f" ({told})" if told else ""
    if len(pairs.uris) < FEWEST_PAIRS:
        raise PairsError(
            f"{pairs.path} has {len(pairs.uris):,} pictures that can be learned from{why}, and "
            f"{FEWEST_PAIRS} are the fewest that teach anything: add pairs, or index their "
            "pictures with `crossmodal index` first"
        )
    text, num = Counter(c.casefold() for c in pairs.captions).most_common(1)[0]
    if num > len(pairs.captions) / 2:
        raise PairsError(
            f"{num:,} of {len(pairs.captions):,} captions of {pairs.path} are {text[:60]!r}: where "
            "most pictures are called the same there is nothing to tell them apart by"
        )


def _rows(place: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield path and captions of each row.

    Raises:
        PairsError: it is no table of pairs.
    """
    try:
        text = place.read_text(encoding="utf-8-sig")
        is_jsonl = place.suffix.lower() in (".jsonl", ".ndjson")
        rows = list(map(json.loads, filter(str.strip, text.splitlines()))) if is_jsonl else None
        if rows is None:
            delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
            rows = list(csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter))
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise PairsError(f"the pairs {place} cannot be read: {error}") from error
    if not all(isinstance(row, dict) for row in rows):
        raise PairsError(f"the pairs {place} are no table: each line of JSONL is an object")
    names = {name for row in rows for name in row}
    path, caption = (next((n for n in known if n in names), None) for known in (_PATHS, _TEXTS))
    if path is None or caption is None:
        raise PairsError(
            f"{place} needs a column {' or '.join(_PATHS)} and a column {' or '.join(_TEXTS)}: it "
            f"has {', '.join(sorted(map(str, names))) or 'no columns'}"
        )
    for row in rows:
        if row.get(path):
            yield str(row[path]), _texts(row.get(caption))


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(text) for text in value]
    return [] if value is None else [str(value)]


def _located(
    con: duckdb.DuckDBPyConnection, place: Path, paths: list[str], images: VectorList
) -> dict[str, tuple[str, str, Floats]]:
    """Return uri, content hash and vector by path, from the base that finds most."""
    found: dict[str, tuple[str, str, Floats]] = {}
    for base in [place.parent, *list(place.parent.parents)[:_LEVELS_UP]]:
        wanted = pa.table({"path": paths, "uri": [_absolute(path, base) for path in paths]})
        with registered(con, wanted=wanted):
            table = con.sql(_FIND.format(table=table_of(images))).to_arrow_table()
        if table.num_rows > len(found):
            flat = table["v"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            vectors = flat.reshape(-1, images.version.dim)
            columns = (table[name].to_pylist() for name in ("path", "uri", "content_hash"))
            found = {p: (u, h, v) for p, u, h, v in zip(*columns, vectors, strict=True)}
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
