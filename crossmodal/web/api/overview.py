"""Show the collection as a whole: its map, its models with their figures, its latest runs.

Thin and read-only: what `crossmodal map`, `models` and `status` tell. The map is the one that is
kept; none is drawn up for a request.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from crossmodal.ledger.read.hidden import hidden_chunks
from crossmodal.ledger.write import model_versions, runs
from crossmodal.ledger.write.maps import MapPoints, read_clusters, read_map
from crossmodal.models.catalogue import Entry, catalogue
from crossmodal.web.api.dependencies import StateOf, problems
from crossmodal.web.api.errors import ApiError
from crossmodal.web.api.pages import static_file
from crossmodal.web.api.shape import API
from crossmodal.web.served import ServedCollection

if TYPE_CHECKING:
    import duckdb

    from crossmodal.records import ModelVersion

MAX_POINTS = 20_000
"""More are thinned out evenly: a page of 1,000 pixels shows no more."""
MAX_RUNS = 100

page = APIRouter()
router = APIRouter(prefix=API, tags=["collection"])


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cluster(_Described):
    """What lies together on the map."""

    cluster: int
    name: str = Field(description="The words that set it apart.")
    num_chunks: int


class CollectionMap(_Described):
    """Where chunks lie: what is alike lies together."""

    model: str
    num_chunks: int = Field(description="On the whole map; points may be fewer.")
    clusters: list[Cluster] = Field(description="The largest first.")
    points: list[tuple[int, float, float, int]] = Field(
        description="chunk_id, x and y from 0 to 1 with y downwards, cluster."
    )


class Figure(_Described):
    """How well a model version answered an evaluation set."""

    set_name: str
    pair: str
    num_items: int = Field(description="Among how many the right one was looked for.")
    recall_at_10: float
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float
    ms_per_query: float


class ModelRow(_Described):
    """One model version."""

    label: str
    dim: int
    serves: list[str] = Field(description="Modalities that searches ask it for now.")
    is_former: bool = Field(description="Whether a rollback goes back to it.")
    vectors: dict[str, int] = Field(description="By modality.")
    vector_bytes: int
    licence: str
    figures: list[Figure]


class RunRow(_Described):
    """One run."""

    run_id: str
    flow: str
    state: str
    started_at: datetime
    wall_s: float | None = Field(description="Null while it runs.")
    num_embedded: int | None = Field(description="Null where the run says nothing of it.")
    message: str = Field(description="Why it failed; or empty.")


@page.get("/collection", include_in_schema=False)
async def collection_page(request: Request) -> Response:
    """Return the page of the collection as a whole."""
    return static_file(request, "collection.html")


@router.get("/map", summary="Show the map", responses=problems(404))
async def shown_map(state: StateOf) -> CollectionMap:
    """Return the map that is kept of the largest live model version."""
    return await state.lookups.run(_map, state)


@router.get("/models", summary="List model versions", responses=problems())
async def models(state: StateOf) -> list[ModelRow]:
    """Return every model version with its size, its duty and its latest figures."""
    return await state.lookups.run(_models, state)


@router.get("/runs", summary="List runs", responses=problems())
async def latest_runs(
    state: StateOf,
    k: Annotated[int, Query(title="Runs", description="At most.", ge=1, le=MAX_RUNS)] = 20,
) -> list[RunRow]:
    """Return the latest runs, newest first."""
    return await state.lookups.run(_runs, state, k)


def _map(state: ServedCollection) -> CollectionMap:
    """Return the map.

    Raises:
        ApiError: 404, none was drawn up yet.
    """
    with state.collection.read() as con:
        live = model_versions.live(con)
        kept = [(v, read_map(con, v.id or 0)) for v in (live.versions if live else ())]
        version, points = max(kept, key=lambda found: len(found[1].chunk_ids), default=(None, None))
        if version is None or points is None or not len(points.chunk_ids):
            raise ApiError(
                404, "no_map", "no map was drawn up yet", "`crossmodal map map.png` makes it"
            )
        return _shaped(con, version, points)


def _shaped(
    con: duckdb.DuckDBPyConnection, version: ModelVersion, points: MapPoints
) -> CollectionMap:
    import numpy as np

    names = read_clusters(con, version.id or 0)
    num = len(points.chunk_ids)
    shown = np.flatnonzero(~np.isin(points.chunk_ids, hidden_chunks(con)))
    shown = shown[np.linspace(0, len(shown) - 1, min(len(shown), MAX_POINTS)).astype(int)]
    low, high = points.places.min(axis=0), points.places.max(axis=0)
    places = (points.places[shown] - low) / np.maximum(high - low, 1e-9)
    places[:, 1] = 1 - places[:, 1]
    counts = np.bincount(points.clusters, minlength=max(names, default=0) + 1)
    rows = zip(
        points.chunk_ids[shown].tolist(),
        places.round(4).astype(float).tolist(),
        points.clusters[shown].tolist(),
        strict=True,
    )
    return CollectionMap(
        model=version.label,
        num_chunks=num,
        clusters=[
            Cluster(cluster=number, name=names[number], num_chunks=int(counts[number]))
            for number in sorted(names, key=lambda number: -counts[number])
        ],
        points=[(chunk, x, y, cluster) for chunk, (x, y), cluster in rows],
    )


def _models(state: ServedCollection) -> list[ModelRow]:
    with state.collection.read() as con:
        return [_model(entry) for entry in catalogue(con)]


def _model(entry: Entry) -> ModelRow:
    return ModelRow(
        label=entry.label,
        dim=entry.version.dim,
        serves=entry.serves,
        is_former=entry.former,
        vectors=entry.vectors,
        vector_bytes=entry.vector_bytes,
        licence=entry.licence,
        figures=[
            Figure(
                set_name=found.set_name,
                pair=found.pair,
                num_items=found.gallery_size,
                recall_at_10=found.recall_at_10.value,
                low=found.recall_at_10.low,
                high=found.recall_at_10.high,
                ms_per_query=found.ms_per_query,
            )
            for found in entry.scored
        ],
    )


def _runs(state: ServedCollection, num: int) -> list[RunRow]:
    with state.collection.read() as con:
        found = runs.list_runs(con, num)
    return [
        RunRow(
            run_id=run.run_id,
            flow=run.flow,
            state=run.state,
            started_at=run.started_at,
            wall_s=run.wall_s,
            num_embedded=run.counts.get("num_embedded"),
            message=run.message,
        )
        for run in found
    ]
