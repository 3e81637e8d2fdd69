"""Begin and end A/B trials: another version answers a share of the searches.

A trial ends with the live line-up that it was begun beside. Owns no judgement of who wins.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import duckdb

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.trials import Trial, put_trial, trial_of
from crossmodal.models import promotion_log
from crossmodal.models.promotion import proposed
from crossmodal.models.retire import one_version
from crossmodal.records import Lineup


def challenger_of(con: duckdb.DuckDBPyConnection) -> Lineup | None:
    """Return the line-up that answers the share of the trial; None where none is on."""
    found = trial_of(con)
    return None if found is None else _challenging(con, found.version_id, allow_partial=True)[1]


def begin(
    collection: Collection, spec: str, share: float, why: str = "", *, allow_partial: bool = False
) -> Trial:
    """Let a version answer a share of the searches from now on; logged with the promotions.

    Raises:
        ModelMismatch: the share is none, a trial is on, or the version is unknown, live, or holds
            clearly less than the live one.
        CollectionMissing, CollectionEmpty: nothing is live yet.
    """
    if not 0 < share < 1:
        raise ModelMismatch(
            f"the share is {share:g}: give what is above 0 and below 1, such as 0.2"
        )
    with collection.read():
        pass  # entering it refuses a missing file, which writing would make
    with collection.write() as con:
        on = trial_of(con)
        if on is not None:
            raise ModelMismatch(f"a trial is on: {on.sentence()}; end it first with --off")
        version = one_version(con, spec)
        live, lineup = _challenging(con, version.id or 0, allow_partial=allow_partial)
        if lineup == live:
            raise ModelMismatch(f"{version.label} is live: there is nothing to try it against")
        made = Trial(
            version_id=version.id or 0,
            live=_apart(live, lineup),
            challenger=_apart(lineup, live),
            share=share,
            salt=secrets.token_hex(8),
            since=datetime.now(UTC).isoformat(timespec="microseconds"),
        )
        put_trial(con, made)
        promotion_log.log(con, promotion_log.TRIAL, (live, lineup), why or f"share {share:g}")
    return made


def end(collection: Collection, why: str = "") -> Trial:
    """Let the live line-up answer all searches again; returns the trial that was on.

    Raises:
        ModelMismatch: none is.
    """
    with collection.read():
        pass
    with collection.write() as con:
        found = trial_of(con)
        if found is None:
            raise ModelMismatch(
                "no trial is on: begin one with `crossmodal ab VERSION --share 0.2`"
            )
        live, lineup = _challenging(con, found.version_id, allow_partial=True)
        promotion_log.log(con, promotion_log.TRIAL_END, (lineup, live), why)
        put_trial(con, None)
    return found


def _challenging(
    con: duckdb.DuckDBPyConnection, version_id: int, *, allow_partial: bool
) -> tuple[Lineup, Lineup]:
    """Return the live line-up, and the same with a version where it would serve."""
    version = model_versions.by_id(con, version_id)
    modality = next((m for m in ("image", "text") if m in version.encoders), "audio")
    named = {modality: str(version_id)}
    live, lineup, _ = proposed(con, named, allow_partial=allow_partial)
    return live, lineup


def _apart(lineup: Lineup, other: Lineup) -> str:
    """Return the labels of a line-up that tell it from another one."""
    shared = {held.version for held in other.all_lists}
    own = [held.version.label for held in lineup.all_lists if held.version not in shared]
    return " + ".join(dict.fromkeys(own or [held.version.label for held in lineup.all_lists]))
