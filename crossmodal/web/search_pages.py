"""Answer searches for the API: the search service with a memory of queries, and the API's errors.

By that memory further pages and details cost no model. A remembered query belongs to the lists that
it was encoded for, so that a new model version makes a new query.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.errors import BlindModels, ModelError, NoSuchChunk, PathError, Refused
from crossmodal.ledger.collection import Collection
from crossmodal.search.answer import Answer
from crossmodal.search.cited import CitedAnswer, cited, refuse_empty, wide
from crossmodal.search.lists import QueryVectors
from crossmodal.search.options import QueryOptions
from crossmodal.search.parts import parts_of
from crossmodal.search.reranking import OFF, second_stage
from crossmodal.search.service import Query, SearchService
from crossmodal.search.words import Mode
from crossmodal.web.api.errors import ApiError
from crossmodal.web.api.known_chunk import known_chunk
from crossmodal.web.lru import Lru
from crossmodal.web.settings import UiSettings

if TYPE_CHECKING:
    from PIL.Image import Image

_NUM_REMEMBERED = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Say which page of which hits is wanted."""

    k: int
    offset: int
    where: list[str] = field(default_factory=list)
    modalities: tuple[str, ...] = ()
    group: bool = True
    min_strength: str | None = None
    mode: Mode = "hybrid"
    rerank: bool = True
    """Whether the reranker, if there is one, may order the first hits."""


class Searcher:
    """Search one collection; safe between threads."""

    def __init__(self, settings: UiSettings, collection: Collection) -> None:
        self._settings = settings
        memory: Lru[str, QueryVectors] = Lru(_NUM_REMEMBERED)
        self._service = SearchService(collection, memory)

    def warm_up(self) -> None:
        """Load the models that queries need; the first of them would wait for it."""
        self._service.warm_up(self._options(Ask(k=1, offset=0)))

    def by_text(self, text: str, ask: Ask) -> Answer:
        """Return the chunks that a text means."""
        return self._service.ask(Query(text=text), self._options(ask))

    def cited(self, question: str, ask: Ask) -> CitedAnswer:
        """Return the sources that answer a question; ``ask.k`` says how many at most.

        Raises:
            FilterError: the question has no words.
        """
        refuse_empty(question)
        found = self._service.ask(Query(text=question), wide(self._options(ask)))
        return cited(found, ask.k)

    def by_parts(self, text: str, plus: list[str], minus: list[str], ask: Ask) -> Answer:
        """Return the chunks that a text means with parts added and taken: texts, or chunk ids.

        Raises:
            ApiError: 404, a part is no chunk, or has no vector under this model.
        """
        parts = [
            replace(part, is_text=not (part.given.isascii() and part.given.isdigit()))
            for part in parts_of([text], plus, minus)
        ]
        try:
            return self._service.ask_parts(parts, self._options(ask))
        except PathError as error:
            raise ApiError(404, "no_such_chunk", str(error), "search again") from error

    def by_texts(self, texts: list[str], ask: Ask) -> list[Answer]:
        """Return an answer for each text, in a few passes over each list; none is reranked."""
        queries = [Query(text=text) for text in texts]
        options = replace(self._options(ask), rerank=OFF)
        return list(self._service.ask_many(queries, options))

    def by_picture(self, data: bytes, ask: Ask) -> Answer:
        """Return the chunks that a picture resembles.

        Raises:
            ApiError: 422, these bytes are no picture that can be used, or no model sees pictures.
        """
        try:
            return self._service.ask(Query(picture=data), self._options(ask))
        except Refused as refused:
            raise ApiError(
                422,
                "unusable_picture",
                f"this picture cannot be used ({refused.reason}): {refused.detail}",
                "send a JPEG, PNG, WebP, GIF, AVIF, HEIC or TIFF picture",
            ) from refused
        except BlindModels as error:
            raise ApiError(
                422, "cannot_see", "no model of this collection sees pictures"
            ) from error

    def by_chunk(self, chunk_id: int, ask: Ask) -> Answer:
        """Return the chunks nearest to a chunk, itself left out.

        Raises:
            ApiError: 404, there is no such chunk, or it has no vector under this model.
        """
        try:
            return self._service.ask(Query(chunk_id=chunk_id), self._options(ask))
        except NoSuchChunk as error:
            with self._service.collection.read() as con:
                known_chunk(con, chunk_id, hidden=True)
            detail = f"chunk {chunk_id} has no vector under this model"
            raise ApiError(404, "no_vector", detail) from error

    def why(self, chunk_id: int, text: str) -> bytes:
        """Return as JPEG where in the picture of a chunk the reranker finds the words of a text.

        Raises:
            ApiError: 404, nothing that orders the hits here maps pictures, or not this one.
        """
        from crossmodal.search.patch_map import map_patches

        stage = second_stage(self._service.collection, self._options(Ask(k=1, offset=0)))
        models = [each for each in stage.chosen if "image" in each.modalities]
        try:
            for chosen in models:
                reranker = load_reranker(chosen.model, self._settings.device)
                if chosen.fingerprint in ("", reranker.fingerprint):
                    place = str(self._service.collection.path)
                    found = map_patches(place, chunk_id, text, chosen.model, self._settings.device)
                    return _as_jpeg(found.drawn())
        except ModelError as error:
            raise ApiError(404, "no_map", str(error)) from error
        raise ApiError(
            404,
            "no_map",
            "no reranker orders the pictures of this collection",
            "start the page with --rerank and a ColPali or a ColQwen2, or set one that wins",
        )

    def remembered(self, query_id: str) -> QueryVectors:
        """Return the vectors of an earlier query; empty where they are forgotten."""
        return self._service.remembered(query_id)

    def _options(self, ask: Ask) -> QueryOptions:
        return QueryOptions(
            collection=self._settings.collection,
            model=self._settings.model,
            device=self._settings.device,
            k=ask.k,
            offset=ask.offset,
            where=ask.where,
            modalities=ask.modalities,
            group=ask.group,
            min_strength=ask.min_strength,
            mode=ask.mode,
            trial=True,
            rerank=self._settings.rerank if ask.rerank else OFF,
            rerank_deadline_ms=self._settings.rerank_deadline_ms,
        )


def _as_jpeg(picture: Image) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=88)
    return encoded.getvalue()
