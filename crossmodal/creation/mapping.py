"""Keep a map of a collection up to date: what is alike lies together, clusters have names.

The map stays in the collection. A run with nothing new reads it and loads no model; new chunks are
placed between those that are there; only when the collection has doubled since, or has lost half,
is it drawn up anew. Invariant: every chunk of the map has its vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.creation.layout import NUM_ANCHORS, Layout, laid_out, names_of, placed
from crossmodal.errors import CollectionEmpty
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.many_vectors import Vectors, chunk_ids_of, vectors_of_chunks
from crossmodal.ledger.write.maps import (
    MapPoints,
    add_points,
    drop_points,
    read_clusters,
    read_map,
    write_map,
)
from crossmodal.records import ModelVersion, VectorList
from crossmodal.search.centring import Centring, Space, centring_of, normalised, space_of
from crossmodal.search.lists import choose_lists
from crossmodal.search.options import QueryOptions
from crossmodal.views.human import counted
from crossmodal.views.text_table import TextTable

if TYPE_CHECKING:
    import duckdb

Floats = npt.NDArray[np.float32]

_GROWTH = 2.0
_MAX_CLUSTERS = 16


@dataclass(frozen=True, slots=True)
class CollectionMap:
    """Hold a map and what became of it in this run."""

    version: ModelVersion
    points: MapPoints
    names: dict[int, str]
    num_placed: int
    """Chunks that were new to the map; all of them where it was drawn up anew."""
    num_gone: int

    def to_text_table(self) -> TextTable:
        """Return a table: a row a cluster, the largest first."""
        counts = np.bincount(self.points.clusters, minlength=max(self.names, default=0) + 1)
        order = sorted(self.names, key=lambda number: -counts[number])
        rows = [(self.names[number], str(counts[number])) for number in order]
        chunks = counted(len(self.points.chunk_ids), "chunk")
        title = f"{chunks}, {self.num_placed} of them newly placed"
        return TextTable(title, ("cluster", "chunks"), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: clusters with their sizes, and every point."""
        counts = np.bincount(self.points.clusters, minlength=max(self.names, default=0) + 1)
        rows = zip(
            self.points.chunk_ids.tolist(),
            self.points.places.tolist(),
            self.points.clusters.tolist(),
            strict=True,
        )
        return {
            "model": self.version.label,
            "num_placed": self.num_placed,
            "num_gone": self.num_gone,
            "clusters": [
                {"cluster": number, "name": name, "num_chunks": int(counts[number])}
                for number, name in self.names.items()
            ],
            "points": [[chunk, x, y, cluster] for chunk, (x, y), cluster in rows],
        }


def update_map(
    collection: str, model: str | None = None, device: str = "auto", *, fresh: bool = False
) -> CollectionMap:
    """Bring the map of a collection up to date and return it.

    Raises:
        CollectionEmpty: there is nothing to lay out.
        ExtraMissing: scikit-learn is not installed.
    """
    opened = Collection(collection)
    with opened.read() as con:
        lists = _lists_of_one_space(con, opened, model)
        known = read_map(con, lists[0].version.id or 0)
        held = np.unique(np.concatenate([chunk_ids_of(con, each) for each in lists]))
        centring = centring_of(con, lists)
        stale = fresh or _is_stale(known, held)
        new = held if stale else np.setdiff1d(held, known.chunk_ids)
        gone = np.setdiff1d(known.chunk_ids, held)
        vectors = _centred(con, lists, centring, new) if len(new) else None
        anchors = _anchors(con, lists, centring, known) if len(new) and not stale else None
    if stale and vectors is not None:
        return _drawn_up(opened, lists, vectors, device)
    return _updated(opened, lists[0].version, vectors, anchors, gone)


def _lists_of_one_space(
    con: duckdb.DuckDBPyConnection, opened: Collection, model: str | None
) -> list[VectorList]:
    """Return the lists of the version that has most vectors."""
    options = QueryOptions(collection=str(opened.path), model=model)
    lists = choose_lists(con, opened.path, options)
    counts: dict[ModelVersion, int] = {}
    for held in lists:
        counts[held.version] = counts.get(held.version, 0) + len(chunk_ids_of(con, held))
    best = max(counts, key=lambda version: counts[version])
    if not counts[best]:
        raise CollectionEmpty(f"{opened.path} holds no vector to draw a map of: index files first")
    return [held for held in lists if held.version == best]


def _is_stale(known: MapPoints, held: npt.NDArray[np.int64]) -> bool:
    """Say whether so much came or went that the anchors no longer stand for the whole."""
    anchors = known.chunk_ids[known.are_anchors]
    if not len(anchors) or np.isin(anchors, held).mean() < 1 / _GROWTH:
        return True
    covered = max(len(known.chunk_ids), 1)
    return len(anchors) < NUM_ANCHORS and len(held) > _GROWTH * covered


def _centred(
    con: duckdb.DuckDBPyConnection,
    lists: Sequence[VectorList],
    centring: Centring,
    chunk_ids: npt.NDArray[np.int64],
) -> Vectors:
    """Return the vectors of chunks in whichever list has them, without their modality's mean."""
    found = [(held, vectors_of_chunks(con, held, chunk_ids)) for held in lists]
    ids = np.concatenate([each.chunk_ids for _, each in found])
    rows = np.concatenate([centring.centred(v.matrix, space_of(held)) for held, v in found])
    order = np.argsort(ids, kind="stable")
    return Vectors(ids[order], rows[order])


def _anchors(
    con: duckdb.DuckDBPyConnection,
    lists: Sequence[VectorList],
    centring: Centring,
    known: MapPoints,
) -> tuple[Floats, Layout]:
    """Return the anchors that are still there, with their places."""
    vectors = _centred(con, lists, centring, known.chunk_ids[known.are_anchors])
    rows = np.searchsorted(known.chunk_ids, vectors.chunk_ids)
    return vectors.matrix, Layout(known.places[rows], known.clusters[rows])


def _drawn_up(
    opened: Collection, lists: Sequence[VectorList], vectors: Vectors, device: str
) -> CollectionMap:
    """Lay out everything anew and keep it."""
    rng = np.random.default_rng(7)
    num = len(vectors.chunk_ids)
    chosen = np.sort(rng.choice(num, min(num, NUM_ANCHORS), replace=False))
    anchors = vectors.matrix[chosen]
    layout = laid_out(anchors, num_clusters(num))
    whole = placed(vectors.matrix, anchors, layout)
    whole.places[chosen], whole.clusters[chosen] = layout.places, layout.clusters
    names = _names(lists[0].version, anchors, layout, device)
    points = MapPoints(
        vectors.chunk_ids, whole.places, whole.clusters, np.isin(np.arange(num), chosen)
    )
    with opened.write() as con:
        write_map(con, lists[0].version.id or 0, points, names)
    return CollectionMap(lists[0].version, points, names, num, 0)


def _updated(
    opened: Collection,
    version: ModelVersion,
    new: Vectors | None,
    anchors: tuple[Floats, Layout] | None,
    gone: npt.NDArray[np.int64],
) -> CollectionMap:
    """Place what is new, take off what is gone, and return the map; write only if there is need."""
    number = version.id or 0
    num_new = len(new.chunk_ids) if new else 0
    if num_new or len(gone):
        with opened.write() as con:
            drop_points(con, number, gone)
            if new and anchors:
                lying = placed(new.matrix, *anchors)
                none = np.zeros(num_new, bool)
                add_points(con, number, MapPoints(new.chunk_ids, *lying, none))
    with opened.read() as con:
        points, names = read_map(con, number), read_clusters(con, number)
    return CollectionMap(version, points, names, num_new, len(gone))


def num_clusters(num_chunks: int) -> int:
    """Return into how many clusters so many chunks fall: few, so that their names can be read."""
    return int(np.clip(round(np.sqrt(num_chunks / 2)), 1, _MAX_CLUSTERS))


def vocabulary() -> list[str]:
    """Return the words that clusters are named by."""
    text = files("crossmodal.creation").joinpath("words.txt").read_text("utf-8")
    return sorted(set(text.split()))


def _names(version: ModelVersion, anchors: Floats, layout: Layout, device: str) -> dict[int, str]:
    """Return what each cluster is called; a model that reads no texts gives numbers."""
    numbers = np.unique(layout.clusters).tolist()
    if "text" not in version.encoders:
        return {number: f"cluster {number + 1}" for number in numbers}
    from crossmodal.encoders.cache import load_version

    centres = [anchors[layout.clusters == number].mean(axis=0) for number in numbers]
    words = vocabulary()
    vectors = load_version(version, device).encode_queries(words)
    space = Space(version.fingerprint, "text")
    centred = Centring({space: vectors.mean(axis=0)}, {}).centred(vectors, space)
    return dict(zip(numbers, names_of(normalised(np.stack(centres)), centred, words), strict=True))
