"""Read tables of pairs, and logs of what was clicked, as what they tell of pictures.

A table has ``path`` with ``caption`` or a list of them. A click log has ``query``, ``shown`` (paths
in the order of the page) and ``clicked``: what was clicked fits; what was shown above the last
click and left was looked at and did not (Joachims, KDD 2002: "click > skip above").
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossmodal.errors import PairsError
from crossmodal.training.told import Told

_PATHS = ("path", "filepath", "image", "file", "file_name", "uri")
_TEXTS = ("caption", "captions", "title", "text", "sentences")
_CLICKS = ("query", "shown", "clicked")
_SEPARATOR = "|"

Row = dict[str, Any]


def read_told(place: Path) -> Told:
    """Return what a table or a click log tells.

    Raises:
        PairsError: it is neither.
    """
    rows = _rows(place)
    names = {str(name) for row in rows for name in row}
    if names.issuperset(_CLICKS):
        return _clicked(place, rows)
    path, caption = (next((n for n in known if n in names), None) for known in (_PATHS, _TEXTS))
    if path is None or caption is None:
        raise PairsError(
            f"{place} needs a column {' or '.join(_PATHS)} and a column {' or '.join(_TEXTS)}, or "
            f"as a log of clicks {', '.join(_CLICKS)}: it has "
            f"{', '.join(sorted(names)) or 'no columns'}"
        )
    told = Told()
    for row in rows:
        if row.get(path):
            told.tell(str(row[path]), _texts(row.get(caption)))
    return told


def _clicked(place: Path, rows: Sequence[Row]) -> Told:
    """Return what a log of clicks tells; rows that tell nothing are counted by reason.

    Raises:
        PairsError: nothing in it was clicked.
    """
    told = Told()
    for row in rows:
        query, shown, clicked = str(row["query"] or ""), _listed(row["shown"]), row["clicked"]
        taken = [path for path in _listed(clicked) if path in shown]
        if why := _useless(query, _listed(clicked), taken):
            told.problems[why] += 1
            continue
        for path in taken:
            told.tell(path, [query])
        last = max(shown.index(path) for path in taken)
        for path in shown[:last]:
            if path not in taken:
                told.skip(query, path)
    if not told.captions:
        raise PairsError(
            f"the log of clicks {place} has {len(rows):,} rows, and in none of them a picture that "
            f"was shown was clicked for a query: {dict(told.problems)}. Lists are JSON or divided "
            f"by {_SEPARATOR!r}"
        )
    return told


def _useless(query: str, clicked: Sequence[str], taken: Sequence[str]) -> str:
    if not query.strip():
        return "rows of the log without a query"
    if not clicked:
        return "rows of the log without a click"
    return "" if taken else "rows of the log whose click was not on what was shown"


def _rows(place: Path) -> list[Row]:
    try:
        text = place.read_text(encoding="utf-8-sig")
        if place.suffix.lower() in (".jsonl", ".ndjson"):
            rows = list(map(json.loads, filter(str.strip, text.splitlines())))
        else:
            delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
            rows = list(csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter))
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise PairsError(f"the pairs {place} cannot be read: {error}") from error
    if not all(isinstance(row, dict) for row in rows):
        raise PairsError(f"the pairs {place} are no table: each line of JSONL is an object")
    return rows


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(text) for text in value]
    return [] if value is None else [str(value)]


def _listed(value: Any) -> list[str]:
    """Return the paths of a cell: a list, one written as JSON, or one divided by a bar."""
    if isinstance(value, str):
        value = _from_json(value) if value.lstrip().startswith("[") else value.split(_SEPARATOR)
    return [text for text in map(str.strip, _texts(value)) if text]


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return []
