"""Lay out a mixed collection of the data pack, without the files that hold its labels.

Pictures, films, documents and abstracts as files of one folder, a tenth of them apart, so that the
collection can grow tenfold. Label files stay out: they hold the questions word for word.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.off_topic import OFF_TOPIC

NUM_ABSTRACTS = 700
NUM_ABSTRACT_QUERIES = 75
_FLICKR_EVERY = 12
_COCO_EVERY = 6
_CAR_EVERY = 5
_TENTH = 10
# A book of 1,200 pages would be four fifths of all passages, and most of the time.
_TOO_LONG = "book-war-and-peace"
_LABELS = ("manifest.csv", "queries.csv", "captions.csv", "segments.csv")


@dataclass(frozen=True, slots=True)
class Question:
    """Hold one question, which modality its answers have, and which sources answer it."""

    task: str
    text: str
    modality: str
    relevant: frozenset[str]
    """Paths below the laid out folder; for films the frames' film, with a time in ``at_s``."""
    cluster: str
    """Questions about one thing are drawn together by the bootstrap."""
    picture: str = ""
    """Path of a picture that asks in place of the text."""
    at_s: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Mixed:
    """Hold the two folders of files and the questions about them."""

    first: Path
    """A tenth of the files."""
    rest: Path
    questions: tuple[Question, ...]


def lay_out(data: Path, folder: Path) -> Mixed:
    """Put the files into ``folder``/first and ``folder``/rest, and return them with questions."""
    first, rest = folder / "first", folder / "rest"
    pack = _Pack(data, first, rest)
    files = list(_files(data))
    asking = {path for number, path in enumerate(_cars(data)) if number % _CAR_EVERY == 0}
    for number, path in enumerate(path for path in files if path not in asking):
        pack.place(path, number)
    pack.place_abstracts()
    questions = [*_documents(data), *_films(data), *_captions(data), *_abstracts(data)]
    questions += [*_alike(data, asking), *_off_topic()]
    return Mixed(first, rest, tuple(questions))


@dataclass(frozen=True, slots=True)
class _Pack:
    data: Path
    first: Path
    rest: Path

    def place(self, path: str, number: int) -> None:
        target = self._folder(number) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            return
        try:
            os.link(self.data / path, target)
        except OSError:
            shutil.copy2(self.data / path, target)

    def place_abstracts(self) -> None:
        for number, row in enumerate(_corpus(self.data)):
            target = self._folder(number) / "cranfield" / f"{row['_id']}.txt"
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.write_text(row["text"])

    def _folder(self, number: int) -> Path:
        return self.first if number % _TENTH == 0 else self.rest


def _files(data: Path) -> Iterator[str]:
    for folder in ("captions/flickr8k", "captions/coco", "cars/images", "documents", "video"):
        for path in sorted((data / folder).rglob("*")):
            if path.is_file() and path.name not in _LABELS and _TOO_LONG not in path.name:
                yield str(path.relative_to(data))


def _cars(data: Path) -> list[str]:
    return sorted(f"cars/images/{path.name}" for path in (data / "cars/images").iterdir())


def _corpus(data: Path) -> list[dict[str, str]]:
    lines = (data / "text_ir/cranfield/corpus.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[:NUM_ABSTRACTS]]


def _rows(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as rows:
        return list(csv.DictReader(rows, delimiter=delimiter))


def _documents(data: Path) -> Iterator[Question]:
    for row in _rows(data / "documents/queries.csv"):
        path = row["path"]
        if _TOO_LONG in path:
            continue
        yield Question("documents", row["query"], "text", frozenset({path}), path)


def _films(data: Path) -> Iterator[Question]:
    """Yield one caption of each labelled moment."""
    seen = set()
    for row in _rows(data / "video/segments.csv"):
        moment = (row["path"], row["t_start"])
        if moment not in seen:
            seen.add(moment)
            at_s = float(row["t_start"]), float(row["t_end"])
            film = frozenset({row["path"]})
            yield Question("films", row["caption"], "image", film, f"{moment}", at_s=at_s)


def _captions(data: Path) -> Iterator[Question]:
    """Yield each n-th caption of the photos, spread over photos and authors."""
    every = {"captions/flickr8k/": _FLICKR_EVERY, "captions/coco/": _COCO_EVERY}
    for prefix, step in every.items():
        rows = [r for r in _rows(data / "captions/captions.csv") if r["path"].startswith(prefix)]
        for row in rows[::step]:
            task, path = prefix.split("/")[1], row["path"]
            yield Question(task, row["caption"], "image", frozenset({path}), path)


def _abstracts(data: Path) -> Iterator[Question]:
    folder = data / "text_ir/cranfield"
    there = {row["_id"] for row in _corpus(data)}
    answers: dict[str, set[str]] = defaultdict(set)
    for row in _rows(folder / "qrels.tsv", "\t"):
        query, document, grade = list(row.values())[:3]
        if document in there and int(grade) > 0:
            answers[query].add(f"cranfield/{document}.txt")
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    asked = [query for query in queries if answers.get(query["_id"])]
    for query in asked[:NUM_ABSTRACT_QUERIES]:
        found = frozenset(answers[query["_id"]])
        yield Question("cranfield", query["text"], "text", found, query["_id"])


def _alike(data: Path, asking: set[str]) -> Iterator[Question]:
    """Yield photos of cars that are not in the collection; right are those of the same make."""
    rows = _rows(data / "cars/labels.csv")
    makes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["path"] not in asking:
            makes[row["make"]].add(row["path"])
    for row in rows:
        if row["path"] in asking and makes[row["make"]]:
            same, picture = frozenset(makes[row["make"]]), str(data / row["path"])
            yield Question("cars", row["path"], "image", same, row["path"], picture)


def _off_topic() -> Iterator[Question]:
    for text in OFF_TOPIC:
        yield Question("off topic", text, "", frozenset(), text)
