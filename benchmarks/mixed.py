"""Measure what searches find where pictures, films, passages and abstracts lie in one collection.

    python -m benchmarks.mixed --data ../shared/data --model DIR [--text-model DIR] [--work DIR]

Indexes the data pack without its label files through ``crossmodal index``, a tenth of it first, and
asks its questions through the product's own search. Beside it stand reciprocal rank fusion, which
the product had before, raw cosines, and an oracle that knows the modality of the answer; all see
the same vectors. ``--work`` keeps the collections, so that a second time asks only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from benchmarks.mixed_data import Mixed, Question, lay_out
from benchmarks.mixed_figures import auroc, cut_at, interval, ndcg, table
from benchmarks.quality import index, passage_model
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.words.postings import count_words
from crossmodal.records import Hit
from crossmodal.search.lists import QueryVectors, choose_lists
from crossmodal.search.many import merged_many
from crossmodal.search.merge import Beside
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService, codes_beside
from crossmodal.search.strength import LIKELY
from crossmodal.search.words import words_of
from crossmodal.vectors.search import SearchRequest, find

MACRO = ("documents", "films", "flickr8k", "coco")
TASKS = (*MACRO, "cranfield", "cars")
OURS, RRF, COSINE, ORACLE = "calibrated", "RRF", "raw cosine", "oracle"
_K = 10
_DEPTH = 100
_RRF_CONSTANT = 60
_SLACK_S = 0.2
_BEGIN, _END = "<!-- mixed: written by benchmarks.mixed -->", "<!-- end of mixed -->"

Lists = list[list[Hit]]


@dataclass(frozen=True)
class Asked:
    """Hold one question and what each way of ranking answers."""

    question: Question
    rankings: dict[str, list[Hit]]
    best_merit: float
    best_cosine: float

    def gains(self, way: str) -> list[bool]:
        """Return which hits of a ranking answer."""
        return [is_right(hit, self.question) for hit in self.rankings[way]]

    def hit(self, way: str, k: int = 1) -> float:
        """Return 1 where one of the first k hits answers."""
        return float(any(self.gains(way)[:k]))

    def ndcg(self, way: str) -> float:
        """Return nDCG@10 of a ranking."""
        at_one_time = self.question.at_s is not None
        return ndcg(
            first_only(self.gains(way)) if at_one_time else self.gains(way),
            len(self.question.relevant),
        )


def first_only(gains: Sequence[bool]) -> list[bool]:
    """Return the gains without those that repeat: a moment has frames and subtitles, one answer."""
    return [gain and not any(gains[:i]) for i, gain in enumerate(gains)]


def relative(uri: str) -> str:
    """Return a path as the questions name it: below the folder of the tenth, or of the rest."""
    for part in ("/first/", "/rest/"):
        if part in uri:
            return uri.split(part, 1)[1]
    return uri


def is_right(hit: Hit, question: Question) -> bool:
    """Say whether a hit answers; of a film its moment, or the subtitles of that moment."""
    path = relative(hit.uri)
    if question.at_s is None:
        return path in question.relevant
    start_s, end_s = question.at_s
    same = Path(path).with_suffix("") in {Path(p).with_suffix("") for p in question.relevant}
    begins, ends = hit.meta.get("start_s", -1.0), hit.meta.get("end_s", -1.0)
    return same and begins < end_s - _SLACK_S and ends > start_s + _SLACK_S


def rrf(lists: Lists) -> list[Hit]:
    """Merge by reciprocal ranks, equal ranks by z in the list's top: the product's former way."""
    weights: dict[int, list[float]] = defaultdict(lambda: [0.0, -9.0])
    known: dict[int, Hit] = {}
    for hits in lists:
        cosines = np.array([hit.score for hit in hits])
        spread = cosines.std() if len(hits) else 0.0
        for place, hit in enumerate(hits):
            standing = (hit.score - cosines.mean()) / spread if spread else 0.0
            entry = weights[hit.chunk_id]
            entry[0] += 1 / (_RRF_CONSTANT + place + 1)
            entry[1] = max(entry[1], standing)
            known.setdefault(hit.chunk_id, hit)
    if sum(map(bool, lists)) <= 1:
        return [hit for hits in lists for hit in hits]
    order = sorted(known, key=lambda i: (-weights[i][0], -weights[i][1], i))
    return [known[i] for i in order]


def by_cosine(lists: Lists) -> list[Hit]:
    """Merge by the cosines as they are."""
    return sorted((hit for hits in lists for hit in hits), key=lambda hit: -hit.score)


def grouped(hits: list[Hit], question: Question) -> list[Hit]:
    """Return the page: one hit a source, but every moment of a film."""
    if question.at_s is not None:
        return hits[:_K]
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.uri, hit)
    return list(first.values())[:_K]


def ask(
    collection: Path, questions: Sequence[Question], encoded: list[QueryVectors]
) -> list[Asked]:
    """Ask every question in every way, with vectors that were encoded once."""
    asked = []
    with Collection(collection).read() as con:
        ours = product(con, collection, questions, encoded)
        known = product(con, collection, questions, told_where(questions, encoded))
        for number, question in enumerate(questions):
            lists = [
                find(con, SearchRequest(held, vector, k=_DEPTH)).hits
                for held, vector in encoded[number].items()
            ]
            right = [hits for hits in lists if hits and hits[0].modality == question.modality]
            ways = {
                OURS: ours[number],
                RRF: grouped(rrf(lists), question),
                COSINE: grouped(by_cosine(lists), question),
                ORACLE: grouped([hit for hits in right for hit in hits], question),
                "oracle, hub term": known[number],
            }
            best = ours[number][0].merit if ours[number] else None
            nearest = max((hits[0].score for hits in lists if hits), default=-1.0)
            asked.append(Asked(question, ways, -99.0 if best is None else best, nearest))
    return asked


def encode(collection: Path, questions: Sequence[Question]) -> list[QueryVectors]:
    """Return each question as its lists see it, having calibrated them as a first search does."""
    service = SearchService(Collection(collection))
    queries = [Query(picture=q.picture) if q.picture else Query(text=q.text) for q in questions]
    return service.encoded(queries, QueryOptions(collection=str(collection)))


def same_vectors(collection: Path, encoded: list[QueryVectors]) -> list[QueryVectors]:
    """Return vectors for the lists of another collection that has the same model versions."""
    service = SearchService(Collection(collection))
    service.encoded([Query(text="calibrate")], QueryOptions(collection=str(collection)))
    with Collection(collection).read() as con:
        lists = choose_lists(con, collection, QueryOptions(collection=str(collection)))
    by_key = {(v.version.fingerprint, v.modality): v for v in lists}
    return [
        {by_key[held.version.fingerprint, held.modality]: v for held, v in vectors.items()}
        for vectors in encoded
    ]


def told_where(questions: Sequence[Question], encoded: list[QueryVectors]) -> list[QueryVectors]:
    """Return the vectors for the lists of the right modality only."""
    return [
        {held: v for held, v in vectors.items() if q.modality in ("", held.modality)}
        for q, vectors in zip(questions, encoded, strict=True)
    ]


def product(
    con: duckdb.DuckDBPyConnection,
    collection: Path,
    questions: Sequence[Question],
    encoded: list[QueryVectors],
) -> list[list[Hit]]:
    """Return the hits of the product's search, words counted; each moment of a film is a hit."""
    codes = codes_beside(collection)
    found: dict[int, list[Hit]] = {}
    for group in (True, False):
        numbers = [i for i, q in enumerate(questions) if (q.at_s is None) is group]
        options = QueryOptions(collection=str(collection), k=_K, group=group)
        asked = [questions[i] for i in numbers]
        besides = [
            Beside(asks="image")
            if q.picture
            else Beside(words=words_of(con, q.text, options, None))
            for q in asked
        ]
        pages = merged_many(con, [encoded[i] for i in numbers], options, None, codes, besides)
        found |= {i: page.hits for i, page in zip(numbers, pages, strict=True)}
    return [found[number] for number in range(len(questions))]


def rankings(asked: Sequence[Asked]) -> list[dict[str, object]]:
    """Return hit@1 and nDCG@10 of each way, by task and over the four mixed ones."""
    rows: list[dict[str, object]] = []
    for way in asked[0].rankings:
        row: dict[str, object] = {"ranking": way}
        means = {}
        for task in TASKS:
            mine = [a for a in asked if a.question.task == task]
            means[task] = (mean(a.hit(way) for a in mine), mean(a.ndcg(way) for a in mine))
        for number, measure in enumerate(("hit@1", "nDCG@10")):
            row[f"macro {measure}"] = mean(means[task][number] for task in MACRO)
        row |= {task: f"{one:.3f} / {ten:.3f}" for task, (one, ten) in means.items()}
        rows.append(row)
    return rows


def recalls(asked: Sequence[Asked]) -> list[dict[str, object]]:
    """Return how often an answer is among the first 1, 5 and 10."""
    rows: list[dict[str, object]] = []
    for task in TASKS:
        mine = [a for a in asked if a.question.task == task]
        row: dict[str, object] = {"task": task, "questions": len(mine)}
        for k in (1, 5, 10):
            row[f"hit@{k}"] = mean(a.hit(OURS, k) for a in mine)
            row[f"hit@{k}, RRF"] = mean(a.hit(RRF, k) for a in mine)
        rows.append(row)
    return rows


def differences(asked: Sequence[Asked]) -> list[dict[str, object]]:
    """Return the paired differences of the macro averages, with intervals."""
    rows: list[dict[str, object]] = []
    mine = {task: [a for a in asked if a.question.task == task] for task in MACRO}
    clusters = {task: [a.question.cluster for a in found] for task, found in mine.items()}
    for rival in (RRF, COSINE, ORACLE):
        row: dict[str, object] = {"calibrated less": rival}
        measures: dict[str, Callable[[Asked, str], float]] = {
            "hit@1": Asked.hit,
            "nDCG@10": Asked.ndcg,
        }
        for name, measure in measures.items():
            paired = {
                task: np.array([measure(a, OURS) - measure(a, rival) for a in found])
                for task, found in mine.items()
            }
            low, high = interval(paired, clusters)
            middle = mean(values.mean() for values in paired.values())
            row[name] = f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"
        rows.append(row)
    return rows


def telling(asked: Sequence[Asked]) -> list[dict[str, object]]:
    """Return how well the best hit tells answerable questions from off-topic ones."""
    text = [a for a in asked if a.question.task != "cars"]
    off = [a.question.task == "off topic" for a in text]
    rows: list[dict[str, object]] = []
    for name, values in (
        ("merit", np.array([a.best_merit for a in text])),
        ("flat cosine", np.array([a.best_cosine for a in text])),
    ):
        yes, no = values[~np.array(off)], values[np.array(off)]
        cut = cut_at(no)
        rows.append(
            {"by": name, "AUROC": auroc(yes, no), "cut at 5 %": cut, "kept": mean(yes > cut)}
        )
    return rows


def growth(small: Sequence[Asked], large: Sequence[Asked], first: Path) -> list[dict[str, object]]:
    """Return what one cut lets through before and after the collection grew tenfold.

    The product's own cut on merit; the cosine at which 5 % of the off-topic questions pass before.
    """
    there = {str(path.relative_to(first)) for path in first.rglob("*") if path.is_file()}
    kept = [
        (a, b)
        for a, b in zip(small, large, strict=True)
        if not a.question.picture
        and (a.question.task == "off topic" or a.question.relevant & there)
    ]
    off = np.array([a.question.task == "off topic" for a, _ in kept])
    merits = np.array([(a.best_merit, b.best_merit) for a, b in kept])
    cosines = np.array([(a.best_cosine, b.best_cosine) for a, b in kept])
    rows: list[dict[str, object]] = []
    for name, values, cut in (
        ("merit", merits, LIKELY),
        ("flat cosine", cosines, cut_at(cosines[off, 0])),
    ):
        passed = values >= cut
        before, after = passed[:, 0], passed[:, 1]
        rows.append(
            {
                "cut": f"{name} {cut:.2f}",
                "answerable kept, before": mean(before[~off]),
                "after": mean(after[~off]),
                "off topic passed, before": mean(before[off]),
                "after ": mean(after[off]),
            }
        )
    return rows


def mean(values: Any) -> float:
    """Return the mean of some numbers."""
    return float(np.mean(list(values)))


def collections(data: Path, work: Path, models: list[str]) -> tuple[Mixed, Path, Path]:
    """Index a tenth, and a copy of it grown to the whole; what is there already stays."""
    mixed = lay_out(data, work / "files")
    small, large = work / "small.duckdb", work / "mixed.duckdb"
    if not small.exists():
        index([str(mixed.first)], small, *models, "--min-coverage", "0.8")
    if not large.exists():
        shutil.copy(small, large)
        index([str(mixed.first), str(mixed.rest)], large, "--min-coverage", "0.8")
    for kept in (small, large):
        count_words(Collection(kept))  # those from before words counted have none
    return mixed, small, large


def written(sections: dict[str, list[dict[str, object]]], counts: dict[str, int]) -> str:
    """Return the figures as Markdown."""
    held = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    head = [
        "## Mixed modalities in one ranking",
        f"`python -m benchmarks.mixed --data DATA --model DIR`, {time.strftime('%Y-%m-%d')}: "
        f"{held}. Pairs are hit@1 / nDCG@10; macro is the mean of documents, films, flickr8k and "
        "coco.",
    ]
    parts = [f"### {name}\n\n{table(rows)}" for name, rows in sections.items()]
    return "\n\n".join([*head, *parts])


def put_section(page: Path, text: str) -> None:
    """Replace the benchmark's section of a page, or add it at the end."""
    whole = page.read_text() if page.exists() else ""
    before, _, rest = whole.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before.rstrip()}\n\n{_BEGIN}\n\n{text}\n\n{_END}\n{after.lstrip()}".lstrip())


def counts_of(collection: Path) -> dict[str, int]:
    """Return how many vectors each list has."""
    with Collection(collection).read() as con:
        lists = choose_lists(con, collection, QueryOptions(collection=str(collection)))
        from crossmodal.ledger.read.stored_vectors import num_vectors

        return {f"{v.modality} vectors of {v.version.label}": num_vectors(con, v) for v in lists}


def measure(data: Path, work: Path, models: list[str]) -> tuple[str, dict[str, Any]]:
    """Index, ask and return the figures, as Markdown and as plain values."""
    mixed, small, large = collections(data, work, models)
    encoded = encode(large, mixed.questions)
    asked = ask(large, mixed.questions, encoded)
    before = ask(small, mixed.questions, same_vectors(small, encoded))
    sections = {
        "Rankings": rankings(asked),
        "Differences, paired, 95 % bootstrap over photos, films and documents": differences(asked),
        "An answer among the first": recalls(asked),
        "Telling answerable from off-topic": telling(asked),
        "Grown tenfold": growth(before, asked, mixed.first),
    }
    return written(sections, counts_of(large)), sections


def main() -> None:
    """Measure and print; with ``--docs`` also write the page's section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--text-model", default=None)
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--docs", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args()
    models = ["--model", given.model, "--text-model", given.text_model or passage_model()]
    with tempfile.TemporaryDirectory() as folder:
        work = given.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        text, plain = measure(given.data.resolve(), work.resolve(), models)
    print(text)
    if given.docs:
        put_section(given.docs, text)
    if given.json:
        given.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
