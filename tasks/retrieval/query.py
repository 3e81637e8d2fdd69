"""Answer queries: choose the model version, encode the query once, search, hold the hits.

Refuses before it loads a model: an empty collection, an unknown model and a wrong filter cost
milliseconds. A query is only ever compared with vectors of the model version that encoded it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tasks.errors import CollectionEmpty, FilterError, ModelMismatch
from tasks.grid import Grid
from tasks.plain import human_bytes, markdown_cell
from tasks.records import Hit, ModelVersion
from tasks.retrieval.options import QueryOptions
from tasks.storage import models
from tasks.storage.collection import Collection
from tasks.storage.filters import Where, parse_where
from tasks.storage.search import SearchRequest, search

if TYPE_CHECKING:
    import numpy as np

    from tasks.embedding.encoder import Encoder


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold one query and its hits, best first."""

    query: str
    model: str
    hits: list[Hit]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def to_grid(self) -> Grid:
        """Return a table: rank, score, path."""
        rows = [
            (str(hit.rank), f"{hit.score:.3f}", hit.uri + _copies(hit), human_bytes(hit.size_bytes))
            for hit in self.hits
        ]
        return Grid(self.query, ("", "score", "path", "size"), rows, num_words=3)

    def to_markdown(self) -> str:
        """Return a heading and a table with thumbnails for a Prefect artifact."""
        return f"## {markdown_cell(self.query)}\n\n{self.to_grid().to_markdown()}\n"


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
    version = _choose_version(collection, options.model)
    encoder = _load(version, options.device)
    vectors = _encode(encoder, queries, images)
    with collection.read() as con:
        return [
            Answer(title, version.label, search(con, _request(version, vector, options, where)))
            for title, vector in zip([*queries, *images], vectors, strict=True)
        ]


def _copies(hit: Hit) -> str:
    return f" (and {hit.num_copies - 1} more of the same content)" if hit.num_copies > 1 else ""


def _request(
    version: ModelVersion, vector: np.ndarray, options: QueryOptions, where: Where | None
) -> SearchRequest:
    return SearchRequest(
        model=version, query=vector, k=options.k, offset=options.offset, where=where
    )


def _choose_version(collection: Collection, spec: str | None) -> ModelVersion:
    """Return the model version to search, refusing what the collection cannot answer."""
    with collection.read() as con:
        live = models.live(con)
        if live is None:
            raise CollectionEmpty(
                f"{collection.path} holds no vector yet: run `crossmodal index PATH...` first"
            )
        if spec is None:
            return live
        found = models.find(con, spec)
        known = ", ".join(version.label for version in models.all_versions(con))
    if not found:
        raise ModelMismatch(
            f"{collection.path} holds no vectors of model {spec!r}, only of {known}: "
            f"index with --model {spec} first, or leave --model out for {live.label}"
        )
    return found[-1]


def _load(version: ModelVersion, device: str) -> Encoder:
    from tasks.embedding.loading import load_version

    return load_version(version, device)


def _encode(encoder: Encoder, texts: list[str], images: list[str]) -> list[np.ndarray]:
    """Return one unit vector a query, texts first."""
    from tasks.embedding.single import encode_picture

    vectors = list(encoder.encode_texts(texts)) if texts else []
    return vectors + [encode_picture(encoder, uri) for uri in images]
