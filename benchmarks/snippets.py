"""Count how often what is shown of a hit holds the answer.

    python -m benchmarks.snippets COLLECTION [benchmarks/snippet_questions.csv]

COLLECTION holds the documents that the questions are about. Of the first hit among ten whose text
holds the answer it is looked whether the characters that are shown do: the beginning of the text,
what the product shows, and the same with the sentence that the encoder finds nearest.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from crossmodal.encoders.cache import load_version
from crossmodal.encoders.encoder import Encoder
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.records import Hit
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.search.snippets import SNIPPET_CHARS, after_headings, sentences, with_snippets
from crossmodal.search.words import MODES
from crossmodal.views.places import snippet

QUESTIONS = Path(__file__).with_name("snippet_questions.csv")
_K = 10
_ENCODED = "around the sentence nearest by encoding"

Shows = Callable[[Sequence[Hit], str], list[str]]
"""Takes a page of hits and the question; returns what is shown of each."""


def main() -> None:
    """Ask every question in each mode, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("questions", type=Path, nargs="?", default=QUESTIONS)
    options = parser.parse_args()
    with options.questions.open() as file:
        asked = [(row["question"], row["answer"]) for row in csv.DictReader(file)]
    ways = {
        "the beginning": _beginnings,
        "around the sentence nearest by words": _by_words,
        _ENCODED: _by_encoding(options.collection),
    }
    print("| mode | shown | answer found | answer shown | ms a page |")
    print("| --- | --- | ---: | ---: | ---: |")
    for mode in MODES:
        query = QueryOptions(
            collection=options.collection, modalities=("text",), k=_K, group=False, mode=mode
        )
        service = SearchService(Collection(options.collection))
        answers = service.ask_many([Query(text=question) for question, _ in asked], query)
        pages = [answer.hits for answer in answers]
        for name, shows in ways.items():
            if shows is ways[_ENCODED] and mode != MODES[0]:
                continue  # seconds a page
            found, shown, ms = _count(asked, pages, shows)
            print(f"| {mode} | {name} | {found} of {len(asked)} | {shown} | {ms:.0f} |")


def _count(
    asked: Sequence[tuple[str, str]], pages: Sequence[list[Hit]], shows: Shows
) -> tuple[int, int, float]:
    """Return how many answers are found, how many are shown, and ms of processor time a page."""
    found = shown = 0
    started = time.process_time()
    told = [shows(page, question) for (question, _), page in zip(asked, pages, strict=True)]
    ms = 1000 * (time.process_time() - started) / len(asked)
    for (_, answer), page, texts in zip(asked, pages, told, strict=True):
        holding = [place for place, hit in enumerate(page) if _holds(hit.text, answer)]
        found += bool(holding)
        shown += bool(holding) and _holds(texts[holding[0]], answer)
    return found, shown, ms


def _holds(text: str, answer: str) -> bool:
    return "".join(answer.split()).casefold() in "".join(text.split()).casefold()


def _beginnings(hits: Sequence[Hit], question: str) -> list[str]:
    del question
    return [
        snippet(hit.text[after_headings(hit.text, hit.section) :], SNIPPET_CHARS) for hit in hits
    ]


def _by_words(hits: Sequence[Hit], question: str) -> list[str]:
    return [hit.snippet for hit in with_snippets(hits, question)]


def _by_encoding(collection: str) -> Shows:
    with Collection(collection).read() as con:
        live = model_versions.live(con)
    if live is None:
        raise SystemExit(f"{collection} has no vectors")
    encoder = load_version(live.serving["text"], "cpu")

    def shows(hits: Sequence[Hit], question: str) -> list[str]:
        query = encoder.encode_texts([question])[0]
        return [_around_nearest(hit, encoder, query) for hit in hits]

    return shows


def _around_nearest(hit: Hit, encoder: Encoder, query: np.ndarray) -> str:
    units = sentences(hit.text, after_headings(hit.text, hit.section))
    if not units:
        return ""
    scores = encoder.encode_texts([hit.text[slice(*unit)] for unit in units]) @ query
    best = int(np.argmax(scores))
    return snippet(hit.text[units[best][0] :], SNIPPET_CHARS)


if __name__ == "__main__":
    main()
