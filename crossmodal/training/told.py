"""Hold what somebody says of pictures, before any picture is looked up.

Owns the shape that tables, click logs and judgements are brought into, and how words are cleaned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Told:
    """Hold captions by picture, and which picture was shown for a caption but did not fit."""

    captions: dict[str, list[str]] = field(default_factory=dict)
    """By path or uri."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Caption and path of each hard negative."""
    problems: Counter[str] = field(default_factory=Counter)

    def tell(self, path: str, captions: Iterable[str]) -> None:
        """Add captions of a picture; one that says nothing is counted."""
        said = [text for text in map(words_of, captions) if text]
        self.problems["with an empty caption"] += not said
        if said:
            self.captions.setdefault(path, []).extend(said)

    def skip(self, caption: str, path: str) -> None:
        """Add a picture that was looked at for a caption and left."""
        if text := words_of(caption):
            self.skipped.append((text, path))

    def settled(self) -> Told:
        """Return it without hard negatives that somebody else found to fit, each once."""
        fits = {(text, path) for path, texts in self.captions.items() for text in texts}
        asked = {text for text, _ in fits}
        kept = [each for each in dict.fromkeys(self.skipped) if each not in fits]
        useful = [each for each in kept if each[0] in asked]
        captions = {path: list(dict.fromkeys(texts)) for path, texts in self.captions.items()}
        return Told(captions, useful, self.problems)


def words_of(text: str) -> str:
    """Return a text on one line, single blanks between its words."""
    return " ".join(text.split())
