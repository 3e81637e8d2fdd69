"""Define the route that answers a question by sentences of the sources, each with its place."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from crossmodal.ledger.read.chunks import SourceRow, played_by
from crossmodal.modalities import Modality
from crossmodal.search.cited import CitedAnswer, CitedSource
from crossmodal.web import settings as bounds
from crossmodal.web.api.dependencies import StateOf, problems
from crossmodal.web.api.pages import static_file
from crossmodal.web.api.parameters import Condition, Text
from crossmodal.web.api.schemas import FoundHit, Strength
from crossmodal.web.api.shape import API, found_hit
from crossmodal.web.search_pages import Ask
from crossmodal.web.served import ServedCollection

MAX_SOURCES = 20

page = APIRouter()
router = APIRouter(prefix=API, tags=["search"])


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Evidence(_Described):
    """One chunk that answers."""

    place: str = Field(description="What to cite.", examples=["page 3", "at 0:12", "message 2"])
    quotes: list[str] = Field(description="The sentences that answer, word for word.")
    hit: FoundHit = Field(description="The chunk; its spans mark the sentences in its text.")


class Source(_Described):
    """A source that answers, and what in it does."""

    number: int = Field(description="From 1, best first: what a text may cite it by.")
    uri: str
    plays: str = Field(description="The film or sound that these subtitles belong to; or empty.")
    evidence: list[Evidence]


class Cited(_Described):
    """The sources that answer a question, best first."""

    question: str
    took_ms: float
    verdict: str = Field(description="Says that nothing was found, or stands out; or empty.")
    notices: list[str] = Field(description="What to know of how they were found.")
    sources: list[Source]


@page.get("/ask", include_in_schema=False)
async def ask_page(request: Request) -> Response:
    """Return the page of questions."""
    return static_file(request, "ask.html")


def _asked(
    k: Annotated[int, Query(title="Sources", description="At most.", ge=1, le=MAX_SOURCES)] = 5,
    where: Annotated[
        list[Condition],
        Query(
            title="Conditions",
            description="As for a search: FIELD OPERATOR VALUE, all of which must hold.",
            max_length=bounds.MAX_CONDITIONS,
        ),
    ] = [],  # noqa: B006 - FastAPI reads it, nobody changes it
    modality: Annotated[
        list[Modality],
        Query(title="Modalities", description="Only chunks of these; none: all.", max_length=3),
    ] = [],  # noqa: B006
    min_strength: Annotated[
        Strength | None, Query(title="Least strength", description="Leave out weaker chunks.")
    ] = None,
) -> Ask:
    return Ask(k=k, offset=0, where=where, modalities=tuple(modality), min_strength=min_strength)


@router.get("/ask", summary="Answer a question", responses=problems(400, 404))
async def ask(state: StateOf, q: Text, asked: Annotated[Ask, Depends(_asked)]) -> Cited:
    """Return the passages, rows, moments and screenshots that answer, grouped by source."""
    return await state.searches.run(answered, state, q, asked)


def answered(state: ServedCollection, question: str, asked: Ask) -> Cited:
    """Return the answer to a question in the form of the API."""
    started = time.perf_counter()
    found = state.searcher.cited(question, asked)
    hits = [each.hit for source in found.sources for each in source.evidence]
    with state.collection.read() as con:
        plays = played_by(con, hits)
    return _shaped(found, plays, (time.perf_counter() - started) * 1000)


def _shaped(found: CitedAnswer, plays: dict[str, SourceRow], took_ms: float) -> Cited:
    return Cited(
        question=found.question,
        took_ms=round(took_ms, 1),
        verdict=found.verdict,
        notices=found.notices,
        sources=[_source(source, plays.get(source.uri)) for source in found.sources],
    )


def _source(source: CitedSource, plays: SourceRow | None) -> Source:
    return Source(
        number=source.number,
        uri=source.uri,
        plays=source.plays,
        evidence=[
            Evidence(place=each.place, quotes=each.quotes, hit=found_hit(each.hit, plays))
            for each in source.evidence
        ],
    )
