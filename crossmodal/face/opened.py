"""Offer one collection to Python: search it, index into it, ask what it holds.

Owns what callers may hand in (paths, pictures, bytes, lists) and turns it into what the rooms below
take; every answer is theirs. Invariant: no connection is open between two calls, so a collection
that is open here keeps nobody out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from crossmodal.errors import FilterError, ParametersError, PathError, Refused, SqlError
from crossmodal.face.hits import Hit, Hits, hits_of

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

    from crossmodal.face.opened_many import OpenCollections
    from crossmodal.ledger.collection import Collection
    from crossmodal.ledger.read.status import Status
    from crossmodal.ledger.write.undo import Undone
    from crossmodal.models.catalogue import Entry
    from crossmodal.search.cited import CitedAnswer
    from crossmodal.search.options import QueryOptions
    from crossmodal.search.service import Query, SearchService

Words = str | Iterable[str]
Paths = str | os.PathLike[str]
T = TypeVar("T")

MAX_HITS = 1000


@overload
def open_collection(
    path: Paths, *, model: str | None = None, device: str = "auto"
) -> OpenCollection: ...
@overload
def open_collection(
    path: list[Paths] | tuple[Paths, ...],
    *,
    model: str | None = None,
    device: str = "auto",
    deadline_s: float = 60.0,
) -> OpenCollections: ...
def open_collection(
    path: Paths | Sequence[Paths],
    *,
    model: str | None = None,
    device: str = "auto",
    deadline_s: float = 60.0,
) -> OpenCollection | OpenCollections:
    """Return the collection at a path; it need not be there yet, ``index`` makes it.

    Args:
        path: the DuckDB file; a list of files and of addresses such as ``http://host:8400``, where
            ``crossmodal ui`` serves one, is searched as one.
        model: name, number or label of the model version to search with; None for the live one.
        device: where models run: auto, cuda, mps or cpu.
        deadline_s: of a list, how long to wait for any of them.
    """
    if not isinstance(path, (str, os.PathLike)):
        from crossmodal.face.opened_many import open_collections

        return open_collections(path, model, device, deadline_s)
    return OpenCollection(os.path.abspath(os.path.expanduser(os.fspath(path))), model, device)


@dataclass(frozen=True, slots=True)
class OpenCollection:
    """Work with one collection; safe between threads. ``crossmodal.open`` makes it."""

    path: str
    model: str | None = None
    device: str = "auto"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: no connection is open between two calls."""

    @overload
    def search(
        self,
        text: str | None = None,
        *,
        image: Paths | bytes | Image | None = None,
        k: int = 10,
        where: Words = (),
        modalities: Words = (),
        rerank: str = "",
    ) -> Hits: ...
    @overload
    def search(
        self,
        text: list[str] | tuple[str, ...],
        *,
        image: None = None,
        k: int = 10,
        where: Words = (),
        modalities: Words = (),
        rerank: str = "",
    ) -> list[Hits]: ...
    def search(
        self,
        text: str | Sequence[str] | None = None,
        *,
        image: Paths | bytes | Image | None = None,
        k: int = 10,
        where: Words = (),
        modalities: Words = (),
        rerank: str = "",
    ) -> Hits | list[Hits]:
        """Return what means a text or is like a picture, one hit a source, best first.

        Args:
            text: what to look for; a list gives a list of ``Hits``, much quicker than one by one.
            image: path or URL of a picture, its bytes, or a PIL picture; in place of a text.
            k: how many hits, 1 to 1000.
            where: conditions that all must hold, such as ``"path=*.jpg"`` or ``"year>=2010"``.
            modalities: only chunks of these: image, text, audio; empty for all.
            rerank: directory or hub id of a model that orders the first 50 hits anew, or ``"off"``;
                empty for what the collection keeps.

        Raises:
            FilterError, ParametersError: the question cannot be understood.
            PathError: the picture cannot be used.
            CollectionMissing, CollectionEmpty, ModelMismatch: before a model is loaded.
            ModelUnavailable, ModelUnsupported: what is named is no reranker.
        """
        options = replace(self._options(k, where, modalities), rerank=rerank)
        if text is None or isinstance(text, str):
            query = query_of(text, image)
            return hits_of(explained(lambda: self._service().ask(query, options)))
        if image is not None:
            raise FilterError("search either for texts or for a picture, not for both")
        queries = [query_of(each, None) for each in text]
        return [hits_of(answer) for answer in self._service().ask_many(queries, options)]

    def ask(
        self, question: str, k: int = 5, where: Words = (), modalities: Words = ()
    ) -> CitedAnswer:
        """Return the sentences, rows and moments that answer a question, grouped by source.

        Every quote stands word for word in its source, which is named with the page, the second,
        the row or the message.

        Args:
            question: what to answer.
            k: how many sources, 1 to 1000.
            where: conditions, as for ``search``.
            modalities: only chunks of these: image, text, audio; empty for all.

        Raises:
            FilterError, ParametersError: the question cannot be understood.
            CollectionMissing, CollectionEmpty, ModelMismatch: before a model is loaded.
        """
        from crossmodal.search.cited import ask

        return ask(question, self._options(k, where, modalities))

    def similar(
        self, example: int | Paths | Hit, k: int = 10, where: Words = (), modalities: Words = ()
    ) -> Hits:
        """Return what is like a chunk (its id, or a hit) or a source; itself is not among it.

        What the collection holds asks with its stored vectors and loads no model; a picture that it
        does not hold is read.

        Raises:
            NoSuchChunk, PathError: there is no such chunk or source.
            FilterError, CollectionMissing, CollectionEmpty: as ``search``.
        """
        from crossmodal.search.parts import Part
        from crossmodal.search.service import Query

        options, service = self._options(k, where, modalities), self._service()
        chunk_id = example.chunk_id if isinstance(example, Hit) else example
        if isinstance(chunk_id, int):
            return hits_of(service.ask(Query(chunk_id=chunk_id), options))
        path = self._source(os.fspath(chunk_id))
        return hits_of(explained(lambda: service.ask_parts([Part(path)], options)))

    def index(self, paths: Paths | Iterable[Paths], **options: Any) -> dict[str, Any]:
        """Bring the collection in step with paths by the flow of ``crossmodal index``.

        Progress is shown on standard error.

        Args:
            paths: folders, files, globs or URLs.
            options: fields of the command's form, such as ``model="starter"`` or ``dry_run=True``.

        Returns:
            The report of the run, as ``crossmodal index --json`` prints it.

        Raises:
            ParametersError: an option is unknown or has no such value.
            RunError: the run ended short of its promise; what it did is committed.
        """
        from crossmodal.face.indexing import run_index

        given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
        return run_index(self.path, [os.fspath(path) for path in given], options)

    def undo(self, run: str) -> Undone:
        """Put the collection back as it was before a run; nothing is embedded.

        Args:
            run: its id, or the beginning of it. The undoing has an id too: undo that, and the run
                holds again.

        Raises:
            UndoRefused: it is not kept, was undone, or a later run touched the same sources.
            CollectionError: there is no such run, or more than one.
        """
        from crossmodal.runs.undo_run import undo_run

        return undo_run(self._collection(), run)

    def status(self) -> Status:
        """Return what the collection holds, by model version, and how the last runs went."""
        from crossmodal.ledger.read.status import status

        collection = self._collection()
        with collection.read() as con:
            return status(con, collection)

    def models(self) -> list[Entry]:
        """Return every model version: origin, licence, size, figures, and what it serves."""
        from crossmodal.models.catalogue import catalogue

        with self._collection().read() as con:
            return catalogue(con)

    def sql(self, query: str, params: Sequence[Any] | dict[str, Any] | None = None) -> pa.Table:
        """Return what one SELECT finds in the ledger's tables, as a pyarrow Table.

        Raises:
            SqlError: it is no SELECT, is several statements, or DuckDB refuses it.
        """
        import duckdb

        with self._collection().read() as con:
            try:
                statements = con.extract_statements(query)
                if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
                    raise SqlError("sql takes one SELECT: a collection is only read from here")
                return con.sql(query, params=params).to_arrow_table()
            except duckdb.Error as error:
                raise SqlError(f"DuckDB refuses the query: {error}") from error

    def _collection(self) -> Collection:
        from crossmodal.ledger.collection import Collection

        return Collection(self.path)

    def _service(self) -> SearchService:
        from crossmodal.search.service import SearchService

        return SearchService(self._collection())

    def _options(self, k: int, where: Words, modalities: Words) -> QueryOptions:
        return query_options(self.path, self.model, self.device, (k, where, modalities))

    def _source(self, given: str) -> str:
        """Return a source as the search looks it up, whole; what is no source is never a text.

        Raises:
            PathError: it is neither in the collection nor a file.
        """
        from crossmodal.files.read import is_remote
        from crossmodal.ledger.sql import first_row

        path = given if is_remote(given) else os.path.abspath(os.path.expanduser(given))
        if is_remote(given) or os.path.isfile(path):
            return path
        with self._collection().read() as con:
            known = first_row(con, "SELECT 1 FROM source WHERE uri = ?", [path])
        if known is None:
            raise PathError(
                f"{path} is neither in the collection nor a file here: name an indexed path, a "
                "picture or a chunk id"
            )
        return path


def query_options(
    path: str, model: str | None, device: str, asked: tuple[int, Words, Words]
) -> QueryOptions:
    """Return what a caller asked for: ``k``, conditions and modalities.

    Raises:
        ParametersError: k is out of bounds.
    """
    from crossmodal.search.options import QueryOptions

    k, where, modalities = asked
    if not 1 <= k <= MAX_HITS:
        raise ParametersError(f"k is {k}: ask for 1 to {MAX_HITS} hits")
    return QueryOptions(
        collection=path,
        model=model,
        device=device,
        k=k,
        where=_listed(where),
        modalities=tuple(_listed(modalities)),
        trial=True,
    )


def query_of(text: str | None, image: Paths | bytes | Image | None) -> Query:
    """Return what asks.

    Raises:
        FilterError: not exactly one of them is given.
    """
    from crossmodal.search.service import Query

    if text is not None and image is not None:
        raise FilterError(
            "search either for a text or for a picture; `crossmodal search --plus` mixes them"
        )
    if image is not None:
        return Query(picture=_picture(image))
    if text is None or not text.strip():
        raise FilterError("nothing to search for: give a text, or a picture with image=")
    return Query(text=text)


def _picture(image: Paths | bytes | Image) -> str | bytes:
    """Return a picture as the search takes it; one of PIL is sent as PNG."""
    if isinstance(image, (str, os.PathLike)):
        return os.path.expanduser(os.fspath(image))
    if isinstance(image, bytes):
        return image
    from PIL import Image as pillow

    if not isinstance(image, pillow.Image):
        raise ParametersError(
            f"image is {type(image).__name__}: give a path or URL, bytes, or a PIL picture"
        )
    return _png(image)


def _png(image: Image) -> bytes:
    import io

    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    shown = upright if upright.mode in ("RGB", "RGBA", "L") else upright.convert("RGB")
    buffer = io.BytesIO()
    shown.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _listed(words: Words) -> list[str]:
    return [words] if isinstance(words, str) else list(words)


def explained(ask: Callable[[], T]) -> T:
    """Return what ``ask`` does.

    Raises:
        PathError: a picture is refused, which is the caller's mistake here.
    """
    try:
        return ask()
    except Refused as refused:
        raise PathError(f"the picture cannot be used: {refused.detail}") from refused
