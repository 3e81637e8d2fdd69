"""Make model versions live that were built beside the live ones, and go back.

Refuses a version that holds clearly less than the one it would replace: searches would lose what
is not built yet. Invariant: a change is one transaction with its line in the log, so that whenever
a process is killed exactly one line-up is live.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from crossmodal.errors import CollectionEmpty, ModelMismatch
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.trials import put_trial, trial_of
from crossmodal.modalities import OTHERS
from crossmodal.models import promotion_log
from crossmodal.models.options import for_passages
from crossmodal.records import Lineup, ModelVersion

MIN_SHARE = 0.95
"""Of the vectors of the live version, what its successor must have."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """Tell of a change of the live line-up."""

    before: dict[str, str]
    """Label of the model version by modality."""
    after: dict[str, str]
    vectors: dict[str, int]
    """Vectors by modality under the new line-up."""
    vectors_before: dict[str, int] = field(default_factory=dict)
    """Under the line-up so far, where it was asked what would change."""


def promote(
    con: duckdb.DuckDBPyConnection,
    named: dict[str, str],
    *,
    allow_partial: bool = False,
    why: str = "",
) -> Promotion:
    """Make the named versions live: by modality a name, number or label.

    A joint model that is named takes the texts over from the former joint model. What is live
    already stays so, and nothing is logged.

    Raises:
        CollectionEmpty: there is no live line-up yet.
        ModelMismatch: a version is unknown, cannot serve its modality, or holds too little.
    """
    live, lineup, counts = proposed(con, named, allow_partial=allow_partial)
    if lineup != live:
        model_versions.set_live(con, lineup)
        _end_trial(con, live)
        promotion_log.log(con, promotion_log.PROMOTE, (live, lineup), why)
    return Promotion(_labels(live), _labels(lineup), counts)


def proposed_in(
    collection: Collection, named: dict[str, str], *, allow_partial: bool = False
) -> Promotion:
    """Say what a promotion would change, and change nothing; raises as ``promote`` does."""
    with collection.read() as con:
        live, lineup, counts = proposed(con, named, allow_partial=allow_partial)
        before = {vectors.modality: num_vectors(con, vectors) for vectors in live.lists}
    return Promotion(_labels(live), _labels(lineup), counts, before)


def promote_in(
    collection: Collection,
    named: dict[str, str],
    *,
    allow_partial: bool = False,
    why: str = "",
) -> Promotion:
    """Promote versions of a collection that must be there already; raises as ``promote`` does."""
    with collection.read():
        pass  # entering it refuses a missing file, which writing would make
    with collection.write() as con:
        return promote(con, named, allow_partial=allow_partial, why=why)


def rollback(con: duckdb.DuckDBPyConnection, why: str = "") -> Promotion:
    """Make the line-up live again that was so before the latest promotion that still stands.

    A modality that has been served for the first time since is left as it is.

    Raises:
        CollectionEmpty: there is no live line-up.
        ModelMismatch: nothing was promoted, or a version of then has been collected.
    """
    live, undone = model_versions.live(con), promotion_log.standing(con)
    if live is None:
        raise CollectionEmpty("there is nothing to go back from: run `crossmodal index PATH...`")
    if undone is None:
        raise ModelMismatch(
            f"there is no earlier line-up to go back to: {live.label} is the first, or every "
            "promotion has been rolled back"
        )
    since = {m: v for m, v in live.serving.items() if m not in undone.after}
    then = {m: model_versions.by_id(con, number) for m, number in undone.before.items()}
    lineup = Lineup(serving={**since, **then})
    model_versions.set_live(con, lineup)
    _end_trial(con, live)
    promotion_log.log(con, promotion_log.ROLLBACK, (live, lineup), why, undone.id)
    counts = {vectors.modality: num_vectors(con, vectors) for vectors in lineup.lists}
    return Promotion(_labels(live), _labels(lineup), counts)


def rollback_in(collection: Collection, why: str = "") -> Promotion:
    """Roll a collection back that must be there already; raises as ``rollback`` does."""
    with collection.read():
        pass
    with collection.write() as con:
        return rollback(con, why)


def _end_trial(con: duckdb.DuckDBPyConnection, live: Lineup) -> None:
    """End the A/B trial beside a line-up that is no longer live."""
    if trial_of(con) is None:
        return
    put_trial(con, None)
    why = "another line-up is live"
    promotion_log.log(con, promotion_log.TRIAL_END, (live, live), why)


def proposed(
    con: duckdb.DuckDBPyConnection, named: dict[str, str], *, allow_partial: bool
) -> tuple[Lineup, Lineup, dict[str, int]]:
    """Return the live line-up, the one that is wanted, and its vectors by modality.

    Raises as ``promote`` does.
    """
    live = model_versions.live(con)
    if live is None:
        raise CollectionEmpty("there is nothing to replace yet: run `crossmodal index PATH...`")
    found = {modality: _find(con, spec, modality) for modality, spec in named.items()}
    # What the joint model serves beside pictures goes with it.
    apart = {m: version for m, version in live.serving.items() if version != live.joint}
    lineup = Lineup.of(
        found.get("image", live.joint),
        found.get("text", apart.get("text")),
        **{m: found.get(m, apart.get(m)) for m in OTHERS},
    )
    counts = {vectors.modality: num_vectors(con, vectors) for vectors in lineup.lists}
    if not allow_partial:
        _refuse_less(con, live, lineup, counts)
    return live, lineup, counts


def _find(con: duckdb.DuckDBPyConnection, spec: str, modality: str) -> ModelVersion:
    name = for_passages(spec) if modality == "text" else spec
    found = [version for version in model_versions.find(con, name) if modality in version.encoders]
    if found:
        return found[-1]
    known = ", ".join(v.label for v in model_versions.all_versions(con) if modality in v.encoders)
    raise ModelMismatch(
        f"no model version {spec!r} of this collection serves {modality}: there are "
        f"{known or 'none'}; build one with `crossmodal backfill`"
    )


def _refuse_less(
    con: duckdb.DuckDBPyConnection, live: Lineup, lineup: Lineup, counts: dict[str, int]
) -> None:
    for vectors in live.lists:
        before, after = num_vectors(con, vectors), counts.get(vectors.modality, 0)
        if after < before * MIN_SHARE:
            label = lineup.serving[vectors.modality].label
            raise ModelMismatch(
                f"{label} has {after:,} {vectors.modality} vectors, the live version {before:,}: "
                "finish it with `crossmodal backfill`, or insist with --allow-partial"
            )


def _labels(lineup: Lineup) -> dict[str, str]:
    return {modality: version.label for modality, version in lineup.serving.items()}
