"""Hold what a search found as plain values that print, convert, and show themselves in a notebook.

Owns the columns that people see; refuses to search. Invariant: a hit holds no connection and no
model, so it outlives its collection and may be pickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

from crossmodal.face.frames import daft_of, pandas_of
from crossmodal.views.human import printable
from crossmodal.views.places import place_of, snippet
from crossmodal.views.text_table import TextTable

if TYPE_CHECKING:
    import pyarrow as pa

    from crossmodal import records
    from crossmodal.search.answer import Answer

_SNIPPET_CHARS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Hold one chunk that was found, and the source that it stands in."""

    rank: int
    """From 1, best first."""
    path: str
    """Path or URL of the source."""
    score: float
    """Cosine similarity, -1 to 1; compare it within one modality only."""
    merit: float | None
    """What hits of all modalities are ranked by; None where that is not known."""
    strength: str
    """strong, likely or weak, from the merit; empty without one."""
    rerank_score: float | None
    """What a reranker gave it, which compares within one answer only; None where none did."""
    place: str
    """Where in its source, such as ``page 3`` or ``at 0:12``; empty for the whole of it."""
    text: str
    """The passage; of a picture its caption and surroundings."""
    section: str
    """Headings above it, outermost first."""
    chunk_id: int
    kind: str
    modality: str
    """image, text or audio."""
    media_type: str
    size_bytes: int
    """Of the source."""
    modified: datetime | None
    num_copies: int
    """Sources with the same content, this one included."""
    alike: tuple[str, ...] = ()
    """Paths of worse hits that are nearly the same, and so have no place of their own."""
    snippet: str = ""
    """What of the text to show: the sentence nearest to the question, on one line."""
    spans: tuple[tuple[int, int], ...] = ()
    """Where in the text the sentences nearest to the question lie, [start, stop) characters."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Position in the source (page, start_s, rows, ...) and facts (width, format, ...)."""
    collection: str = ""
    """Which collection holds it; empty where only one was asked."""


@dataclass(frozen=True, slots=True, repr=False)
class Hits(Sequence[Hit]):
    """Hold the hits of one query, best first: a sequence of ``Hit`` that knows what was asked."""

    query: str
    found: tuple[Hit, ...]
    model: str = ""
    """Labels of the model versions that were asked."""
    stands_out: bool | None = None
    """Whether any hit is likely or strong; None where nobody can tell."""
    verdict: str = ""
    """What is said above the hits: that there are none, or none stands out, or nothing."""
    reranked_by: str = ""
    """Label of the reranker that ordered the first hits; empty where none did."""
    notices: tuple[str, ...] = ()
    """What a person should know of how the hits were found."""
    has_more: bool = False
    """Whether a larger k would find more."""
    unanswered: tuple[str, ...] = ()
    """Of several collections those that are not in the answer, each with why."""

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.found)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Hits: ...
    def __getitem__(self, index: int | slice) -> Hit | Hits:
        if isinstance(index, slice):
            return replace(self, found=self.found[index])
        return self.found[index]

    def __repr__(self) -> str:
        return f"<{len(self)} hits of {self.query!r}>"

    def __str__(self) -> str:
        return self.to_text_table().to_text()

    def to_text_table(self) -> TextTable:
        """Return a table as text: rank, score, strength, path, place, words."""
        is_many = any(hit.collection for hit in self.found)
        rows = [
            (
                str(hit.rank),
                f"{hit.score:.3f}",
                hit.strength,
                *([hit.collection] if is_many else []),
                hit.path,
                hit.place,
                snippet(hit.snippet or hit.text, _SNIPPET_CHARS),
            )
            for hit in self.found
        ]
        told = [self.verdict, *self.notices, *self.unanswered]
        title = "\n".join([printable(self.query), *filter(None, told)])
        named = ("collection",) if is_many else ()
        header = ("", "score", "strength", *named, "path", "place", "text")
        return TextTable(title, header, rows, num_words=len(header))

    def to_arrow(self) -> pa.Table:
        """Return a pyarrow Table, a column a field of ``Hit``; ``meta`` is a JSON object."""
        import pyarrow as pa

        rows = [
            asdict(hit) | {"meta": json.dumps(hit.meta, ensure_ascii=False)} for hit in self.found
        ]
        return pa.Table.from_pylist(rows, schema=_schema())

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame.

        Raises:
            ExtraMissing: pandas is not installed.
        """
        return pandas_of(self.to_arrow())

    def to_daft(self) -> Any:
        """Return a Daft DataFrame."""
        return daft_of(self.to_arrow())

    def _repr_html_(self) -> str:
        from crossmodal.face.notebook import html_of

        return html_of(self)


def hits_of(answer: Answer) -> Hits:
    """Return an answer of the search as hits."""
    return Hits(
        query=answer.query,
        found=tuple(_hit(hit) for hit in answer.hits),
        model=answer.model,
        stands_out=answer.stands_out,
        verdict=answer.verdict,
        reranked_by=answer.reranked_by,
        notices=tuple(answer.notices),
        has_more=answer.has_more,
        unanswered=tuple(absence.sentence for absence in answer.unanswered),
    )


def _hit(hit: records.Hit) -> Hit:
    same = {each.name for each in fields(Hit)} - {"path", "place"}
    values = {name: getattr(hit, name) for name in same}
    values["alike"] = tuple(hit.alike)
    values["spans"] = tuple(map(tuple, hit.spans))
    return Hit(path=hit.uri, place=place_of(hit.meta), **values)


def _schema() -> pa.Schema:
    import pyarrow as pa

    types = {
        "rank": pa.int32(),
        "score": pa.float64(),
        "merit": pa.float64(),
        "rerank_score": pa.float64(),
        "chunk_id": pa.int64(),
        "size_bytes": pa.int64(),
        "modified": pa.timestamp("us", tz="UTC"),
        "num_copies": pa.int64(),
        "alike": pa.list_(pa.string()),
        "spans": pa.list_(pa.list_(pa.int64())),
    }
    return pa.schema([(each.name, types.get(each.name, pa.string())) for each in fields(Hit)])
