"""Answer a question by what the collection says: sentences, rows and moments, each with its place.

Extractive: every word of an answer stands in a source, so nothing is invented; who wants prose
writes it from this. Owns which chunks of a source speak for it and how a place is cited; what is
found and which sentences are marked are the search's (``service``, ``snippets``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.modalities import FILMED
from crossmodal.records import Hit
from crossmodal.search.answer import Answer
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.search.strength import STRENGTHS
from crossmodal.views.human import counted, markdown_cell
from crossmodal.views.places import clock, place_of, snippet
from crossmodal.views.text_table import TextTable

MAX_SOURCES = 100
MAX_EVIDENCE = 3
"""Chunks that speak for one source."""
_CHUNKS_PER_SOURCE = 8
_QUOTE_CHARS = 400


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold one chunk that answers."""

    hit: Hit
    """Its ``spans`` mark the sentences of its text that answer."""
    place: str
    """Where in its source, such as ``page 3``, ``at 0:12``, ``row 4`` or ``message 2``."""
    quotes: list[str]
    """The marked sentences in the order of the text, each on one line; else how the text begins.

    Empty for a picture without words.
    """


@dataclass(frozen=True, slots=True)
class CitedSource:
    """Hold a source that answers and what in it does, best first."""

    number: int
    """From 1, best first: what a text may cite it by."""
    uri: str
    plays: str
    """The film or sound that these subtitles belong to; empty where there is none."""
    evidence: list[Evidence]


@dataclass(frozen=True, slots=True)
class CitedAnswer:
    """Hold a question and the sources that answer it, best first."""

    question: str
    sources: list[CitedSource]
    verdict: str
    """That there are no hits, or that none stands out; or empty."""
    notices: list[str]
    model: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def to_text_table(self) -> TextTable:
        """Return a table: number, source and place, strength, what it says."""
        rows = [
            (f"[{source.number}]" if first else "", _named(source, evidence),
             evidence.hit.strength, evidence.hit.snippet)
            for source in self.sources
            for first, evidence in _with_first(source.evidence)
        ]  # fmt: skip
        title = f"{self.question}\n{self.verdict}" if self.verdict else self.question
        return TextTable(title, ("", "source", "strength", "what it says"), rows, num_words=4)

    def to_markdown(self) -> str:
        """Return a heading and a table for a Prefect artifact."""
        notices = "".join(f"\n{markdown_cell(notice)}\n" for notice in self.notices)
        title = f"## {markdown_cell(self.question)}\n\n"
        return f"{title}{self.to_text_table().to_markdown()}\n{notices}"


def ask(question: str, options: QueryOptions) -> CitedAnswer:
    """Return the sources that answer a question; ``options.k`` says how many at most.

    Raises as ``SearchService.ask`` does; FilterError also where the question has no words.
    """
    service = SearchService(Collection(options.collection))
    refuse_empty(question)
    return cited(service.ask(Query(text=question), wide(options)), options.k)


def refuse_empty(question: str) -> None:
    """Refuse a question without words.

    Raises:
        FilterError: there is none.
    """
    if not any(character.isalnum() for character in question):
        raise FilterError('nothing is asked: write a question, such as "why did customer 17 call?"')


def wide(options: QueryOptions) -> QueryOptions:
    """Return the options of the search behind an answer: every chunk is a hit of its own."""
    most = min(options.k, MAX_SOURCES)
    return replace(options, k=most * _CHUNKS_PER_SOURCE, offset=0, group=False)


def cited(found: Answer, num_sources: int) -> CitedAnswer:
    """Return the hits of a question grouped by source, in the order of each source's best.

    Of one content that lies in several places only the first is told of. What has no words says
    nothing: it comes where it is a stronger hit than every text, or where there is no text.
    """
    groups: dict[str, list[Hit]] = {}
    for hit in found.hits:
        groups.setdefault(hit.uri, []).append(hit)
    texts = [[hit for hit in hits if hit.modality == "text"] for hits in groups.values()]
    spoken = min((_strength(hits) for hits in texts if hits), default=None)
    telling = [
        (uri, hits)
        for uri, hits in groups.items()
        if spoken is None or _has_words(hits) or _strength(hits) < spoken
    ]
    best = telling[:num_sources]
    num_mute = len(set(list(groups)[:num_sources]) - {uri for uri, _ in telling})
    left_out = (
        f"{counted(num_mute, 'source without words is', 'sources without words are')} left out: "
        "a search finds pictures and sounds by what is in them"
    )
    return CitedAnswer(
        question=found.query,
        sources=[
            CitedSource(
                number=number,
                uri=uri,
                plays=found.plays[uri].uri if uri in found.plays else "",
                evidence=[_evidence(hit) for hit in _speaking(hits)],
            )
            for number, (uri, hits) in enumerate(best, start=1)
        ],
        verdict=found.verdict,
        notices=[*found.notices, *([left_out] if num_mute else [])],
        model=found.model,
    )


def _has_words(hits: Sequence[Hit]) -> bool:
    return any(hit.spans or hit.snippet for hit in hits)


def _strength(hits: Sequence[Hit]) -> int:
    """Return how strong the strongest hit is; 0 is best."""
    words = [hit.strength for hit in hits if hit.strength]
    return min(map(STRENGTHS.index, words), default=len(STRENGTHS))


def _speaking(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits of a source that say most: those with marked sentences, or the best."""
    marked = [hit for hit in hits if hit.spans]
    return (marked or list(hits[:1]))[:MAX_EVIDENCE]


def _evidence(hit: Hit) -> Evidence:
    quotes = [snippet(hit.text[start:stop], _QUOTE_CHARS) for start, stop in hit.spans]
    return Evidence(hit, _cited_place(hit), quotes or list(filter(None, [hit.snippet])))


def _cited_place(hit: Hit) -> str:
    """Return the place that is cited; in a picture of a chat, the message of the first sentence.

    A passage on two pages, or of several seconds, is cited by where it begins and ends.
    """
    place = place_of(hit.meta)
    if "page_end" in hit.meta:
        place = place.replace("page ", "pages ", 1) + f" to {hit.meta['page_end']}"
    if "end_s" in hit.meta and hit.kind not in FILMED:
        place += f" to {clock(hit.meta['end_s'])}"
    if "paragraph" not in hit.meta:
        return place
    before = hit.text[: hit.spans[0][0]].count("\n\n") if hit.spans else 0
    name = "message" if hit.media_type.startswith("image/") else "paragraph"
    return ", ".join(filter(None, [place, f"{name} {hit.meta['paragraph'] + before}"]))


def _with_first(evidence: Sequence[Evidence]) -> Iterator[tuple[bool, Evidence]]:
    return ((not place, each) for place, each in enumerate(evidence))


def _named(source: CitedSource, evidence: Evidence) -> str:
    of = f" of {source.plays}" if source.plays else ""
    return source.uri + (f" ({evidence.place}{of})" if evidence.place else "")
