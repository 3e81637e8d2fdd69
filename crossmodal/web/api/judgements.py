"""Take what people say of hits: whether one fits what was asked."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from crossmodal.errors import NoSuchChunk
from crossmodal.ledger.write.judgements import Judgement, put_judgement
from crossmodal.web.api.dependencies import StateOf, problems
from crossmodal.web.api.errors import ApiError
from crossmodal.web.api.shape import API
from crossmodal.web.served import ServedCollection

router = APIRouter(prefix=API, tags=["judgements"])

_MAX_ID = 2**63 - 1
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Said(BaseModel):
    """What a person says of a hit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query_kind: Literal["text", "chunk"] = Field("text", description="What was asked with.")
    query: _Words = Field(description="The text, or the id of the chunk.")
    chunk_id: int = Field(description="The hit.", ge=1, le=_MAX_ID)
    fits: bool | None = Field(description="Null takes back what was said.")
    model: _Words = Field(description="As the answer named it.")
    rank: int = Field(description="Where the hit stood.", ge=1, le=1_000_000)
    who: str = Field("", description="Who says so; may be empty.", max_length=100)


class Kept(BaseModel):
    """That it is kept."""

    fits: bool | None


@router.post("/judgements", summary="Say whether a hit fits", responses=problems(404))
async def judge(state: StateOf, body: Annotated[Said, Body()]) -> Kept:
    """Keep whether a hit fits what was asked; the latest word of a person counts."""
    if body.query_kind == "chunk" and not body.query.isdecimal():
        raise ApiError(422, "invalid_request", "query is no chunk id")
    await state.lookups.run(_put, state, Judgement(**body.model_dump()))
    return Kept(fits=body.fits)


def _put(state: ServedCollection, said: Judgement) -> None:
    with state.collection.read():
        pass  # entering it refuses a missing file, which writing would make
    try:
        with state.collection.write() as con:
            put_judgement(con, said)
    except NoSuchChunk as error:
        raise ApiError(404, "no_such_chunk", str(error)) from error
