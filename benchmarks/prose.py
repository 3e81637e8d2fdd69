"""Count lists of references and the like among the first hits, with their demotion and without.

    python -m benchmarks.prose COLLECTION QUESTIONS

COLLECTION holds documents; QUESTIONS is a text with a question a line, such as subjects that both
the text and its references name. Asked through the product's own search, texts only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from crossmodal.ledger.collection import Collection
from crossmodal.records import Hit
from crossmodal.search import merge
from crossmodal.search.options import QueryOptions
from crossmodal.search.prose import DEMOTION, DEMOTION_SPREADS, is_prose
from crossmodal.search.service import Query, SearchService

_DEPTHS = (1, 3, 10)


def main() -> None:
    """Ask every question once for each demotion, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("questions", type=Path)
    parser.add_argument("--mode", choices=("hybrid", "vector", "words"), default="hybrid")
    options = parser.parse_args()
    questions = [line for line in options.questions.read_text().splitlines() if line.strip()]
    asked = QueryOptions(
        collection=options.collection, modalities=("text",), k=10, group=False, mode=options.mode
    )
    name, amounts = ("merit", (0.0, 1.0, DEMOTION, 6.0))
    if options.mode == "words":
        name, amounts = ("spreads", (0.0, 1.0, DEMOTION_SPREADS, 3.0))
    print(f"| {name} taken | {' | '.join(f'lists among the first {n}' for n in _DEPTHS)} |")
    print("| ---: " * (1 + len(_DEPTHS)) + "|")
    for demotion in amounts:
        merge.DEMOTION = merge.DEMOTION_SPREADS = demotion
        found = _ask(questions, asked)
        cells = [f"{_num_lists(found, depth)} of {_num(found, depth)}" for depth in _DEPTHS]
        print(f"| {demotion:g} | {' | '.join(cells)} |")


def _ask(questions: list[str], options: QueryOptions) -> list[list[Hit]]:
    service = SearchService(Collection(options.collection))
    answers = service.ask_many([Query(text=question) for question in questions], options)
    return [answer.hits for answer in answers]


def _num_lists(found: list[list[Hit]], depth: int) -> int:
    return sum(not is_prose(hit.text, hit.section) for hits in found for hit in hits[:depth])


def _num(found: list[list[Hit]], depth: int) -> int:
    return sum(len(hits[:depth]) for hits in found)


if __name__ == "__main__":
    main()
