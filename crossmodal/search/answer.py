"""Answer queries: choose the lists, encode the query once a space, search, merge, show.

Refuses before it loads a model: an empty collection, an unknown model and a wrong filter cost
milliseconds. A query is only ever compared with vectors of the model version that encoded it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import Where, parse_where
from crossmodal.ledger.read.surroundings import Surroundings, recordings, surroundings
from crossmodal.records import Hit
from crossmodal.search.lists import QueryVectors, choose_lists, encode_image, encode_text
from crossmodal.search.merge import merged
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.views.grid import Grid
from crossmodal.views.human import human_bytes, markdown_cell
from crossmodal.views.places import place_of, snippet

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold one query and its hits, best first."""

    query: str
    model: str
    hits: list[Hit]
    around: dict[int, Surroundings] = field(default_factory=dict)
    """By chunk id, what stands beside a hit and what it is a part of; where it was asked for."""
    plays: dict[str, str] = field(default_factory=dict)
    """By source, the film or sound that these subtitles or this transcript belong to."""
    notices: list[str] = field(default_factory=list)
    """What a person should know of how the hits were found."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def to_grid(self) -> Grid:
        """Return a table: rank, score, path and place, the words."""
        rows = [
            (str(hit.rank), f"{hit.score:.3f}", self._place(hit), self._words(hit), _size(hit))
            for hit in self.hits
        ]
        header = ("", "score", "path", "words", "size")
        if not any(row[3] for row in rows):
            return Grid(
                self.query, _without(header, 3), [_without(r, 3) for r in rows], num_words=3
            )
        return Grid(self.query, header, rows, num_words=4)

    def to_markdown(self) -> str:
        """Return a heading and a table with thumbnails for a Prefect artifact."""
        return f"## {markdown_cell(self.query)}\n\n{self.to_grid().to_markdown()}\n"

    def _place(self, hit: Hit) -> str:
        copies = f" (and {hit.num_copies - 1} more of the same content)" * (hit.num_copies > 1)
        place = place_of(hit.meta)
        plays = f" of {self.plays[hit.uri]}" if place and hit.uri in self.plays else ""
        return hit.uri + (f" ({place}{plays})" if place else "") + copies

    def _words(self, hit: Hit) -> str:
        near = self.around.get(hit.chunk_id)
        if near is None:
            return snippet(hit.text)
        texts = [chunk.text for chunk in near.before] + [hit.text]
        texts += [chunk.text for chunk in near.after]
        return " / ".join(snippet(text) for text in texts if text)


def answer(options: QueryOptions, texts: list[str], images: list[str]) -> list[Answer]:
    """Return one Answer for each text, then one for each picture.

    Raises:
        FilterError: no query was given, or a condition cannot be understood.
        CollectionMissing, CollectionEmpty, ModelMismatch: before any model is loaded.
    """
    queries = [text for text in texts if text.strip()]
    if not queries and not images:
        raise FilterError("nothing to search for: give a text, or a picture with --image")
    where = parse_where(options.where)
    collection = Collection(options.collection)
    with collection.read() as con:
        lists = choose_lists(con, collection.path, options)
    encoded = [encode_text(lists, text, options.device) for text in queries]
    encoded += [encode_image(lists, uri, options.device) for uri in images]
    codes = codes_beside(collection.path)
    with collection.read() as con:
        return [
            _answer(con, title, vectors, options, where, codes)
            for title, vectors in zip([*queries, *images], encoded, strict=True)
        ]


@lru_cache(maxsize=4)
def codes_beside(collection: Path) -> CodesFolder:
    """Return the codes of a collection, kept open across the searches of this process."""
    return CodesFolder(collection)


def _answer(
    con: duckdb.DuckDBPyConnection,
    title: str,
    vectors: QueryVectors,
    options: QueryOptions,
    where: Where | None,
    codes: CodesFolder,
) -> Answer:
    hits, notices = merged(con, vectors, options, where, codes)
    ids = [hit.chunk_id for hit in hits]
    return Answer(
        query=title,
        model=" + ".join(dict.fromkeys(found.version.label for found in vectors)),
        hits=hits,
        around=surroundings(con, ids, options.expand) if options.expand else {},
        plays=recordings(con, hits),
        notices=notices,
    )


def _size(hit: Hit) -> str:
    return human_bytes(hit.size_bytes)


def _without(cells: tuple[str, ...], index: int) -> tuple[str, ...]:
    return cells[:index] + cells[index + 1 :]
