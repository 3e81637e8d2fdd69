"""Find in each hit what answers: the sentence nearest to the question, or the row of a table.

Nearness is by the words that they share (BM25 over the sentences of one chunk, stemmed as postings
are), so that no model is loaded and nothing is asked of the collection. Owns what of a text is
shown and where it lies in it. Invariant: spans are places in ``hit.text``, which stays whole; a
question without words, or one that shares none, marks nothing and shows the beginning.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from crossmodal.ledger.words.tokens import language_of, question_terms, terms_of
from crossmodal.records import SECTION_SEPARATOR, Hit
from crossmodal.search.words import unquoted
from crossmodal.views.places import snippet

SNIPPET_CHARS = 240
"""What a person takes in at a glance; the sentence that answers, and what stands around it."""
_K1, _B = 1.2, 0.75
_NUM_MARKED = 2
_SECOND_SHARE = 0.6
_MAX_CHARS = 20_000
_BY_ROW = frozenset({"rows", "cell_image"})

Span = tuple[int, int]

_SENTENCE_END = re.compile(
    r"(?<=[.!?\u2026\u3002\uff01\uff1f])([\"'\u201d\u2019)\]]*)\s+(?=\S)|()\n\s*\n"
)
_SHORT_FORM = re.compile(
    r"(?:\b[A-Z]|\b(?:e\.g|i\.e|z\.B|d\.h|cf|Fig|fig|No|Nr|vs|Dr|Mr|Mrs|St|al))\.$"
)


def with_snippets(
    hits: Sequence[Hit], question: str, captions: Mapping[int, Sequence[str]] | None = None
) -> list[Hit]:
    """Return the hits with what of each is shown, and where in its text the answer lies.

    ``captions`` are those told of a source, by chunk; they stand in for a text where there is none.
    """
    terms = frozenset(question_terms(unquoted(question))) if question else frozenset()
    shown = [_with_snippet(hit, terms) for hit in hits]
    told = captions or {}
    return [
        replace(hit, snippet=_caption(told[hit.chunk_id], terms))
        if not hit.snippet and hit.chunk_id in told
        else hit
        for hit in shown
    ]


def _caption(captions: Sequence[str], terms: frozenset[str]) -> str:
    """Return of several captions the one that shares most with a question, else the first."""
    text = "\n".join(captions)
    units = _lines(text)
    first, stop = (best_spans(text, units, terms) or units)[0]
    return snippet(text[first:stop], SNIPPET_CHARS)


def best_spans(text: str, units: Sequence[Span], terms: frozenset[str]) -> list[Span]:
    """Return the sentences that share most with a question, best first; at most two.

    ``units`` are places in ``text``; empty where none shares a word.
    """
    language = language_of(text)
    counted = [terms_of(text[start:stop], language) for start, stop in units]
    scores = _scores(counted, terms)
    order = sorted(range(len(units)), key=lambda i: (-scores[i], i))[:_NUM_MARKED]
    if not order or not scores[order[0]]:
        return []
    return [units[i] for i in order if scores[i] >= _SECOND_SHARE * scores[order[0]]]


def sentences(text: str, start: int = 0) -> list[Span]:
    """Return where the sentences of a text lie, from ``start`` on."""
    ends = [(m.end(m.lastindex or 0), m.end()) for m in _SENTENCE_END.finditer(text, start)]
    found, begin = [], start
    for stop, after in ends:
        if _SHORT_FORM.search(text[begin:stop]) and "\n\n" not in text[stop:after]:
            continue
        found.append((begin, stop))
        begin = after
    found.append((begin, len(text.rstrip())))
    return [span for span in found if span[0] < span[1]]


def after_headings(text: str, section: str) -> int:
    """Return where a passage begins after the headings that it repeats."""
    headings, at = {part.strip() for part in section.split(SECTION_SEPARATOR)}, 0
    while (end := text.find("\n", at)) >= 0 and text[at:end].strip() in headings:
        at = end + 1
    return at


def _with_snippet(hit: Hit, terms: frozenset[str]) -> Hit:
    text = hit.text[:_MAX_CHARS]
    start = after_headings(text, hit.section)
    units = _lines(text) if hit.kind in _BY_ROW else sentences(text, start)
    spans = best_spans(text, units, terms) if terms and len(units) else []
    shown = snippet(text[start:], SNIPPET_CHARS)
    if hit.kind == "figure":
        # Its caption, or without one the words before it: what a person reads of a figure first.
        shown = snippet(text.partition("\n")[0], SNIPPET_CHARS)
    elif spans:
        shown = _around(text, units, spans[0], alone=hit.kind in _BY_ROW)
    return replace(hit, snippet=shown, spans=sorted(spans), meta=_with_row(hit, units, spans))


def _scores(counted: Sequence[Counter[str]], terms: frozenset[str]) -> list[float]:
    num, mean = len(counted), sum(c.total() for c in counted) / max(len(counted), 1)
    holding = {term: sum(term in c for c in counted) for term in terms}
    weight = {t: math.log(1 + (num - n + 0.5) / (n + 0.5)) for t, n in holding.items() if n}

    def score(found: Counter[str]) -> float:
        length = _K1 * (1 - _B + _B * found.total() / max(mean, 1.0))
        return sum(w * found[t] * (_K1 + 1) / (found[t] + length) for t, w in weight.items())

    return [score(found) for found in counted]


def _around(text: str, units: Sequence[Span], best: Span, *, alone: bool) -> str:
    """Return a sentence on one line, with the next and the one before as far as there is room.

    A row stands alone: the rows beside it answer other questions.
    """
    if alone:
        return snippet(text[slice(*best)], SNIPPET_CHARS)
    first = last = units.index(best)
    while last + 1 < len(units) and units[last + 1][1] - units[first][0] <= SNIPPET_CHARS:
        last += 1
    while first > 0 and units[last][1] - units[first - 1][0] <= SNIPPET_CHARS:
        first -= 1
    shown = snippet(text[units[first][0] : units[last][1]], SNIPPET_CHARS)
    return f"\u2026 {shown}" if first > 0 else shown


def _lines(text: str) -> list[Span]:
    found, at = [], 0
    for line in text.split("\n"):
        found.append((at, at + len(line)))
        at += len(line) + 1
    return found


def _with_row(hit: Hit, units: Sequence[Span], spans: Sequence[Span]) -> dict[str, object]:
    """Return the hit's position with the row that matched, where its lines are its rows."""
    first, stop = hit.meta.get("rows", (0, 0))
    if hit.kind != "rows" or not spans or stop - first != len(units) or len(units) < 2:
        return hit.meta
    return hit.meta | {"matched_row": first + units.index(spans[0])}
