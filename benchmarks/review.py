"""Measure whether what reviewers decide teaches a policy: 5 examples a side and 30 decisions.

Each draw begins with 5 labelled examples a side and a policy with ``learn: true``. Known labels
play the reviewer of a pool: ten findings, ``moderate``, ten more, and so on. What the pool taught
is measured on data that is in neither, beside the same 5 examples without decisions and beside the
20 examples a side of ``benchmarks.moderate``. Ten findings are the most urgent ones, as ``review
take`` gives them, or those farthest from each other (spread). Intervals of the differences: 95 %,
from a bootstrap over what is measured, in all draws alike.

    python -m benchmarks.review ../shared/data FOLDER MODEL [NAME=MODEL ...] [--out FILE]

MODEL is the image-text model; each NAME=MODEL is a model of passages. FOLDER keeps the collections.
Texts: ``benchmarks.data_money``'s pool among 400 abstracts of Cranfield, measured on both sets of
``benchmarks.moderate``. Dogs: a random half of its photos is the pool, the other half is measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data_money import HELD_OUT, POOL, SECOND
from benchmarks.moderate import (
    NUM_ABSTRACTS,
    Labels,
    at_recall,
    base_rate,
    dog_examples,
    dog_labels,
    money_examples,
    scores_of,
    write_policy,
    write_texts,
)
from benchmarks.quality import CROSSMODAL
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.findings import Finding, findings
from crossmodal.ledger.read.stored_vectors import vector_of
from crossmodal.ledger.write import reviews
from crossmodal.ledger.write.model_versions import live
from crossmodal.moderation import moderate
from crossmodal.moderation.audit import audit
from crossmodal.moderation.folder import read_policies
from crossmodal.moderation.policy import Policy

NUM_DRAWS = 6
NUM_FEW = 5
NUM_DECISIONS = 30
BATCH = 10
NUM_RESAMPLED = 2000
MEASURES = ("recall", "precision", "precision at recall 0.9", "average precision")
Order = Callable[[Collection, list[Finding], int], list[Finding]]
Examples = list[dict[str, str]]


@dataclass(frozen=True)
class Task:
    """Say what is reviewed and what is measured."""

    name: str
    policy: str
    collection: Path
    pool: Labels
    measured: Labels
    examples: Callable[[int], Examples]


@dataclass(frozen=True)
class Outcome:
    """Hold what one draw came to."""

    scores: np.ndarray
    truth: np.ndarray
    threshold: float
    num_violates: int
    num_decided: int

    def measures(self, rows: np.ndarray) -> np.ndarray:
        """Return MEASURES over some of what is measured."""
        scores, truth = self.scores[rows], self.truth[rows]
        flagged = scores >= self.threshold
        hits = (flagged & truth).sum()
        return np.array(
            [
                hits / max(truth.sum(), 1),
                hits / max(flagged.sum(), 1),
                at_recall(scores, truth, 0.9),
                average_precision(scores, truth),
            ]
        )


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean precision at each that violates, best scores first."""
    ordered = truth[np.argsort(-scores)]
    places = np.flatnonzero(ordered)
    return float((np.arange(1, len(places) + 1) / (places + 1)).mean())


def urgent(_: Collection, found: list[Finding], num: int) -> list[Finding]:
    """Return the first, as the queue has them."""
    return found[:num]


def spread(collection: Collection, found: list[Finding], num: int) -> list[Finding]:
    """Return those that are farthest from each other, the first being the most urgent."""
    with collection.read() as con:
        lineup = live(con)
        assert lineup is not None
        held = next(each for each in lineup.lists if each.modality == found[0].modality)
        vectors = np.stack([np.asarray(vector_of(con, held, f.chunk_id)) for f in found])
    chosen = [0]
    while len(chosen) < min(num, len(found)):
        chosen.append(int(np.argmin((vectors @ vectors[chosen].T).max(axis=1))))
    return [found[place] for place in chosen]


def few(examples: Examples, seed: int) -> Examples:
    """Return a draw of some examples of each side."""
    rng = np.random.default_rng(seed)
    sides = [[e for e in examples if e["label"] == side] for side in ("violates", "allowed")]
    return [side[i] for side in sides for i in rng.choice(len(side), NUM_FEW, replace=False)]


def run(task: Task, examples: Examples, order: Order | None) -> Outcome:
    """Moderate a copy of the collection, review it by the order, and measure the rest."""
    with tempfile.TemporaryDirectory() as folder:
        collection = Collection(Path(shutil.copy(task.collection, folder)))
        rate = base_rate(collection, task.pool | task.measured)
        place = Path(write_policy(Path(folder), task.policy, examples, rate))
        file = place / "policy.md"
        if order:
            file.write_text(file.read_text().replace("version: 1", "version: 1\nlearn: true", 1))
        (policy,) = read_policies(str(place)).policies
        moderated(collection, str(place))
        for _ in range(NUM_DECISIONS // BATCH if order else 0):
            assert order is not None
            decide(collection, task.pool, order)
            moderated(collection, str(place))
        with collection.read() as con:
            assert audit(con).holds
            decided = [f for f in findings(con, None, None, 10_000) if f.state in reviews.DECISIONS]
        return outcome(collection, policy, task.measured, decided)


def moderated(collection: Collection, place: str) -> None:
    """Moderate as the flow does."""
    jobs = moderate.plan(collection, read_policies(place))
    moderate.score(collection, moderate.encode(collection, jobs, "cpu"), "benchmark")


def decide(collection: Collection, pool: Labels, order: Order) -> None:
    """Let the labels decide the next findings of the pool."""
    with collection.read() as con:
        found = [f for f in findings(con, "open", None, 10_000) if f.uri in pool]
    chosen = order(collection, found, BATCH) if found else []
    with collection.write() as con:
        for finding in chosen:
            said = "violates" if pool[finding.uri] else "allowed"
            reviews.decide(con, finding.finding_id, said, reviews.Act(actor="labels"))


def outcome(
    collection: Collection, policy: Policy, measured: Labels, decided: list[Finding]
) -> Outcome:
    """Return the scores of what is measured."""
    scores, said = scores_of(collection, policy)
    uris = sorted(uri for uri in measured if uri in scores)
    return Outcome(
        np.array([scores[uri] for uri in uris]),
        np.array([measured[uri] for uri in uris]),
        said["review"],
        sum(f.state == "violates" for f in decided),
        len(decided),
    )


def arms(task: Task, seed: int) -> dict[str, Outcome]:
    """Return what each way comes to in one draw."""
    examples = task.examples(seed)
    begun = few(examples, seed)
    return {
        "20 written": run(task, examples, None),
        "5 written": run(task, begun, None),
        "5 written, 30 decided, most urgent first": run(task, begun, urgent),
        "5 written, 30 decided, spread": run(task, begun, spread),
    }


def rows_of(task: Task) -> Iterator[dict[str, Any]]:
    """Yield a row for each way: means over the draws, and differences from 20 written."""
    draws = [arms(task, seed) for seed in range(NUM_DRAWS)]
    num = len(draws[0]["20 written"].truth)
    rng = np.random.default_rng(7)
    resampled = [np.arange(num), *(rng.integers(0, num, num) for _ in range(NUM_RESAMPLED))]
    base = means([draw["20 written"] for draw in draws], resampled)
    for name in draws[0]:
        same = [draw[name] for draw in draws]
        found = means(same, resampled)
        low, high = np.quantile((found - base)[1:], [0.025, 0.975], axis=0)
        yield {
            "task": task.name,
            "way": name,
            "violates, decided": float(np.mean([one.num_violates for one in same])),
            "decided": float(np.mean([one.num_decided for one in same])),
            **{
                measure: [found[0, i], found[0, i] - base[0, i], low[i], high[i]]
                for i, measure in enumerate(MEASURES)
            },
        }


def means(outcomes: list[Outcome], resampled: list[np.ndarray]) -> np.ndarray:
    """Return (num_resampled, 4) MEASURES, each the mean over the draws."""
    found = [
        [one.measures(rows) for rows in resampled if one.truth[rows].any()] for one in outcomes
    ]
    return np.asarray(np.mean(found, axis=0))


def index(collection: Path, paths: list[Path], *options: str) -> None:
    """Index files, unless that was done before."""
    if not collection.exists():
        command = [str(CROSSMODAL), "index", *map(str, paths), *options, "-c", str(collection)]
        subprocess.run(command, check=True)


def texts(data: Path, kept: Path, name: str, passage_model: str) -> Iterator[Task]:
    """Yield the tasks on texts for one model of passages."""
    pool = write_texts(data, kept / "pool", POOL, 2 * NUM_ABSTRACTS)
    for number, (which, said) in enumerate((("first", HELD_OUT), ("second", SECOND))):
        measured = write_texts(data, kept / which, said, number * NUM_ABSTRACTS)
        file = kept / f"{name}-{which}.duckdb"
        index(file, [kept / "pool", kept / which], "--text-model", passage_model)
        yield Task(
            f"asks-for-money, {which} set, {name}",
            "asks-for-money",
            file,
            pool,
            measured,
            lambda _: money_examples(),
        )


def dogs(data: Path, kept: Path, model: str) -> Task:
    """Return the task on pictures."""
    photos = [data / "captions/flickr8k", data / "classify/imagenet1k_sample"]
    index(kept / "dogs.duckdb", photos, *(["--model", model] if model else []))
    labels = dog_labels(data)
    half = np.random.default_rng(3).random(len(labels)) < 0.5
    sides = [
        {uri: label for (uri, label), h in zip(labels.items(), half, strict=True) if h == side}
        for side in (True, False)
    ]
    return Task(
        "pictures-of-dogs",
        "pictures-of-dogs",
        kept / "dogs.duckdb",
        *sides,
        lambda seed: dog_examples(data, seed),
    )


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""

    def cell(values: list[float], is_base: bool) -> str:
        value, change, low, high = values
        return (
            f"{value:.2f}" if is_base else f"{value:.2f} ({change:+.2f} [{low:+.2f}, {high:+.2f}])"
        )

    head = f"| task | way | decided to violate | {' | '.join(MEASURES)} |"
    lines = [
        f"| {r['task']} | {r['way']} | {r['violates, decided']:.0f} of {r['decided']:.0f} | "
        + " | ".join(cell(r[m], r["way"] == "20 written") for m in MEASURES)
        + " |"
        for r in rows
    ]
    return "\n".join([head, "|---|---|---:|" + "---:|" * len(MEASURES), *lines])


def main(data: Path, kept: Path, model: str, passage_models: dict[str, str], out: str) -> None:
    """Measure every task."""
    data, kept = data.resolve(), kept.resolve()
    kept.mkdir(parents=True, exist_ok=True)
    tasks = [
        task for name, path in passage_models.items() for task in texts(data, kept, name, path)
    ]
    rows = []
    for task in [*tasks, dogs(data, kept, model)]:
        rows += list(rows_of(task))
        print(table(rows), flush=True)
    if out:
        Path(f"{out}.json").write_text(json.dumps(rows, indent=1))
        Path(f"{out}.md").write_text(table(rows) + "\n")


if __name__ == "__main__":
    named = dict(given.split("=", 1) for given in sys.argv[4:] if "=" in given)
    written = sys.argv[sys.argv.index("--out") + 1] if "--out" in sys.argv else ""
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], named, written)
