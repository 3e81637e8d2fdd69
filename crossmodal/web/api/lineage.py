"""Show what every model version was made from: versions, and what made one of another.

Thin and read-only; the page draws the same.
"""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from crossmodal.models.lineage_graph import LineageGraph, lineage_graph
from crossmodal.web.api.dependencies import StateOf, problems
from crossmodal.web.api.shape import API
from crossmodal.web.served import ServedCollection

router = APIRouter(prefix=API, tags=["collection"])


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineageNode(_Described):
    """One model version."""

    id: int
    label: str
    kind: str = Field(description="model, training or space; gone where it was collected.")
    level: int = Field(description="How many versions it was made through.")
    place: int = Field(description="Within its level.")
    serves: list[str] = Field(description="Modalities that searches ask it for now.")
    is_former: bool = Field(description="Whether a rollback goes back to it.")
    is_pinned: bool
    in_trial: bool = Field(description="Whether it answers a share of the searches (A/B).")
    num_vectors: int
    best: str = Field(description="Its latest figure in words; or empty.")


class LineageEdge(_Described):
    """What one version was made from, and how."""

    parent: int
    child: int
    kind: str
    run: str = Field(description="The run that made it; or empty.")
    how: dict[str, str]


class Lineage(_Described):
    """The versions of the collection, and what made what."""

    nodes: list[LineageNode] = Field(description="Parents before what was made from them.")
    edges: list[LineageEdge]


@router.get("/lineage", summary="Show what made which model version", responses=problems())
async def lineage(state: StateOf) -> Lineage:
    """Return every model version, what it was made from and how, and who serves what now."""
    found = await state.lookups.run(_graph, state)
    return Lineage.model_validate(asdict(found))


def _graph(state: ServedCollection) -> LineageGraph:
    with state.collection.read() as con:
        return lineage_graph(con)
