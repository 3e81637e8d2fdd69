"""Find the pictures that tell a text: for each sentence the best one, and none of them twice.

Owns how a text becomes sentences and which picture goes where. The pictures are chosen together
(scipy's linear_sum_assignment), so that a picture goes to the sentence that needs it most; next to
each stand the best of what is left, for a person to choose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossmodal.creation.extra import needed
from crossmodal.errors import FilterError, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import where_in
from crossmodal.previews.contact_sheet import QueryRow
from crossmodal.records import Hit
from crossmodal.search.lists import choose_lists, encode_texts
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.search import SearchRequest, search
from crossmodal.views.text_table import TextTable

MAX_SENTENCES = 100
_DEPTH_PER_SENTENCE = 3
_MIN_DEPTH = 20
_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？।؟])\s*|\n{2,}")  # noqa: RUF001
_MISSING = -10.0


@dataclass(frozen=True, slots=True)
class Panel:
    """Hold a sentence, its picture, and what could stand there instead."""

    sentence: str
    picture: Hit | None
    """None where there are more sentences than pictures."""
    alternatives: list[Hit]


@dataclass(frozen=True, slots=True)
class Storyboard:
    """Hold the panels in the order of the text."""

    panels: list[Panel]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def to_text_table(self) -> TextTable:
        """Return a table: a row a sentence."""
        rows = [
            (p.sentence, p.picture.uri if p.picture else "no picture left",
             f"{p.picture.score:.3f}" if p.picture else "")
            for p in self.panels
        ]  # fmt: skip
        return TextTable("storyboard", ("sentence", "picture", "score"), rows, num_words=2)

    def to_rows(self) -> list[QueryRow]:
        """Return a row a sentence for a contact sheet: its picture, then the alternatives."""
        return [
            QueryRow(f"{number}. {panel.sentence}", _shown(panel))
            for number, panel in enumerate(self.panels, start=1)
        ]


def storyboard(text: str, options: QueryOptions, num_alternatives: int = 2) -> Storyboard:
    """Return for each sentence of a text the picture that shows it best, each picture once.

    Raises:
        FilterError: there is no sentence, or there are too many.
        CollectionEmpty: there are no pictures.
        ExtraMissing: scipy is not installed.
    """
    told = sentences(text)
    collection = Collection(options.collection)
    with collection.read() as con:
        where = where_in(con, options.where)
        pictures = replace(options, modalities=("image",))
        lists = choose_lists(con, collection.path, pictures)[:1]
    encoded = encode_texts(lists, told, options.device)
    vectors = [seen[lists[0]] for seen in encoded]
    depth = max(_MIN_DEPTH, _DEPTH_PER_SENTENCE * len(told))
    with collection.read() as con:
        found = [search(con, SearchRequest(lists[0], v, k=depth, where=where)) for v in vectors]
    chosen = assigned(found)
    taken = {hit.uri for hit in chosen if hit}
    return Storyboard(
        [
            Panel(sentence, picture, _others(hits, taken, num_alternatives))
            for sentence, picture, hits in zip(told, chosen, found, strict=True)
        ]
    )


def read_text(file: Path) -> str:
    """Return the text of a UTF-8 file.

    Raises:
        PathError: it cannot be read.
    """
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PathError(f"cannot read a text from {file}: {error}") from error


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, each on one line.

    Raises:
        FilterError: there is none, or there are more than ``MAX_SENTENCES``.
    """
    found = [" ".join(part.split()) for part in _END.split(text)]
    kept = [part for part in found if re.search(r"\w", part)]
    if not kept:
        raise FilterError("the text has no sentence to show: write one, or name a file with --file")
    if len(kept) > MAX_SENTENCES:
        raise FilterError(
            f"a text of {len(kept)} sentences is too long for a storyboard: give up to "
            f"{MAX_SENTENCES}"
        )
    return kept


def assigned(found: Sequence[Sequence[Hit]]) -> list[Hit | None]:
    """Return a hit for each list of hits, no source twice, so that their scores' sum is largest."""
    uris = list(dict.fromkeys(hit.uri for hits in found for hit in hits))
    column = {uri: place for place, uri in enumerate(uris)}
    scores = np.full((len(found), max(len(uris), len(found))), _MISSING)
    best: dict[tuple[int, int], Hit] = {}
    for row, hits in enumerate(found):
        for hit in hits:
            at = (row, column[hit.uri])
            if at not in best:
                best[at], scores[at] = hit, hit.score
    with needed("create"):
        from scipy.optimize import linear_sum_assignment
    rows, columns = linear_sum_assignment(scores, maximize=True)
    at_row: dict[int, int] = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return [best.get((row, at_row[row])) for row in range(len(found))]


def _others(hits: Sequence[Hit], taken: set[str], num: int) -> list[Hit]:
    others: dict[str, Hit] = {}
    for hit in hits:
        if hit.uri not in taken:
            others.setdefault(hit.uri, hit)
    return list(others.values())[:num]


def _shown(panel: Panel) -> list[Hit]:
    return ([panel.picture] if panel.picture else []) + panel.alternatives
