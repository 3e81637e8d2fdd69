"""Hold the answer to one query, and show it: as plain values, a table, an artifact."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from crossmodal.search.strength import NO_HITS, NOTHING
from crossmodal.views.human import human_bytes, markdown_cell
from crossmodal.views.places import place_of, snippet
from crossmodal.views.text_table import TextTable

if TYPE_CHECKING:
    from crossmodal.ledger.read.chunks import SourceRow
    from crossmodal.ledger.read.surroundings import Surroundings
    from crossmodal.records import Hit

_HEADER = ("", "score", "rerank", "strength", "collection", "path", "words", "size")
_OPTIONAL = ("rerank", "strength", "collection", "words")


@dataclass(frozen=True, slots=True)
class Absence:
    """Name a collection that was asked and is not in an answer."""

    collection: str
    reason: str
    """missing, empty, damaged, another_schema, no_model, no_token, busy, slow, unreachable, ..."""
    detail: str
    """What to say to a person."""

    @property
    def sentence(self) -> str:
        """Return it as a note below an answer."""
        return f"{self.collection} is not in this answer ({self.reason}): {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold one query and a page of its hits, best first."""

    query: str
    model: str
    hits: list[Hit]
    query_id: str = ""
    """Names the query where details or further pages are asked for; empty where it is not kept."""
    has_more: bool = False
    """Whether there is another page."""
    stands_out: bool | None = None
    """Whether any hit of the query is likely or strong; None where nobody can tell."""
    around: dict[int, Surroundings] = field(default_factory=dict)
    """By chunk id, what stands beside a hit and what it is a part of; where it was asked for."""
    plays: dict[str, SourceRow] = field(default_factory=dict)
    """By source, the film or sound that these subtitles or this transcript belong to."""
    reranked_by: str = ""
    """Label of the reranker that ordered the first hits; empty where none did."""
    mapped_by: str = ""
    """Directory or hub id of the reranker that says where in a picture it found the words."""
    notices: list[str] = field(default_factory=list)
    """What a person should know of how the hits were found."""
    unanswered: list[Absence] = field(default_factory=list)
    """Collections that were asked along and are not in the answer, which may miss better hits."""

    @property
    def verdict(self) -> str:
        """Return what is said above the hits: there are none, or none stands out; or nothing."""
        if not self.hits:
            return NO_HITS
        return NOTHING if self.stands_out is False else ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        plays = {uri: recording.uri for uri, recording in self.plays.items()}
        return asdict(self) | {"plays": plays, "verdict": self.verdict}

    def to_text_table(self) -> TextTable:
        """Return a table: rank, score, strength, path and place, the words."""
        rows = [
            (
                str(hit.rank),
                f"{hit.score:.3f}",
                "" if hit.rerank_score is None else f"{hit.rerank_score:.2f}",
                hit.strength,
                hit.collection,
                self._place(hit),
                self._words(hit),
                human_bytes(hit.size_bytes),
            )
            for hit in self.hits
        ]
        kept = [
            i
            for i, name in enumerate(_HEADER)
            if name not in _OPTIONAL or any(row[i] for row in rows)
        ]
        title = f"{self.query}\n{self.verdict}" if self.verdict else self.query
        header = tuple(_HEADER[i] for i in kept)
        shown = [tuple(row[i] for i in kept) for row in rows]
        return TextTable(title, header, shown, num_words=_num_words(header))

    def to_markdown(self) -> str:
        """Return a heading and a table with thumbnails for a Prefect artifact."""
        verdict = f"*{self.verdict}*\n\n" if self.verdict else ""
        return f"## {markdown_cell(self.query)}\n\n{verdict}{self.to_text_table().to_markdown()}\n"

    def _place(self, hit: Hit) -> str:
        copies = f" (and {hit.num_copies - 1} more of the same content)" * (hit.num_copies > 1)
        copies += f" (and {len(hit.alike)} nearly the same)" * bool(hit.alike)
        place = place_of(hit.meta)
        plays = f" of {self.plays[hit.uri].uri}" if place and hit.uri in self.plays else ""
        return hit.uri + (f" ({place}{plays})" if place else "") + copies

    def _words(self, hit: Hit) -> str:
        near = self.around.get(hit.chunk_id)
        if near is None:
            return hit.snippet or snippet(hit.text)
        texts = [snippet(chunk.text) for chunk in near.before]
        texts += [hit.snippet or snippet(hit.text)]
        texts += [snippet(chunk.text) for chunk in near.after]
        return " / ".join(filter(None, texts))


def _num_words(header: tuple[str, ...]) -> int:
    """Return how many columns, from the left, hold words rather than numbers."""
    return len(header) - 1
