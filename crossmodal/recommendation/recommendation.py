"""Hold what was recommended, and lay it out for a terminal, JSON or Markdown."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from crossmodal.records import Hit
from crossmodal.views.human import markdown_cell
from crossmodal.views.places import place_of, snippet
from crossmodal.views.text_table import TextTable


@dataclass(frozen=True, slots=True)
class Recommended:
    """Hold one recommendation."""

    hit: Hit
    """Its ``score`` is how well it suits, not a cosine: 0 suits like anything else."""
    because: str
    """The like that it is nearest to; empty without likes."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Hold what suits, best first."""

    title: str
    found: list[Recommended]
    notices: list[str] = field(default_factory=list)

    @property
    def hits(self) -> list[Hit]:
        """Return the chunks that suit, best first."""
        return [each.hit for each in self.found]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def to_text_table(self) -> TextTable:
        """Return a table: rank, score, path and place, the words, because of which like."""
        rows = [
            (str(hit.rank), f"{hit.score:.3f}", _place(hit), snippet(hit.text, 60), because)
            for hit, because in ((each.hit, snippet(each.because, 40)) for each in self.found)
        ]
        return TextTable(
            self.title, ("", "score", "path", "words", "because of"), rows, num_words=5
        )

    def to_markdown(self) -> str:
        """Return a heading and a table for a Prefect artifact."""
        notices = "".join(f"\n{markdown_cell(notice)}\n" for notice in self.notices)
        return f"## {markdown_cell(self.title)}\n\n{self.to_text_table().to_markdown()}\n{notices}"


def _place(hit: Hit) -> str:
    place = place_of(hit.meta)
    return f"{hit.uri} ({place})" if place else hit.uri
