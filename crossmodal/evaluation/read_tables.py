"""Read sets that are one table: a path and its caption, question or label a row.

Owns the names that columns go by, among them open_clip's ``filepath`` and ``title``; refuses a
table whose columns say nothing of this kind.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crossmodal.errors import SetUnreadable
from crossmodal.evaluation.sets import Asked, EvaluationSet, Problems, Target, merged_doubles

_PATHS = ("path", "filepath", "image", "file", "file_name", "uri")
_TEXTS = ("caption", "title", "query", "text")
_LISTS = ("captions", "sentences", "queries")
_STARTS, _ENDS = ("t_start", "start_s", "start"), ("t_end", "end_s", "end")
_MAX_CELL = 10_000_000

Row = tuple[int, dict[str, Any]]


def read_table(path: Path) -> EvaluationSet:
    """Read a CSV, TSV, JSON or JSONL table: ``path`` with ``caption``, ``captions`` or ``label``.

    Raises:
        SetUnreadable: it is no such table.
    """
    problems = Problems()
    rows = list(_rows(path, problems))
    names = {name for _, row in rows for name in row}
    where = _first(_PATHS, names)
    if where is None:
        raise SetUnreadable(
            f"{path} has no column that names files: call it {', '.join(_PATHS)}; it has "
            f"{', '.join(sorted(map(str, names))) or 'no columns'}"
        )
    if _first(_TEXTS + _LISTS, names) is None and "label" in names:
        labels = dict(_labelled(rows, where, problems))
        return EvaluationSet(
            name=path.stem, path=path, kind="labels", labels=labels, problems=problems
        )
    asked = merged_doubles(list(_asked(rows, where, names, problems)), problems)
    return EvaluationSet(name=path.stem, path=path, kind="captions", asked=asked, problems=problems)


def _labelled(rows: list[Row], where: str, problems: Problems) -> Iterator[tuple[str, str]]:
    for number, row in rows:
        path, label = str(row.get(where) or ""), str(row.get("label") or "").strip()
        if path and label:
            yield path, label
        else:
            problems.add("no_judgement", f"row {number}")


def _asked(rows: list[Row], where: str, names: set[str], problems: Problems) -> Iterator[Asked]:
    wanted = [name for name in _TEXTS + _LISTS if name in names and name != where]
    start, end = _first(_STARTS, names), _first(_ENDS, names)
    for number, row in rows:
        path = str(row.get(where) or "")
        if not path:
            problems.add("no_judgement", f"row {number}")
            continue
        target = Target(path)
        if start and end and row.get(start) not in (None, ""):
            span = _span(row, start, end)
            if span is None:
                problems.add("bad_time", f"row {number}")
                continue
            target = Target(path, *span)
        cluster = path if target.start_s < 0 else f"{path}@{target.start_s:g}"
        for place, text in enumerate(_texts(row, wanted)):
            yield Asked(f"q{number}.{place}", cluster, text=text.strip(), answers={target: 1})


def _texts(row: dict[str, Any], wanted: list[str]) -> list[str]:
    """Return the texts of a row: of its first column that has any, each of a list."""
    for name in wanted:
        value = row.get(name)
        if isinstance(value, list):
            return [str(text.get("raw", "") if isinstance(text, dict) else text) for text in value]
        if value is not None:
            return [str(value)]
    return [""]


def _span(row: dict[str, Any], start: str, end: str) -> tuple[float, float] | None:
    try:
        begin, stop = float(row[start]), float(row[end])
    except (TypeError, ValueError, KeyError):
        return None
    return (begin, stop) if 0 <= begin < stop < float("inf") else None


def _first(candidates: tuple[str, ...], names: set[str]) -> str | None:
    return next((name for name in candidates if name in names), None)


def _rows(path: Path, problems: Problems) -> Iterator[Row]:
    """Yield the rows with their numbers, from 1."""
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield from _record(line, number, problems)
    elif path.suffix.lower() == ".json":
        yield from enumerate(_records(path, text), 1)
    else:
        yield from _cells(path, text, problems)


def _record(line: str, number: int, problems: Problems) -> Iterator[Row]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        yield number, value
    else:
        problems.add("bad_row", f"row {number}")


def _records(path: Path, text: str) -> list[dict[str, Any]]:
    """Return the records of a JSON list, or of Karpathy's ``{"images": [...]}``."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SetUnreadable(f"{path} is not JSON: {error}") from error
    rows = value.get("images") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise SetUnreadable(f"{path} is no list of records")
    return [row for row in rows if isinstance(row, dict)]


def _cells(path: Path, text: str, problems: Problems) -> Iterator[Row]:
    csv.field_size_limit(_MAX_CELL)
    header = text.partition("\n")[0]
    reader = csv.DictReader(
        text.splitlines(keepends=True), delimiter="\t" if "\t" in header else ","
    )
    try:
        for number, row in enumerate(reader, 1):
            if None in row:  # more cells than columns: an unquoted comma in a caption
                problems.add("bad_row", f"row {number}")
            else:
                yield number, dict(row)
    except csv.Error as error:
        raise SetUnreadable(f"{path} is no table: {error}") from error
