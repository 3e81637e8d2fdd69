"""Lay out what every model version was made from as a graph of versions and what made them.

A version stands a level below what it was made from; parents are gone where they were collected,
and are named all the same. Owns no drawing. Of how a version was made only what is no secret and no
path goes out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import duckdb

from crossmodal.ledger.write.trials import trial_of
from crossmodal.models.catalogue import Entry, catalogue

_TOLD = ("kind", "space", "depth", "seed", "share", "dim", "data_digest")
_DIGEST_CHARS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Place one model version."""

    id: int
    label: str
    kind: str
    """model, training or space: how it came to be; gone where it was collected."""
    level: int
    """From 0: how many versions it was made through."""
    place: int
    """From 0, within its level."""
    serves: list[str]
    """Modalities that searches ask it for now."""
    is_former: bool
    is_pinned: bool
    in_trial: bool
    num_vectors: int
    best: str
    """Its latest figure, in words; empty where none was evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Say what one version was made from, and how."""

    parent: int
    child: int
    kind: str
    """training or space."""
    run: str
    """Id of the run that made it; empty where none is known."""
    how: dict[str, str]


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """Hold the versions of a collection, and what made what."""

    nodes: list[Node]
    edges: list[Edge]


def lineage_graph(con: duckdb.DuckDBPyConnection) -> LineageGraph:
    """Return the graph of all versions, parents before what was made from them."""
    entries = {entry.version.id or 0: entry for entry in catalogue(con)}
    edges = [_edge(number, entry) for number, entry in entries.items() if entry.parent]
    parents = {edge.child: edge.parent for edge in edges}
    numbers = sorted({*entries, *parents.values()}, key=lambda n: (_level(n, parents), n))
    trial, places = trial_of(con), defaultdict[int, int](int)
    nodes = []
    for number in numbers:
        level = _level(number, parents)
        trying = trial is not None and trial.version_id == number
        nodes.append(_node(number, entries.get(number), (level, places[level]), in_trial=trying))
        places[level] += 1
    return LineageGraph(nodes, edges)


def _level(number: int, parents: dict[int, int]) -> int:
    level = 0
    while number in parents and level <= len(parents):
        number, level = parents[number], level + 1
    return level


def _edge(number: int, entry: Entry) -> Edge:
    assert entry.parent is not None
    how = entry.parent.how
    told = {name: str(how[name]) for name in _TOLD if isinstance(how.get(name), str | int | float)}
    if "data_digest" in told:
        told["data_digest"] = told["data_digest"][:_DIGEST_CHARS]
    kind = told.pop("kind", "unknown")
    return Edge(
        parent=entry.parent.parent_id,
        child=number,
        kind=kind,
        run=str(how.get("run") or ""),
        how=told,
    )


def _node(number: int, entry: Entry | None, at: tuple[int, int], *, in_trial: bool) -> Node:
    level, place = at
    if entry is None:
        return Node(
            id=number,
            label=f"version {number}, collected",
            kind="gone",
            level=level,
            place=place,
            serves=[],
            is_former=False,
            is_pinned=False,
            in_trial=False,
            num_vectors=0,
            best="",
        )
    return Node(
        id=number,
        label=entry.label,
        kind=str(entry.parent.how.get("kind", "unknown")) if entry.parent else "model",
        level=level,
        place=place,
        serves=entry.serves,
        is_former=entry.former,
        is_pinned=entry.pinned,
        in_trial=in_trial,
        num_vectors=sum(entry.vectors.values()),
        best=_best(entry),
    )


def _best(entry: Entry) -> str:
    if not entry.scored:
        return ""
    found = entry.scored[0]
    return f"{found.set_name}, {found.pair}: recall@10 {found.recall_at_10.value:.3f}"
