"""Define the route that recommends from likes and dislikes.

An example is a chunk's id or a text, never a path: a client may not have the server read files.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from crossmodal.errors import PathError
from crossmodal.modalities import Modality
from crossmodal.recommendation.options import RecommendOptions
from crossmodal.recommendation.recommend import recommend
from crossmodal.recommendation.recommendation import Recommendation
from crossmodal.search.examples import Given, Unread
from crossmodal.web import settings as bounds
from crossmodal.web.api.dependencies import StateOf, problems
from crossmodal.web.api.errors import ApiError
from crossmodal.web.api.parameters import Condition
from crossmodal.web.api.schemas import FoundHit
from crossmodal.web.api.shape import API, found_hit
from crossmodal.web.served import ServedCollection

MAX_EXAMPLES = 100

router = APIRouter(prefix=API, tags=["recommend"])

Text = Annotated[
    str, StringConstraints(min_length=1, max_length=bounds.MAX_QUERY_CHARS, pattern=r"\S")
]
Example = Annotated[int, Field(ge=1, le=bounds.MAX_CHUNK_ID)] | Text
Examples = Annotated[list[Example], Field(max_length=MAX_EXAMPLES)]


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Taste(_Described):
    """What somebody likes and dislikes, and what may come back."""

    likes: Examples = Field([], description="Chunk ids, or texts. None at all: a varied sample.")
    dislikes: Examples = Field([], description="Chunk ids, or texts, to keep away from.")
    k: int = Field(24, description="How many.", ge=1, le=bounds.MAX_K)
    strategy: Literal["spread", "best", "sum", "average"] = Field(
        "spread",
        description="Near to what lies around the likes, to any like, to all, or to their middle.",
    )
    diversity: float = Field(0.0, description="From what fits, 0, to what differs, 1.", ge=0, le=1)
    colours: float | None = Field(
        None,
        description="How much colours of pictures count, from 0; with spread. "
        "Null: whole where three likes and three dislikes say that they are meant.",
        ge=0,
        le=1,
    )
    session: bool = Field(False, description="Each like counts half of the one after it.")
    where: Annotated[list[Condition], Field(max_length=bounds.MAX_CONDITIONS)] = Field(
        [], description="Conditions, as for a search."
    )
    modalities: Annotated[list[Modality], Field(max_length=3)] = Field(
        [], description="Only chunks of these; none: all."
    )


class RecommendedHit(FoundHit):
    """One chunk that suits; its score is how well, where 0 suits like anything else."""

    because: str = Field(description="The like that it is nearest to; empty without likes.")


class Recommended(_Described):
    """What suits, best first."""

    took_ms: float
    notices: list[str]
    hits: list[RecommendedHit]


@router.post("/recommend", summary="Recommend", responses=problems(400, 404))
async def recommend_by_taste(state: StateOf, taste: Taste) -> Recommended:
    """Return what somebody with these likes and dislikes would like; examples never come back."""
    started = time.perf_counter()
    found = await state.searches.run(_recommended, state, taste)
    took_ms = (time.perf_counter() - started) * 1000
    return Recommended(
        took_ms=round(took_ms, 1),
        notices=found.notices,
        hits=[
            RecommendedHit(**found_hit(each.hit, None).model_dump(), because=each.because)
            for each in found.found
        ],
    )


def _recommended(state: ServedCollection, taste: Taste) -> Recommendation:
    """Return what suits.

    Raises:
        ApiError: 404, an example is no chunk, or has no vector under this model.
    """
    options = RecommendOptions(
        collection=state.settings.collection,
        likes=[_given(each) for each in taste.likes],
        dislikes=[_given(each) for each in taste.dislikes],
        strategy=taste.strategy,
        diversity=taste.diversity,
        colours=taste.colours,
        session=taste.session,
        k=taste.k,
        where=list(taste.where),
        modalities=tuple(taste.modalities),
        model=state.settings.model,
        device=state.settings.device,
    )
    try:
        return recommend(options)
    except PathError as error:
        raise ApiError(404, "no_such_example", str(error), "search again") from error


def _given(example: int | str) -> Given:
    return example if isinstance(example, int) else Unread(example, is_picture=False)
