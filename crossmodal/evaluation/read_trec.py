"""Read sets of queries with judgements beside a corpus: BEIR's and MTEB's layout, and TREC's.

Owns where a judgement points: to the file that the corpus names (``image`` or ``path``), else to
the file that is called like the document's id, else to the row of corpus.jsonl itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crossmodal.errors import SetUnreadable
from crossmodal.evaluation.sets import Asked, EvaluationSet, Problems, Target, merged_doubles

_QUERIES = ("queries.jsonl", "queries.tsv")
_QRELS = ("qrels.tsv", "qrels.txt", "qrels", "qrels/test.tsv", "qrels/dev.tsv", "test.tsv")
_FILES = ("image", "path", "file", "filepath")


def is_trec_folder(folder: Path) -> bool:
    """Say whether a folder holds queries, as BEIR and TREC keep them."""
    return any((folder / name).is_file() for name in _QUERIES)


def read_trec_folder(folder: Path) -> EvaluationSet:
    """Read queries.jsonl or queries.tsv with its qrels, and corpus.jsonl where there is one.

    Raises:
        SetUnreadable: there are no judgements, or a file cannot be understood.
    """
    problems = Problems()
    qrels_file = next((folder / name for name in _QRELS if (folder / name).is_file()), None)
    if qrels_file is None:
        raise SetUnreadable(f"{folder} has queries but no judgements: add qrels.tsv")
    corpus = folder / "corpus.jsonl"
    targets = dict(_targets(corpus, problems)) if corpus.is_file() else {}
    qrels = _qrels(qrels_file, problems)
    asked = [
        _query(query_id, row, _answers(qrels.get(query_id, {}), targets, problems), problems)
        for query_id, row in _queries(folder, problems)
    ]
    known = {query.query_id for query in asked}
    for query_id in qrels.keys() - known:
        problems.add("judged_but_not_asked", query_id)
    return EvaluationSet(
        name=folder.name,
        path=folder,
        kind="beir" if targets else "trec",
        asked=merged_doubles(asked, problems),
        problems=problems,
    )


def _query(
    query_id: str, row: dict[str, Any], answers: dict[Target, int], problems: Problems
) -> Asked:
    image = next((str(row[name]) for name in _FILES if row.get(name)), "")
    text = str(row.get("text") or row.get("query") or "").strip()
    if image and text:
        problems.add("picture_and_words", query_id)  # asked by its words alone
        image = ""
    return Asked(_word(query_id), f"query {query_id}", text=text, image=image, answers=answers)


def _answers(
    judged: dict[str, int], targets: dict[str, Target], problems: Problems
) -> dict[Target, int]:
    answers = {}
    for document, grade in judged.items():
        if targets and document not in targets:
            problems.add("not_in_corpus", document)
        else:
            answers[targets.get(document, Target(document, name=document))] = grade
    return answers


def _targets(corpus: Path, problems: Problems) -> Iterator[tuple[str, Target]]:
    for number, row in _json_lines(corpus, problems):
        document = str(row.get("_id", row.get("id", "")))
        file = next((str(row[name]) for name in _FILES if isinstance(row.get(name), str)), "")
        if document:
            row_itself = Target(str(corpus), row=number, name=document)
            yield document, Target(file) if file else row_itself


def _queries(folder: Path, problems: Problems) -> Iterator[tuple[str, dict[str, Any]]]:
    if (folder / "queries.jsonl").is_file():
        for _, row in _json_lines(folder / "queries.jsonl", problems):
            yield str(row.get("_id", row.get("id", ""))), row
        return
    for line in (folder / "queries.tsv").read_text(encoding="utf-8-sig").splitlines():
        query_id, tab, text = line.partition("\t")
        if tab and query_id.lower() not in ("query-id", "qid", "_id"):
            yield query_id, {"text": text}


def _qrels(path: Path, problems: Problems) -> dict[str, dict[str, int]]:
    """Return grades by query and document, from TREC's four columns or BEIR's three."""
    found: dict[str, dict[str, int]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        cells = line.split("\t") if "\t" in line else line.split()
        if len(cells) == 4:
            del cells[1]
        try:
            query_id, document, grade = cells
            found.setdefault(query_id.strip(), {})[document.strip()] = int(float(grade))
        except ValueError:
            if number > 1 and line.strip():  # the first line may be a header
                problems.add("bad_judgement", f"line {number}")
    return found


def _json_lines(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each object with its line, from 0."""
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines):
            try:
                row = json.loads(line) if line.strip() else None
            except (ValueError, RecursionError):
                row = None
                problems.add("bad_row", f"{path.name} line {number + 1}")
            if isinstance(row, dict):
                yield number, row


def _word(query_id: str) -> str:
    return "_".join(query_id.split())
