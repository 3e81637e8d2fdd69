"""Define what the API answers, described for OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from crossmodal.modalities import Modality
from crossmodal.web.files.content_headers import Player
from crossmodal.web.settings import MAX_BATCH_QUERIES, MAX_QUERY_CHARS

Strength = Literal["strong", "likely", "weak"]


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(_Described):
    """What went wrong, in words for a program, for a person, and what to do."""

    error: str = Field(description="A short, countable word.", examples=["bad_filter"])
    detail: str = Field(description="What happened.")
    hint: str = Field(description="What to do; may be empty.")


class Medium(_Described):
    """How a browser shows or plays the source of a chunk."""

    player: Player
    url: str
    start_s: float | None = Field(None, description="Where in the film or sound the chunk begins.")
    end_s: float | None = None
    uri: str = Field(description="The source that is played; of subtitles the film beside them.")


class FoundChunk(_Described):
    """One chunk and the source that holds it."""

    chunk_id: int
    kind: str = Field(examples=["image", "passage", "frame", "clip", "window", "figure", "rows"])
    modality: Modality
    uri: str
    name: str = Field(description="The last part of the uri.")
    folder: str
    media_type: str
    size_bytes: int
    modified: datetime | None
    num_copies: int = Field(description="Sources with the same content, this one included.")
    text: str = Field(description="The passage; of a picture its caption and surroundings.")
    section: list[str] = Field(description="Headings above it, outermost first.")
    place: str = Field(description="Where in the source.", examples=["page 3", "at 0:12"])
    facts: dict[str, Any] = Field(description="Position and facts, such as page or width.")
    thumbnail: str | None = Field(description="URL of a small picture; null where there is none.")
    source: str = Field(description="URL of the file itself.")
    medium: Medium | None


class FoundHit(FoundChunk):
    """One chunk among the hits of a query."""

    rank: int
    score: float = Field(
        description="Cosine similarity in the list that found it, -1 to 1; BM25 in mode words."
    )
    merit: float | None = Field(
        description="-ln of how many chunks of its list look as good to a generic question: "
        "compares across modalities. Null while its list is not calibrated."
    )
    strength: Strength | None = Field(description="How good the hit is, from its merit.")
    alike: list[str] = Field(
        description="Worse hits that are nearly the same, and so have no place of their own."
    )
    snippet: str = Field(description="What of the text to show: what is nearest to the question.")
    spans: list[tuple[int, int]] = Field(
        description="Where in the text the sentences nearest to the question lie: [start, stop)."
    )
    rerank_score: float | None = Field(
        description="What the reranker gave it: compares within this answer only. Null where none "
        "read it."
    )
    why: str | None = Field(
        description="Where the picture with the places that the words were found in lies; null "
        "where the reranker maps none."
    )


class SearchAnswer(_Described):
    """One page of hits, best first."""

    query_id: str = Field(description="Names the query where details are asked for.")
    model: str
    offset: int
    k: int
    next_offset: int | None = Field(description="Where the next page begins; null on the last.")
    took_ms: float
    reranked_by: str = Field(description="The reranker that ordered the first hits; or empty.")
    verdict: str = Field(description="Says that there are no hits, or none stands out; or empty.")
    notices: list[str] = Field(description="What to know of how the hits were found.")
    hits: list[FoundHit]


class SearchBatch(_Described):
    """The queries of a batch, as the body of a request."""

    queries: list[Annotated[str, StringConstraints(max_length=MAX_QUERY_CHARS, pattern=r"\S")]] = (
        Field(description="Texts to look for.", min_length=1, max_length=MAX_BATCH_QUERIES)
    )


class BatchAnswer(_Described):
    """The answers of a batch, in the order of its queries."""

    took_ms: float
    answers: list[SearchAnswer]


class Neighbour(_Described):
    """A chunk that stands beside another one in the same source."""

    ordinal: int
    kind: str
    text: str
    section: list[str]
    place: str


class WhyMatched(_Described):
    """How near the chunk is to the query in one list."""

    modality: Modality
    model: str
    score: float
    rank: int | None = Field(description="Among all vectors of the list; null in very long lists.")
    num_vectors: int


class Copy(_Described):
    """A source that holds the chunk."""

    uri: str
    root: str
    modified: datetime | None
    indexed_at: datetime


class ChunkDetails(_Described):
    """A chunk with all that is known of it."""

    chunk: FoundChunk
    ordinal: int
    chunker: str
    content_hash: str
    meta: dict[str, Any]
    copies: list[Copy]
    why: list[WhyMatched] = Field(description="Empty where no query is named or it is forgotten.")
    before: list[Neighbour]
    after: list[Neighbour]
    parent: Neighbour | None


class ListStatus(_Described):
    """Count the vectors of one modality under one model version."""

    model: str
    modality: str
    num_vectors: int
    is_live: bool


class CollectionStatus(_Described):
    """Sum up the collection."""

    path: str
    num_sources: int
    source_bytes: int
    num_chunks: int
    media_types: dict[str, int]
    chunk_kinds: dict[str, int]
    lists: list[ListStatus]
    quarantine: dict[str, int]
    disk_bytes: int
    last_run: str | None = Field(description="State of the newest run.")
    last_run_at: datetime | None
    trial: str = Field(description="The A/B trial that is on, in words; or empty.")
    encoder_ready: bool


class Health(_Described):
    """Whether the service lives, or can answer."""

    status: Literal["live", "ready"]
