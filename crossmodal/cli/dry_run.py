"""Say what an index or a backfill would do, or cannot do, without a Prefect server.

Owns the order of the steps, which is that of the flows as far as their plan; the steps themselves
are the library's, as they are in the flows. Writes nothing to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossmodal.chunking.rules import ChunkRules
    from crossmodal.ledger.collection import Collection
    from crossmodal.models.options import LineupSpec
    from crossmodal.records import Lineup, Plan
    from crossmodal.runs.run import Run
    from crossmodal.sources.listing.listing import Listing
    from crossmodal.sources.planning.cutting import Cutting
    from flows.params.backfill import BackfillParams
    from flows.params.base import EmbedParams, IndexParams

_NUM_PREVIEWED = 50


def refuse_early(params: EmbedParams) -> None:
    """Refuse what the run could only fail at.

    Raises:
        PathError, CollectionError, ModelError, ExtraMissing
    """
    from crossmodal.ledger.collection import Collection
    from crossmodal.recognition.required import require_recognisers
    from crossmodal.sources.planning import early

    collection = Collection(params.collection)
    early.refuse_unknown_paths(collection, params.paths, params.list_options())
    require_recognisers(params.chunk_rules())
    _refuse_unknown_models(collection, params.lineup_spec(), params.chunk_rules())


def _refuse_unknown_models(collection: Collection, spec: LineupSpec, rules: ChunkRules) -> None:
    """Refuse models that the run would look for and not find, or not know how to use."""
    from crossmodal.models import files as model_files
    from crossmodal.models.lineup import require_clips
    from crossmodal.models.options import ModelSpec, for_passages, with_defaults
    from crossmodal.records import Lineup

    wanted = spec if collection.exists else with_defaults(spec)
    for modality, model in wanted.named.items():
        name = for_passages(model.name) if modality == "text" else model.name
        named = ModelSpec(name, model.revision)
        described = model_files.describe(model_files.resolve(named), "float32", "")
        if modality == "image":
            require_clips(Lineup.of(described), rules)


def preview_index(params: IndexParams) -> dict[str, Any]:
    """Return what the index would do: plain values, and ``text`` for people."""
    from crossmodal.sources.planning import make_plan
    from crossmodal.views.plan import preview_text

    with looking("index", params) as run:
        _read_columns(params)
        listing, lineup = listed(run, params), lineup_of(run, params)
        plan = _planned(run, params, listing, lineup, cutting_of(run, params, lineup))
        shown = make_plan.preview(run, plan, lineup, _NUM_PREVIEWED) | {"notes": run.notes}
        return shown | {"text": preview_text(shown)}


def preview_backfill(params: BackfillParams) -> dict[str, Any]:
    """Return what is due in each partition: plain values, and ``text`` for people."""
    from crossmodal.sources.partitions import divide, selection
    from crossmodal.sources.planning.temp_tables import reading

    with looking("backfill", params) as run:
        listing = listed(run, params)
        with reading(run.collection) as con:
            chosen = selection.select(con, listing, run.workdir, params.selection())
        lineup = lineup_of(run, params)
        cutting = cutting_of(run, params, lineup)
        plan = _planned(run, params, chosen.listing, lineup, cutting)
        backfill = divide.divide(run, plan, chosen, lineup, params.shard_size)
        shown = divide.preview(run, backfill, lineup)
        del shown["markdown"]
        return shown


def _read_columns(params: IndexParams) -> None:
    """Refuse the user's own tables that the run could not use."""
    if params.columns:
        from crossmodal.sources.own_columns import read_own_columns

        for file in params.columns:
            read_own_columns(Path(file).expanduser())


@contextmanager
def looking(flow: str, params: EmbedParams) -> Iterator[Run]:
    """Yield a run that is not recorded: it has a folder, and leaves nothing behind."""
    from crossmodal.ledger.collection import Collection
    from crossmodal.runs.run import Run, recorded

    options = replace(params.run_options(), record=False)
    run = Run(Collection(params.collection), flow, options)
    with recorded(run, {}):
        yield run


def listed(run: Run, params: EmbedParams) -> Listing:
    """List what lies below the paths into the run's manifest, as the flow does."""
    from crossmodal.sources.listing.listing import list_sources
    from crossmodal.sources.planning.make_plan import beside

    options = beside(run.collection, params.list_options())
    listing = list_sources(params.paths, run.workdir / "manifest.parquet", options)
    run.notes += listing.notes
    return listing


def lineup_of(run: Run, params: EmbedParams) -> Lineup:
    """Return the line-up to embed with, as the flow chooses it."""
    from crossmodal.models.lineup import advice, choose_lineup

    spec = params.lineup_spec()
    run.notes += filter(None, [advice(run.collection, spec)])
    return choose_lineup(run.collection, spec, params.dtype)


def cutting_of(run: Run, params: EmbedParams, lineup: Lineup) -> Cutting:
    """Return how sources are cut, as the flow does; nothing is remembered."""
    from crossmodal.models.lineup import require_clips
    from crossmodal.recognition.required import with_recognisers
    from crossmodal.sources.planning.cutting import settle_rules

    cutting = settle_rules(run.collection, params.chunk_rules(), params.named_rules)
    require_clips(lineup, cutting.rules)
    run.notes += cutting.notes
    return replace(cutting, rules=with_recognisers(run.collection, cutting.rules, keep=False))


def _planned(
    run: Run,
    params: IndexParams | BackfillParams,
    listing: Listing,
    lineup: Lineup,
    cutting: Cutting,
) -> Plan:
    from crossmodal.sources.planning import make_plan

    options = make_plan.plan_options(listing, lineup, params.plan_rules(), cutting)
    return make_plan.make_plan(run, listing, options)
