"""Say what an evaluation set is: queries, and what answers each of them; and read one of any kind.

Owns the kinds that users have and how they are told apart; refuses to know a collection. What is
wrong with a set is named and counted, never scored as if nothing were wrong.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from crossmodal.errors import SetUnreadable
from crossmodal.ledger.evaluation_records import Problem


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """Name what answers a query: a source, a stretch of one, or a record in one."""

    path: str
    """As the set writes it: relative to the set's root, absolute, or a URL."""
    start_s: float = -1.0
    """-1: the whole source."""
    end_s: float = -1.0
    row: int = -1
    """Line of a JSON Lines file, from 0; -1: the whole source."""
    name: str = ""
    """The document's id: an indexed file that is called so stands in for a path that is not."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Hold one query: words, or a picture, and what answers it."""

    query_id: str
    """No blanks: TREC's files are split at them."""
    cluster: str
    """What the query was written for: drawn as one by the bootstrap."""
    text: str = ""
    image: str = ""
    answers: dict[Target, int] = field(default_factory=dict)
    """With their grades; above 0 is right."""


class Problems:
    """Count what is wrong with a set, by reason, with examples."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = defaultdict(list)

    def add(self, reason: str, what: str) -> None:
        """Count one more."""
        self._found[reason].append(what)

    def listed(self) -> list[Problem]:
        """Return every reason with its count, most frequent first."""
        ordered = sorted(self._found.items(), key=lambda found: (-len(found[1]), found[0]))
        return [Problem(reason, len(all_), tuple(all_[:3])) for reason, all_ in ordered]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """Hold a set as it was read."""

    name: str
    path: Path
    kind: str
    """captions, beir, trec or labels."""
    asked: list[Asked] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    """Of a set of labels: by path its label."""
    problems: Problems = field(default_factory=Problems)

    @property
    def captions(self) -> dict[str, list[str]]:
        """Return by target path the distinct texts that were written for it alone."""
        by_path: dict[str, list[str]] = defaultdict(list)
        for asked in self.asked:
            for target in asked.answers:
                if asked.text and target.start_s < 0 and target.row < 0:
                    by_path[target.path].append(asked.text)
        return dict(by_path)

    @property
    def digest(self) -> str:
        """Return SHA-256 over the queries and judgements, hex: the same set has the same one."""
        rows = [
            f"{a.query_id}\0{a.text}\0{a.image}\0{sorted(a.answers.items())}" for a in self.asked
        ]
        rows += [f"{path}\0{label}" for path, label in sorted(self.labels.items())]
        return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()


def read_set(path: str | Path) -> EvaluationSet:
    """Read a set: a CSV, TSV or JSONL of captions or labels, a BEIR or TREC folder, or labels.

    Raises:
        SetUnreadable: there is none, it is damaged, or no query has an answer.
    """
    from crossmodal.evaluation.read_labels import read_label_folder
    from crossmodal.evaluation.read_tables import read_table
    from crossmodal.evaluation.read_trec import is_trec_folder, read_trec_folder

    place = Path(path).expanduser().absolute()
    try:
        if place.is_dir():
            found = read_trec_folder(place) if is_trec_folder(place) else read_label_folder(place)
        else:
            found = read_table(place)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SetUnreadable(f"the evaluation set {place} cannot be read: {reason}") from error
    if not found.asked and not found.labels:
        problems = "; ".join(f"{p.count} {p.reason}" for p in found.problems.listed())
        raise SetUnreadable(
            f"the evaluation set {place} has no query with an answer"
            + (f" ({problems})" if problems else "")
        )
    return found


def merged_doubles(asked: list[Asked], problems: Problems) -> list[Asked]:
    """Return the queries with equal words as one, which all their answers answer; count them.

    Empty queries, and such without an answer, are left out and counted.
    """
    kept: dict[tuple[str, str], Asked] = {}
    for query in asked:
        key = (" ".join(query.text.split()).casefold(), query.image)
        if not any(key):
            problems.add("empty_query", query.query_id)
        elif not any(grade > 0 for grade in query.answers.values()):
            problems.add("no_judgement", query.query_id)
        elif key in kept:
            problems.add("doubled_query", query.text or query.image)
            _join(kept[key].answers, query.answers)
        else:
            kept[key] = query
    return list(kept.values())


def _join(answers: dict[Target, int], more: dict[Target, int]) -> None:
    for target, grade in more.items():
        answers[target] = max(grade, answers.get(target, grade))
