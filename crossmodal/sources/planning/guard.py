"""Refuse misspelt roots, and withhold deletions that look like an unmounted disk.

Invariant: nothing under a root is deleted while the root is missing or has lost suspiciously
much, unless the caller insists.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from crossmodal.errors import PathError
from crossmodal.sources.listing.roots import Root
from crossmodal.sources.options import PlanRules
from crossmodal.sources.planning import judge_sql as sql
from crossmodal.sources.planning.temp_tables import rows


def refuse_unknown_roots(ledger: duckdb.DuckDBPyConnection, roots: Sequence[Root]) -> None:
    """Raise PathError where nothing is at a root or matches it, and the ledger knows none of it.

    A folder that is there may be empty: something may be put into it.
    """
    missing = [root.root for root in roots if root.missing or _matches_nothing(root)]
    if not missing:
        return
    known_by_root = dict(rows(ledger, sql.KNOWN_BY_ROOT))
    unknown = [root for root in missing if not known_by_root[root]]
    if unknown:
        raise PathError(
            f"there is nothing at {', '.join(unknown)}, and the collection knows no source of "
            "it: check the spelling, or mount the disk"
        )


def _matches_nothing(root: Root) -> bool:
    return root.kind == "glob" and not root.found


def withheld_deletions(
    ledger: duckdb.DuckDBPyConnection, roots: Sequence[Root], rules: PlanRules
) -> dict[str, str]:
    """Return, by root, the sentence that says why nothing under it is deleted."""
    if rules.allow_delete:
        return {}
    lost_by_root = dict(rows(ledger, sql.LOST_BY_ROOT))
    if not lost_by_root:
        return {}
    known_by_root = dict(rows(ledger, sql.KNOWN_BY_ROOT))
    reasons = {}
    for root in roots:
        known, lost = known_by_root[root.root], lost_by_root.get(root.root, 0)
        reason = _why_withheld(root, known, lost, rules)
        if reason:
            reasons[root.root] = reason
    return reasons


def _why_withheld(root: Root, known: int, lost: int, rules: PlanRules) -> str | None:
    insist = "kept them all; if they are meant to be gone, run again with --allow-delete"
    if root.missing and lost:
        return (
            f"{root.root} is missing (not mounted?) and {known} sources of it are known: {insist}"
        )
    if known >= rules.min_known_for_guard and lost > rules.max_delete_fraction * known:
        return (
            f"{root.root} has lost {lost} of its {known} known sources, "
            f"more than {rules.max_delete_fraction:.0%}: {insist}"
        )
    return None
