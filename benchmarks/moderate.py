"""Measure what policies find: pictures of dogs, and texts that ask for money.

Both are stand-ins for rules that nobody wants to see data of. Each policy is calibrated by 20
labelled examples a side, drawn anew for each seed, and measured on data that calibrated nothing:
recall and precision of what lies above the lower threshold, at the base rate of the collection,
with Wilson's 95 % intervals; and the precision that the calibration had promised.

    python -m benchmarks.moderate MODEL ../shared/data FOLDER [OUT [TEXT_MODEL]]

MODEL is an image-text model, TEXT_MODEL one of passages (MiniLM unless told). OUT is such as
benchmarks/results/today-moderate. FOLDER keeps the two collections: a second run embeds nothing.
Dogs: 400 captioned photos and 500 of ImageNet, a photo of which at least three of five captions
speak of a dog is one; photos with one or two such captions are left out of scoring. Examples are
photos of ``train``, which are in neither. Money: ``benchmarks.data_money`` among 400 abstracts of
Cranfield, and a second set among the next 400. Its texts to calibrate with and those to measure
were written for this.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data_money import CALIBRATION, HELD_OUT, SECOND, lines
from benchmarks.quality import CROSSMODAL, passage_model
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.chunk_places import chunk_places
from crossmodal.ledger.write.model_versions import live
from crossmodal.ledger.write.policies import kept_vectors, last_score
from crossmodal.moderation import moderate
from crossmodal.moderation.anchors import anchors_of
from crossmodal.moderation.calibrate import wilson
from crossmodal.moderation.decided import decided_by, taught
from crossmodal.moderation.folder import read_policies
from crossmodal.moderation.measure import Measure, Null
from crossmodal.vectors.ann.reading import vector_blocks

SEEDS = range(4)
NUM_EXAMPLES = 20
NUM_ABSTRACTS = 400
POLICIES = Path(__file__).parents[1] / "examples" / "policies"
_DOG = re.compile(r"\b(dogs?|pupp(y|ies))\b", re.IGNORECASE)
_DOG_CLASSES = ("n02085620", "n02113978")

Labels = dict[str, bool]
"""By uri, whether it violates the policy; what is left out of scoring is not there."""


def num_dog_captions(captions: list[str]) -> int:
    """Return how many captions speak of a dog."""
    return sum(bool(_DOG.search(caption)) for caption in captions)


def dog_labels(data: Path) -> Labels:
    """Return the labels of the measured photos."""
    labels = {}
    for line in (data / "captions/captions.jsonl").read_text().splitlines():
        said = json.loads(line)
        num = num_dog_captions(said["captions"])
        if "flickr8k/" in said["path"] and num not in (1, 2):
            labels[str(data / said["path"])] = num >= 3
    with (data / "classify/imagenet1k_sample.csv").open() as table:
        for row in csv.DictReader(table):
            first, last = _DOG_CLASSES
            labels[str(data / row["path"])] = first <= row["wnid"] <= last
    return labels


def dog_examples(data: Path, seed: int) -> list[dict[str, str]]:
    """Return 20 photos of dogs and 20 others to calibrate with."""
    said = [json.loads(line) for line in (data / "train/captions.jsonl").read_text().splitlines()]
    counts = {str(data / "train" / s["path"]): num_dog_captions(s["captions"]) for s in said}
    rng = np.random.default_rng(seed)
    rows = []
    for label, wanted in (("violates", lambda n: n >= 3), ("allowed", lambda n: n == 0)):
        paths = sorted(path for path, num in counts.items() if wanted(num))
        rows += [{"label": label, "path": p} for p in rng.choice(paths, NUM_EXAMPLES, False)]
    return rows


def write_texts(data: Path, folder: Path, measured: dict[str, str], first: int) -> Labels:
    """Write the measured texts and abstracts from this number on as files; return their labels."""
    folder.mkdir(parents=True, exist_ok=True)
    abstracts = (data / "text_ir/cranfield/corpus.jsonl").read_text().splitlines()
    texts = [(True, text) for text in lines(measured["violates"])]
    texts += [(False, text) for text in lines(measured["allowed"])]
    some = abstracts[first : first + NUM_ABSTRACTS]
    texts += [(False, json.loads(line)["text"]) for line in some]
    labels = {}
    for number, (violates, text) in enumerate(texts):
        file = folder / f"{number:04}.txt"
        if text.strip():
            file.write_text(text)
            labels[str(file)] = violates
    return labels


def money_examples() -> list[dict[str, str]]:
    """Return 20 texts that ask for money and 20 others to calibrate with."""
    return [
        {"label": label, "text": text}
        for label in CALIBRATION
        for text in lines(CALIBRATION[label])
    ]


def write_policy(
    folder: Path, name: str, rows: list[dict[str, str]], base_rate: float | None
) -> str:
    """Write a policy of the examples with these labelled examples; return its folder."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    text = (POLICIES / name / "policy.md").read_text()
    if base_rate is not None:
        text = text.replace("version: 1", f"version: 1\nbase_rate: {base_rate:.4f}", 1)
    (place / "policy.md").write_text(text)
    with (place / "examples.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(place)


def index(collection: Path, paths: list[Path], model: str, text_model: str) -> None:
    """Index, unless that was done before."""
    if not collection.exists():
        command = [str(CROSSMODAL), "index", *map(str, paths), "--model", model]
        command += ["--text-model", text_model, "-c", str(collection)]
        subprocess.run(command, check=True)


def base_rate(collection: Collection, labels: Labels) -> float:
    """Return the share of chunks, as a policy states it, that stand in sources which violate it."""
    sql = "SELECT s.uri, count(*) FROM chunk c JOIN source s USING (content_hash) GROUP BY s.uri"
    with collection.read() as con:
        counts = {uri: num for uri, num in con.execute(sql).fetchall() if uri in labels}
    return sum(num for uri, num in counts.items() if labels[uri]) / sum(counts.values())


def measured(collection: Collection, policy_folder: str, labels: Labels) -> dict[str, Any]:
    """Moderate a collection as the flow does and return how well that went."""
    folder = read_policies(policy_folder)
    assert not folder.problems, folder.problems
    started = time.perf_counter()
    jobs = moderate.plan(collection, folder)
    encoded = moderate.encode(collection, jobs, "cpu")
    encoded_s = time.perf_counter() - started
    moderate.score(collection, encoded, "benchmark")
    scored_s = time.perf_counter() - started - encoded_s
    started = time.perf_counter()
    assert moderate.plan(collection, folder) == ()
    again_s = time.perf_counter() - started
    (policy,) = folder.policies
    scores, said = scores_of(collection, policy)
    truth = np.array([labels[uri] for uri in scores if uri in labels])
    found = np.array([score for uri, score in scores.items() if uri in labels])
    return {
        "policy": policy.id,
        "stated_base_rate": policy.base_rate,
        "base_rate": float(truth.mean()),
        "num_measured": len(truth),
        **outcome(found, truth, said["review"]),
        "precision_at_recall_0.9": at_recall(found, truth, 0.9),
        "promised": {k: said[k] for k in ("recall", "precision", "base_rate", "base_rate_by")},
        "first": outcome(found, truth, said["first"]),
        "seconds": {"encode": encoded_s, "score": scored_s, "nothing_new": again_s},
    }


def scores_of(collection: Collection, policy: Any) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the score of each source, its best chunk's, and the calibration."""
    scores: dict[str, float] = {}
    with collection.read() as con:
        lineup = live(con)
        assert lineup is not None
        held = next(v for v in lineup.lists if v.modality == policy.modalities[0])
        said = last_score(con, policy.id, policy.content_hash, held).calibration
        known = kept_vectors(con, held.version.id)
        learned = taught(policy, decided_by(con, policy, held), held)
        measure = Measure(anchors_of(learned, held, known))
        blocks = list(vector_blocks(con, held, "true", {}))
        for ids, block in blocks:
            places = chunk_places(con, [int(i) for i in ids])
            values = measure.scores(measure.cosines(block), Null.of(said["null"]))
            for chunk_id, value in zip(ids, values, strict=True):
                uri = places[int(chunk_id)].uri
                scores[uri] = max(scores.get(uri, -np.inf), float(value))
    return scores, said


def outcome(scores: np.ndarray, truth: np.ndarray, threshold: float) -> dict[str, Any]:
    """Return recall and precision above a threshold, and the share that people see."""
    flagged = scores >= threshold
    hits = int((flagged & truth).sum())
    recall, precision = wilson(hits, int(truth.sum())), wilson(hits, int(flagged.sum()))
    return {
        "recall": [recall.value, recall.low, recall.high],
        "precision": [precision.value, precision.low, precision.high],
        "to_people": float(flagged.mean()),
    }


def at_recall(scores: np.ndarray, truth: np.ndarray, recall: float) -> float:
    """Return the precision at the threshold that finds exactly this share of what violates."""
    ordered = np.sort(scores[truth])
    threshold = ordered[int(np.floor((1 - recall) * len(ordered)))]
    return float(truth[scores >= threshold].mean())


def table(rows: list[dict[str, Any]]) -> str:
    """Return the measures as Markdown."""

    def share(values: list[float]) -> str:
        return f"{values[0]:.2f} ({values[1]:.2f} to {values[2]:.2f})"

    def promised(row: dict[str, Any]) -> list[float]:
        return [row["promised"]["precision"][name] for name in ("value", "low", "high")]

    header = (
        "| policy | base rate | stated | recall | precision | precision at recall 0.9 | promised "
        "precision | to people |\n|---|---:|---|---:|---:|---:|---:|---:|"
    )
    cells = [
        f"| {r['policy']} | {r['base_rate']:.3f} | {'yes' if r['stated_base_rate'] else 'no'} | "
        f"{share(r['recall'])} | {share(r['precision'])} | {r['precision_at_recall_0.9']:.2f} | "
        f"{share(promised(r))} | {r['to_people']:.1%} |"
        for r in rows
    ]
    return "\n".join([header, *cells])


def main(model: str, data: Path, kept: Path, out: str = "", text_model: str = "") -> None:
    """Measure both policies, with the base rate stated and estimated."""
    data, kept, text_model = data.resolve(), kept.resolve(), text_model or passage_model()
    kept.mkdir(parents=True, exist_ok=True)
    photos = [data / "captions/flickr8k", data / "classify/imagenet1k_sample"]
    money = write_texts(data, kept / "texts", HELD_OUT, 0)
    second = write_texts(data, kept / "second-texts", SECOND, NUM_ABSTRACTS)
    index(kept / "dogs.duckdb", photos, model, text_model)
    index(kept / "money.duckdb", [kept / "texts"], model, text_model)
    index(kept / "second-money.duckdb", [kept / "second-texts"], model, text_model)
    rows = []
    dogs = dog_labels(data)
    with tempfile.TemporaryDirectory() as folder:
        for labels, name, file in (
            (money, "asks-for-money", "money.duckdb"),
            (second, "asks-for-money", "second-money.duckdb"),
            (dogs, "pictures-of-dogs", "dogs.duckdb"),
        ):
            collection = Collection(kept / file)
            rate = base_rate(collection, labels)
            for seed in SEEDS if labels is dogs else [0]:
                examples = dog_examples(data, seed) if labels is dogs else money_examples()
                for stated in (rate, None):
                    place = write_policy(Path(folder) / f"{seed}-{stated}", name, examples, stated)
                    rows.append(measured(collection, place, labels) | {"seed": seed})
                    print(json.dumps(rows[-1]), file=sys.stderr)
    print(table(rows))
    if out:
        Path(f"{out}.json").write_text(json.dumps(rows, indent=1))
        Path(f"{out}.md").write_text(table(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
