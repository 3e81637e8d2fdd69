"""Measure whether figures are found by the text that they stand in, through the product's search.

    python -m benchmarks.figures make ../shared/data/text_ir/cranfield figure-files 240
    crossmodal index figure-files -c figures.duckdb
    python -m benchmarks.figures measure figures.duckdb figure-files
    crossmodal index figure-files -c joint.duckdb --model MODEL
    python -m benchmarks.figures spread joint.duckdb figure-files
    python -m benchmarks.figures graphsage joint.duckdb figure-files
    python -m benchmarks.figures sections joint.duckdb figure-files

Each question is asked with and without ``neighbours``, for pictures alone and over everything; what
is right is a figure in the part of a relevant abstract, or a passage of it. Paired, by question.
``spread`` asks the same of spaces by propagation, ``graphsage`` of learned ones and ``sections`` of
propagation through sections, beside that without; all need a collection in which one model serves
pictures and passages.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure_data import write_files
from crossmodal.evaluation.intervals import difference
from crossmodal.ledger.collection import Collection
from crossmodal.records import Hit
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fit import SpaceSpec

K = 10
PLAIN: dict[str, Any] = {"keep": 0.5, "steps": 2}
SECTIONS: tuple[dict[str, Any], ...] = (
    PLAIN,
    {"keep": 0.5, "steps": 1, "section": 1.0},
    {"keep": 0.5, "steps": 2, "section": 0.25},
    {"keep": 0.5, "steps": 2, "section": 1.0},
    {"keep": 0.5, "steps": 2, "section": 4.0},
    {"keep": 0.5, "steps": 2, "section": 1.0, "everything": True},
)
WEIGHTS = (1.0, 0.5, 0.25)
SPREADS: tuple[dict[str, Any], ...] = (
    {"keep": 0.75, "steps": 1},
    {"keep": 0.5, "steps": 1},
    {"keep": 0.5, "steps": 2},
    {"keep": 0.25, "steps": 2},
    {"keep": 0.5, "steps": 2, "everything": True},
    {"keep": 0.5, "steps": 2, "near": 8},
)
LEARNED: tuple[dict[str, Any], ...] = (
    {"steps": 1},
    {"steps": 2},
    {"steps": 2, "seed": 1},
    {"steps": 1, "everything": True},
    {"steps": 2, "everything": True},
    {"steps": 2, "near": 8},
)


def make(text_ir: str, folder: str, num_parts: str) -> None:
    """Write the files and their questions."""
    asked = write_files(Path(text_ir), Path(folder), int(num_parts))
    _questions(folder).write_text(json.dumps(asked, indent=1))
    print(f"{len(asked)} questions")


def _questions(folder: str) -> Path:
    """Return where the questions lie: beside the folder, since what is in it is indexed."""
    return Path(f"{folder.rstrip('/')}.json")


def measure(collection: str, folder: str) -> None:
    """Ask every question in every way."""
    asked = json.loads(_questions(folder).read_text())
    for modality in (("image",), ()):
        base = _asked(collection, asked, modality, 0.0)
        _say("pictures" if modality else "everything", 0.0, base, base)
        for weight in WEIGHTS:
            found = _asked(collection, asked, modality, weight)
            _say("pictures" if modality else "everything", weight, found, base)


def spread(collection: str, folder: str) -> None:
    """Ask every question of spaces by propagation, beside the base and ``neighbours``."""
    _spaces(collection, folder, "propagation", SPREADS)


def graphsage(collection: str, folder: str) -> None:
    """Ask every question of spaces by GraphSAGE, beside the base and ``neighbours``."""
    _spaces(collection, folder, "graphsage", LEARNED)


def sections(collection: str, folder: str) -> None:
    """Ask every question of propagation through sections; without them is asked first.

    Each figure is told twice: against the base, and against propagation without sections.
    """
    _spaces(collection, folder, "propagation", SECTIONS, against=_name("propagation", PLAIN))


def _name(kind: str, how: dict[str, Any]) -> str:
    return f"{kind} " + " ".join(f"{key} {value}" for key, value in how.items())


def _spaces(
    collection: str, folder: str, kind: str, ways: tuple[dict[str, Any], ...], against: str = ""
) -> None:
    asked = json.loads(_questions(folder).read_text())
    names = []
    for how in ways:
        name = _name(kind, how)
        added = add_space(collection, SpaceSpec(kind=kind, name=name, **how))
        names.append(added.name)
        print(name, added.learned or "", flush=True)
    for modality in (("image",), ()):
        what = "pictures" if modality else "everything"
        base = _asked(collection, asked, modality, 0.0)
        _say(what, 0.0, base, base)
        _say(what, 0.25, _asked(collection, asked, modality, 0.25), base)
        other = _asked(collection, asked, modality, 0.0, against) if against else None
        for name in names:
            print(name)
            found = _asked(collection, asked, modality, 0.0, name)
            _say(what, 0.0, found, base)
            if other and name != against:
                print(f"against {against}")
                _say(what, 0.0, found, other)


def _asked(
    collection: str,
    asked: list[dict[str, Any]],
    modality: tuple[str, ...],
    weight: float,
    model: str | None = None,
) -> dict[str, np.ndarray]:
    options = QueryOptions(
        collection=collection,
        model=model,
        k=K,
        modalities=modality,
        group=False,
        neighbours=weight,
    )
    queries = [Query(text=each["query"]) for each in asked]
    answers = SearchService(Collection(collection)).ask_many(queries, options)
    ranks = [
        {kind: _rank(answer.hits, each["right"], kind) for kind in ("image", "text")}
        for each, answer in zip(asked, answers, strict=True)
    ]
    told = {}
    for kind in ("image",) if modality else ("image", "text"):
        of_kind = np.array([rank[kind] for rank in ranks], np.float64)
        told[f"{kind} RR@10"] = np.where(of_kind > 0, 1 / np.maximum(of_kind, 1), 0.0)
        told[f"{kind} hit@10"] = (of_kind > 0).astype(np.float64)
    return told


def _rank(hits: list[Hit], right: list[list[str]], modality: str) -> int:
    """Return the rank of the first right hit of a modality; 0 where there is none."""
    places = {tuple(place) for place in right}
    for hit in hits:
        if hit.modality == modality and (hit.uri, hit.section) in places:
            return hit.rank
    return 0


def _say(
    what: str, weight: float, found: dict[str, np.ndarray], base: dict[str, np.ndarray]
) -> None:
    for name, values in found.items():
        gained = difference(values, base[name], np.arange(len(values)))
        print(
            f"{what:10} neighbours {weight:4.2f}  {name:12} {values.mean():.3f}  "
            f"{gained.value:+.3f} ({gained.low:+.3f} to {gained.high:+.3f})  n={len(values)}",
            flush=True,
        )


COMMANDS = {
    "make": make,
    "measure": measure,
    "spread": spread,
    "graphsage": graphsage,
    "sections": sections,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
