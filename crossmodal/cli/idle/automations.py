"""Say whether an automation of Prefect waits for what an index run tells, were it a flow run.

What `crossmodal serve` and `deploy` leave behind mostly does not: it minds runs of deployments, by
the tags that these carry, and files that somebody says have changed. In doubt an automation waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RUNS_TELL = ("prefect.flow-run.", "prefect.task-run.", "prefect.log.", "crossmodal.run.")
"""What the events of a run without a deployment begin with."""
_OF_RUNS = ("prefect.tag.collection:", "prefect.tag.model:")
"""What the tags of such a run begin with, as related resources of its events."""
_DEPLOYED = ("deployment", "work-pool", "work-queue")
"""Roles of what only runs of deployments are related to."""


def may_wait_for_runs(trigger: Mapping[str, Any]) -> bool:
    """Say whether a trigger, as Prefect stores it, may see an event of a run of the command."""
    if "triggers" in trigger:
        return any(may_wait_for_runs(each) for each in trigger["triggers"])
    if trigger.get("type") != "event":
        return True
    names = [*trigger.get("after", ()), *trigger.get("expect", ())]
    related = trigger.get("match_related") or {}
    asked = related if isinstance(related, list) else [related]
    return (not names or any(map(_is_of_runs, names))) and all(map(_may_be_related, asked))


def _is_of_runs(name: str) -> bool:
    start = name.partition("*")[0]
    return any(told.startswith(start) or start.startswith(told) for told in _RUNS_TELL)


def _may_be_related(asked: Mapping[str, Any]) -> bool:
    roles, ids = (_listed(asked.get(f"prefect.resource.{key}")) for key in ("role", "id"))
    if roles and all(role in _DEPLOYED for role in roles):
        return False
    if roles != ["tag"] or not ids:
        return True
    return any("*" in each or "!" in each or each.startswith(_OF_RUNS) for each in ids)


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
