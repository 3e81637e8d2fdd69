"""Answer searches, for the flow, the command, the page, the API and Python alike.

Owns the way of a query: choose the lists, encode it once a space outside of any read, search,
merge, show. Refuses before it loads a model: an empty collection, an unknown model and a wrong
filter cost milliseconds. A query is only ever compared with vectors of the model version that
encoded it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from crossmodal.errors import FilterError, NoSuchChunk
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.chunks import KnownChunk, find_chunk, played_by
from crossmodal.ledger.read.filters import Where, parse_where, where_in
from crossmodal.ledger.read.surroundings import surroundings
from crossmodal.ledger.words.captions import captions_of
from crossmodal.ledger.write.trials import Trial
from crossmodal.records import Hit, VectorList
from crossmodal.search.answer import Answer
from crossmodal.search.calibrating import calibrate_for_search
from crossmodal.search.centring import centring_of, versions_without_texts
from crossmodal.search.examples import Example, Unread, chunks_of, encoded, look_up, texts_for
from crossmodal.search.lists import (
    QueryVectors,
    choose_lists,
    encode_image,
    encode_texts,
    encode_upload,
)
from crossmodal.search.many import merged_many
from crossmodal.search.merge import Beside, Page, merged, words_page
from crossmodal.search.neighbours import Growth
from crossmodal.search.options import QueryOptions
from crossmodal.search.parts import Part, combine, parts_of, title_of
from crossmodal.search.reranking import Asker, remembered, second_stage
from crossmodal.search.similar import vectors_of
from crossmodal.search.snippets import with_snippets
from crossmodal.search.words import refuse_wordless, unquoted, words_of
from crossmodal.vectors.ann.cache import CodesFolder

if TYPE_CHECKING:
    import duckdb

_ID_CHARS = 32
_BATCH_QUERIES = 256


@dataclass(frozen=True, slots=True)
class Query:
    """Ask by a text, by a picture (a path or URL, or the bytes that somebody sent), or by a chunk.

    Exactly one of them is set.
    """

    text: str = ""
    picture: str | bytes = ""
    chunk_id: int | None = None
    has_words: bool = True
    """Whether the words of the text count; not where it only names a mixed query."""
    asks: str = ""
    """Modality of the parts of a mixed query, where they are of one."""

    @property
    def title(self) -> str:
        """Return what people call it."""
        if self.chunk_id is not None:
            return f"chunk {self.chunk_id}"
        return self.text or (self.picture if isinstance(self.picture, str) else "a picture")

    @property
    def trial_name(self) -> str:
        """Return what an A/B trial tells queries apart by."""
        if isinstance(self.picture, bytes):
            return hashlib.sha256(self.picture).hexdigest()
        return self.title

    @property
    def key(self) -> bytes:
        """Return what it is remembered by; empty for a path, whose content may change."""
        if self.chunk_id is not None:
            return b"chunk\0" + str(self.chunk_id).encode()
        if isinstance(self.picture, bytes):
            return b"picture\0" + self.picture
        return b"" if self.picture else b"text\0" + self.text.encode()


class Memory(Protocol):
    """Keep the vectors of earlier queries; safe between threads."""

    def get(self, key: str) -> QueryVectors | None:
        """Return the vectors of a query; None where they are not kept."""

    def put(self, key: str, value: QueryVectors) -> None:
        """Keep the vectors of a query."""


class SearchService:
    """Search one collection; safe between threads."""

    def __init__(self, collection: Collection, memory: Memory | None = None) -> None:
        self.collection = collection
        self._memory = memory

    def warm_up(self, options: QueryOptions) -> None:
        """Load the models that texts need; the first query would wait for it."""
        with self.collection.read() as con:
            lists = self._lists(con, options)
        self._encode(Query(text="warm up"), lists, options.device)

    def remembered(self, query_id: str) -> QueryVectors:
        """Return the vectors of an earlier query; empty where they are forgotten."""
        return (self._memory.get(query_id) if self._memory else None) or {}

    def ask(self, query: Query, options: QueryOptions) -> Answer:
        """Return the page of hits that the options ask for, reranked where they ask for that.

        Raises:
            FilterError: a condition cannot be understood.
            CollectionMissing, CollectionEmpty, ModelMismatch, NoSuchChunk: before a model loads.
            PathError, Refused: the picture cannot be used.
            ModelUnavailable, ModelUnsupported: what is named is no reranker.
        """
        trial = self._trial(options)
        if trial:
            found = self._first(query, _told(options, trial.takes(query.trial_name)))
            return _noted(found, trial)
        return self._first(query, options)

    def _first(self, query: Query, options: QueryOptions) -> Answer:
        if query.chunk_id is not None:  # rerankers read texts and pictures
            return self._ask(query, options)
        stage = second_stage(self.collection, options)
        return stage.finish(self._ask(query, stage.first), _asker(query))

    def _trial(self, options: QueryOptions) -> Trial | None:
        """Return the A/B trial that chooses who answers; words have no model to choose."""
        if not options.trial or options.model is not None or options.mode == "words":
            return None
        return remembered(self.collection).trial

    def _ask(self, query: Query, options: QueryOptions) -> Answer:
        """Search within one read where the query is remembered; encode it outside of any."""
        search = _Search(self.collection, options)
        if options.mode == "words":
            return search.by_words([query])[0]
        with self.collection.read() as con:
            lists = self._lists(con, options)
            query_id = _query_id(query, lists)
            known = self.remembered(query_id)
            if query.chunk_id is not None:
                known = _vectors_of_chunk(con, query.chunk_id, lists)
                self._remember(query_id, known)
            if known:
                return search.answer(con, query, query_id, known)
        vectors = self._encode(query, lists, options.device)
        self._remember(query_id, vectors)
        with self.collection.read() as con:
            return search.answer(con, query, query_id, vectors)

    def ask_many(self, queries: Sequence[Query], options: QueryOptions) -> Iterator[Answer]:
        """Yield an answer for each query, in their order; thousands cost a few passes over a list.

        Raises as ``ask`` does, before the first answer where it can.
        """
        trial = self._trial(options)
        if trial is None:
            yield from self._each(queries, options)
            return
        taken = [trial.takes(query.trial_name) for query in queries]
        sides = {
            side: self._each(
                [query for query, by in zip(queries, taken, strict=True) if by == side],
                _told(options, side),
            )
            for side in (False, True)
        }
        yield from (_noted(next(sides[side]), trial) for side in taken)

    def _each(self, queries: Sequence[Query], options: QueryOptions) -> Iterator[Answer]:
        stage = second_stage(self.collection, options)
        for query, found in zip(queries, self._ask_many(queries, stage.first), strict=True):
            yield found if query.chunk_id is not None else stage.finish(found, _asker(query))

    def _ask_many(self, queries: Sequence[Query], options: QueryOptions) -> Iterator[Answer]:
        search = _Search(self.collection, options)
        if options.mode == "words":
            yield from search.by_words(queries)
            return
        for start in range(0, len(queries), _BATCH_QUERIES):
            part = queries[start : start + _BATCH_QUERIES]
            encoded = self.encoded(part, options)
            with self.collection.read() as con:
                answers = search.answer_many(con, part, encoded)
            yield from answers

    def encoded(self, queries: Sequence[Query], options: QueryOptions) -> list[QueryVectors]:
        """Return the queries as the lists that the options ask for see them.

        Raises as ``ask`` does.
        """
        with self.collection.read() as con:
            lists = self._lists(con, options)
        return self._encode_many(queries, lists, options.device)

    def ask_parts(self, parts: Sequence[Part], options: QueryOptions) -> Answer:
        """Return the page of hits of one query that is mixed of many parts; no part comes back.

        Raises as ``ask`` does; also PathError where a part is neither known nor a file.
        """
        refuse_wordless(options)
        trial = self._trial(options)
        if trial:
            told = _told(options, trial.takes(title_of(parts)))
            return _noted(self.ask_parts(parts, told), trial)
        with self.collection.read() as con:
            every = choose_lists(con, self.collection.path, replace(options, modalities=()))
            wordless = versions_without_texts(con, every)
            found = [
                Unread(part.given, is_picture=False)
                if part.is_text
                else look_up(con, every, part.given)
                for part in parts
            ]
        examples = [encoded(every, example, options.device) for example in found]
        texts = texts_for(found, wordless, options.device)
        calibrate_for_search(self.collection, every, options.device)
        weights = [part.weight for part in parts]
        with self.collection.read() as con:
            hidden = frozenset(chunks_of(con, examples))
            centring = centring_of(con, every, texts)
            vectors = combine(list(zip(examples, weights, strict=True)), every, centring)
            search = _Search(self.collection, options, hidden)
            query = Query(title_of(parts), has_words=False, asks=_common_modality(examples))
            return search.answer(con, query, "", vectors)

    def _lists(self, con: duckdb.DuckDBPyConnection, options: QueryOptions) -> list[VectorList]:
        """Return the lists to encode for; all of them where the query is to be remembered.

        Refuses a wrong filter before a model is loaded.
        """
        where_in(con, options.where)
        if self._memory or options.neighbours:
            options = replace(options, modalities=())
        return choose_lists(con, self.collection.path, options)

    def _remember(self, query_id: str, vectors: QueryVectors) -> None:
        if self._memory and query_id:
            self._memory.put(query_id, vectors)

    def _encode(self, query: Query, lists: list[VectorList], device: str) -> QueryVectors:
        return self._encode_many([query], lists, device)[0]

    def _encode_many(
        self, queries: Sequence[Query], lists: list[VectorList], device: str
    ) -> list[QueryVectors]:
        """Return the queries as the spaces see them; texts are encoded together."""
        texts = [unquoted(query.text) for query in queries if query.text]
        by_text = iter(encode_texts(lists, texts, device) if texts else ())
        encoded = []
        for query in queries:
            if query.text:
                encoded.append(next(by_text))
            elif isinstance(query.picture, bytes):
                encoded.append(encode_upload(lists, query.picture, device))
            else:
                encoded.append(encode_image(lists, query.picture, device))
        asked = {held: None for vectors in encoded for held in vectors}
        calibrate_for_search(self.collection, list(asked), device)
        return encoded


@dataclass(frozen=True, slots=True)
class _Search:
    """Search with vectors that are known, by one set of options."""

    collection: Collection
    options: QueryOptions
    hidden: frozenset[int] = frozenset()
    """Chunks that never come back: those that ask."""

    def answer(
        self, con: duckdb.DuckDBPyConnection, query: Query, query_id: str, vectors: QueryVectors
    ) -> Answer:
        where = where_in(con, self.options.where)
        codes = codes_beside(self.collection.path)
        words = words_of(con, query.text if query.has_words else "", self.options, where)
        asked = self._searched(vectors)
        grown = Growth(con, asked, self.options, where) if self.options.neighbours else None
        known = _chunk_of(con, query)
        beside = Beside(self._filter(known), words, grown, asks=_modality_of(query, known))
        page = merged(con, asked, self.options, where, codes, beside)
        return self._shown(con, query, query_id, vectors, page)

    def answer_many(
        self,
        con: duckdb.DuckDBPyConnection,
        queries: Sequence[Query],
        encoded: Sequence[QueryVectors],
    ) -> list[Answer]:
        if self.options.neighbours:
            return [self.answer(con, q, "", v) for q, v in zip(queries, encoded, strict=True)]
        where = where_in(con, self.options.where)
        codes = codes_beside(self.collection.path)
        searched = [self._searched(vectors) for vectors in encoded]
        besides = [
            Beside(
                words=words_of(con, query.text, self.options, where),
                asks=_modality_of(query, _chunk_of(con, query)),
            )
            for query in queries
        ]
        pages = merged_many(con, searched, self.options, where, codes, besides)
        return [
            self._shown(con, query, "", vectors, page)
            for query, vectors, page in zip(queries, encoded, pages, strict=True)
        ]

    def by_words(self, queries: Sequence[Query]) -> list[Answer]:
        """Return an answer for each query by its words alone; no model is loaded."""
        if not all(query.text for query in queries):
            refuse_wordless(self.options)
        with self.collection.read() as con:
            choose_lists(con, self.collection.path, self.options)  # refuses what holds nothing
            where = where_in(con, self.options.where)
            return [self._by_words(con, query, where) for query in queries]

    def _by_words(
        self, con: duckdb.DuckDBPyConnection, query: Query, where: Where | None
    ) -> Answer:
        words = words_of(con, query.text, self.options, where)
        page = words_page(con, self.options, where, Beside(words=words))
        return self._shown(con, query, "", {}, page)

    def _searched(self, vectors: QueryVectors) -> QueryVectors:
        wanted = () if self.options.neighbours else self.options.modalities
        return {v: q for v, q in vectors.items() if not wanted or v.modality in wanted}

    def _filter(self, asking: KnownChunk | None) -> Callable[[Hit], bool] | None:
        """Leave the chunk out that asks; where hits are sources, its sources too."""
        if asking is None:
            return (lambda hit: hit.chunk_id not in self.hidden) if self.hidden else None
        own = {source.uri for source in asking.sources} if self.options.group else set()
        return lambda hit: hit.chunk_id != asking.hit.chunk_id and hit.uri not in own

    def _shown(
        self,
        con: duckdb.DuckDBPyConnection,
        query: Query,
        query_id: str,
        vectors: QueryVectors,
        page: Page,
    ) -> Answer:
        ids = [hit.chunk_id for hit in page.hits]
        expand = self.options.expand
        return Answer(
            query=query.title,
            query_id=query_id,
            model=" + ".join(dict.fromkeys(found.version.label for found in vectors)),
            hits=with_snippets(
                page.hits, query.text if query.has_words else "", captions_of(con, ids)
            ),
            has_more=page.has_more,
            stands_out=page.stands_out,
            around=surroundings(con, ids, expand) if expand else {},
            plays=played_by(con, page.hits),
            notices=list(page.notices),
        )


def answer(options: QueryOptions, texts: Sequence[str], images: Sequence[str]) -> list[Answer]:
    """Return one Answer for each text, then one for each picture.

    Raises:
        FilterError: no query was given, or a condition cannot be understood.
        CollectionMissing, CollectionEmpty, ModelMismatch: before any model is loaded.
        PathError: a picture cannot be used.
    """
    service = SearchService(Collection(options.collection))
    return list(service.ask_many(queries_of(options, texts, images), options))


def queries_of(options: QueryOptions, texts: Sequence[str], images: Sequence[str]) -> list[Query]:
    """Return a query for each text, then one for each picture.

    Raises:
        FilterError: there is none, or a condition cannot be understood.
    """
    queries = [Query(text=text) for text in texts if text.strip()]
    queries += [Query(picture=uri) for uri in images]
    if not queries:
        raise FilterError("nothing to search for: give a text, or a picture with --image")
    parse_where(options.where)
    return queries


def answer_sum(
    options: QueryOptions, texts: Sequence[str], plus: Sequence[str], minus: Sequence[str]
) -> Answer:
    """Return the answer to texts with what is added to them and taken from them.

    Raises as ``answer`` does; FilterError also where nothing is wanted.
    """
    parse_where(options.where)
    parts = parts_of([text for text in texts if text.strip()], plus, minus)
    return SearchService(Collection(options.collection)).ask_parts(parts, options)


def _told(options: QueryOptions, is_challenger: bool) -> QueryOptions:
    return replace(options, trial=False, challenger=is_challenger)


def _noted(found: Answer, trial: Trial) -> Answer:
    note = f"answered by {found.model} (an A/B trial: {trial.sentence()})"
    return replace(found, notices=[*found.notices, note])


@lru_cache(maxsize=64)
def codes_beside(collection: Path) -> CodesFolder:
    """Return the codes of a collection, kept open across the searches of this process."""
    return CodesFolder(collection)


def _chunk_of(con: duckdb.DuckDBPyConnection, query: Query) -> KnownChunk | None:
    """Return the chunk that asks; None where it is a text or a picture."""
    return None if query.chunk_id is None else find_chunk(con, query.chunk_id)


def _modality_of(query: Query, asking: KnownChunk | None) -> str:
    """Return the modality of what asks; empty for a text."""
    if asking:
        return asking.hit.modality
    return "image" if query.picture else query.asks


def _common_modality(examples: Sequence[Example]) -> str:
    """Return the modality that all examples are of; empty where they are of several."""
    found = {space.modality for example in examples for space in example.vectors}
    return found.pop() if len(found) == 1 else ""


def _asker(query: Query) -> Asker:
    return Asker(text=query.text, picture=query.picture, key=query.key)


def _vectors_of_chunk(
    con: duckdb.DuckDBPyConnection, chunk_id: int, lists: Sequence[VectorList]
) -> QueryVectors:
    vectors = vectors_of(con, chunk_id, lists)
    if vectors:
        return vectors
    known = find_chunk(con, chunk_id) is not None
    detail = "has no vector under this model" if known else "is not in the collection"
    raise NoSuchChunk(f"chunk {chunk_id} {detail}: search again for what is there")


def _query_id(query: Query, lists: Sequence[VectorList]) -> str:
    """Return the name of a query to these lists, so that a new model version makes a new query."""
    if not query.key:
        return ""
    digest = hashlib.sha256(query.key)
    for found in lists:
        digest.update(f"\0{found.version.fingerprint}|{found.modality}".encode())
    return digest.hexdigest()[:_ID_CHARS]
