"""Make model versions live that were built beside the live ones.

Refuses a version that holds clearly less than the one it would replace: searches would lose what
is not built yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from crossmodal.errors import CollectionEmpty, ModelMismatch
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write import model_versions
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


def promote(
    con: duckdb.DuckDBPyConnection, named: dict[str, str], *, allow_partial: bool = False
) -> Promotion:
    """Make the named versions live: by modality (image, text, audio) a name, number or label.

    A joint model that is named takes the texts over from the former joint model.

    Raises:
        CollectionEmpty: there is no live line-up yet.
        ModelMismatch: a version is unknown, cannot serve its modality, or holds too little.
    """
    live = model_versions.live(con)
    if live is None:
        raise CollectionEmpty("there is nothing to replace yet: run `crossmodal index PATH...`")
    found = {modality: _find(con, spec, modality) for modality, spec in named.items()}
    text = live.serving.get("text")
    lineup = Lineup.of(
        found.get("image", live.joint),
        found.get("text", None if text == live.joint else text),
        found.get("audio", live.serving.get("audio")),
    )
    counts = {vectors.modality: num_vectors(con, vectors) for vectors in lineup.lists}
    if not allow_partial:
        _refuse_less(con, live, lineup, counts)
    model_versions.set_live(con, lineup)
    return Promotion(_labels(live), _labels(lineup), counts)


def promote_in(
    collection: Collection, named: dict[str, str], *, allow_partial: bool = False
) -> Promotion:
    """Promote versions of a collection that must be there already; raises as ``promote`` does."""
    with collection.read():
        pass  # entering it refuses a missing file, which writing would make
    with collection.write() as con:
        return promote(con, named, allow_partial=allow_partial)


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
