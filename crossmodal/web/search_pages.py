"""Answer searches for the API: encode a query once, remember its vectors, cut a page of hits.

Owns the memory of queries, by which further pages and details cost no model. A remembered query
belongs to the lists that it was encoded for, so that a new model version makes a new query.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crossmodal.errors import Refused
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.chunks import SourceRow, played_by
from crossmodal.ledger.read.filters import Where, parse_where
from crossmodal.previews.preview import small_picture
from crossmodal.records import Hit, VectorList
from crossmodal.search.answer import codes_beside
from crossmodal.search.lists import QueryVectors, choose_lists, encode_image, encode_text
from crossmodal.search.merge import Page, merged
from crossmodal.search.options import QueryOptions
from crossmodal.search.similar import vectors_of
from crossmodal.web.api.errors import ApiError
from crossmodal.web.api.lookup import known_chunk
from crossmodal.web.lru import Lru
from crossmodal.web.settings import UPLOAD_SIDE, UiSettings

if TYPE_CHECKING:
    import duckdb

_NUM_REMEMBERED = 2000
_ID_CHARS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Say which page of which hits is wanted."""

    k: int
    offset: int
    where: list[str] = field(default_factory=list)
    modalities: tuple[str, ...] = ()
    group: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """Hold one page of hits."""

    query_id: str
    model: str
    hits: list[Hit]
    has_more: bool
    plays: dict[str, SourceRow]
    """By source, the film or sound that these subtitles belong to."""
    notices: list[str]
    """What a person should know of how the hits were found; mostly nothing."""


class Searcher:
    """Search one collection; safe between threads."""

    def __init__(self, settings: UiSettings, collection: Collection) -> None:
        self._settings = settings
        self._collection = collection
        self._remembered: Lru[str, QueryVectors] = Lru(_NUM_REMEMBERED)

    def warm_up(self) -> None:
        """Load the models that queries need; the first of them would wait for it."""
        with self._collection.read() as con:
            lists = self._lists(con)
        encode_text(lists, "warm up", self._settings.device)

    def by_text(self, text: str, ask: Ask) -> Found:
        """Return the chunks that a text means."""

        def encode(lists: list[VectorList]) -> QueryVectors:
            return encode_text(lists, text, self._settings.device)

        return self._by(lambda lists: _query_id("text", text.encode(), lists), encode, ask)

    def by_picture(self, data: bytes, ask: Ask) -> Found:
        """Return the chunks that a picture resembles.

        Raises:
            ApiError: 422, these bytes are no picture that can be used, or no model sees pictures.
        """

        def encode(lists: list[VectorList]) -> QueryVectors:
            if not any("image" in found.version.encoders for found in lists):
                raise ApiError(422, "cannot_see", "no model of this collection sees pictures")
            return self._encode_picture(lists, data)

        return self._by(lambda lists: _query_id("picture", data, lists), encode, ask)

    def by_chunk(self, chunk_id: int, ask: Ask) -> Found:
        """Return the chunks nearest to a chunk, itself left out.

        Raises:
            ApiError: 404, there is no such chunk, or it has no vector under this model.
        """
        with self._collection.read() as con:
            lists = self._lists(con)
            known = known_chunk(con, chunk_id)
            vectors = vectors_of(con, chunk_id, lists)
            if not vectors:
                raise ApiError(404, "no_vector", f"chunk {chunk_id} has no vector under this model")
            query_id = _query_id("chunk", str(chunk_id).encode(), lists)
            self._remembered.put(query_id, vectors)
            own = {source.uri for source in known.sources}

            def is_other(hit: Hit) -> bool:
                return hit.chunk_id != chunk_id and not (ask.group and hit.uri in own)

            return self._found(con, query_id, vectors, ask, is_other)

    def remembered(self, query_id: str) -> QueryVectors:
        """Return the vectors of an earlier query; empty where they are forgotten."""
        return self._remembered.get(query_id) or {}

    def _by(
        self,
        name: Callable[[list[VectorList]], str],
        encode: Callable[[list[VectorList]], QueryVectors],
        ask: Ask,
    ) -> Found:
        """Search within one read where the query is remembered; encode it outside of any read."""
        with self._collection.read() as con:
            lists = self._lists(con)
            query_id = name(lists)
            vectors = self._remembered.get(query_id)
            if vectors is not None:
                return self._found(con, query_id, vectors, ask)
        vectors = encode(lists)
        self._remembered.put(query_id, vectors)
        with self._collection.read() as con:
            return self._found(con, query_id, vectors, ask)

    def _lists(self, con: duckdb.DuckDBPyConnection) -> list[VectorList]:
        options = QueryOptions(collection=self._settings.collection, model=self._settings.model)
        return choose_lists(con, self._collection.path, options)

    def _encode_picture(self, lists: list[VectorList], data: bytes) -> QueryVectors:
        try:
            picture = small_picture(data, UPLOAD_SIDE)
        except Refused as refused:
            raise ApiError(
                422,
                "unusable_picture",
                f"this picture cannot be used ({refused.reason}): {refused.detail}",
                "send a JPEG, PNG, WebP, GIF, AVIF, HEIC or TIFF picture",
            ) from refused
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            file.write(picture)
            file.flush()
            return encode_image(lists, file.name, self._settings.device)

    def _found(
        self,
        con: duckdb.DuckDBPyConnection,
        query_id: str,
        vectors: QueryVectors,
        ask: Ask,
        is_wanted: Callable[[Hit], bool] | None = None,
    ) -> Found:
        where = parse_where(ask.where)
        searched = {
            found: vector
            for found, vector in vectors.items()
            if not ask.modalities or found.modality in ask.modalities
        }
        hits, notices = self._hits(con, searched, ask, where, is_wanted)
        page = [replace(hit, rank=i) for i, hit in enumerate(hits[: ask.k], ask.offset + 1)]
        model = " + ".join(dict.fromkeys(found.version.label for found in vectors))
        has_more = len(hits) > ask.k
        return Found(query_id, model, page, has_more, played_by(con, page), notices)

    def _hits(
        self,
        con: duckdb.DuckDBPyConnection,
        vectors: QueryVectors,
        ask: Ask,
        where: Where | None,
        is_wanted: Callable[[Hit], bool] | None,
    ) -> Page:
        """Return the hits of the page and one more, to know whether there is another page."""
        if not vectors:
            return Page([], [])
        codes = codes_beside(self._collection.path)
        options = QueryOptions(
            collection=self._settings.collection, k=ask.k + 1, offset=ask.offset, group=ask.group
        )
        if is_wanted is None:
            return merged(con, vectors, options, where, codes)
        whole = replace(options, k=ask.offset + ask.k + 2, offset=0)
        found = merged(con, vectors, whole, where, codes)
        others = [hit for hit in found.hits if is_wanted(hit)]
        return Page(others[ask.offset : ask.offset + ask.k + 1], found.notices)


def _query_id(kind: str, content: bytes, lists: Sequence[VectorList]) -> str:
    digest = hashlib.sha256(kind.encode() + b"\0" + content)
    for found in lists:
        digest.update(f"\0{found.version.fingerprint}|{found.modality}".encode())
    return digest.hexdigest()[:_ID_CHARS]
