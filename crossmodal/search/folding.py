"""Fold near-duplicates: a hit that shows or says the same as a better one gets no place of its own.

Owns what counts as nearly the same. Pictures: perceptual hashes that hardly differ, and scores that
hardly do, since screens and scans of one layout have like hashes. Texts: almost the same words in
the same order, and every number the same, since forms may differ in a number alone. Looks at
nothing but the hits. Pictures that were indexed before they got hashes, or lie inside of other
files, are never folded; sources with the same bytes are one hit already.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from crossmodal.records import Hit

_MAX_BITS = 6
"""Of 64: what resizing and compression change (``creation.duplicates``)."""
_MAX_SCORE_CHANGE = 0.03
_MIN_SHARED = 0.9
_MIN_WORDS = 12
_RUN_WORDS = 3
_MAX_CHARS = 20_000
_WORD = re.compile(r"\w+")
_PHASH = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class _Content:
    """Hold what of a hit is compared."""

    phash: int | None
    score: float
    runs: frozenset[tuple[str, ...]]
    """Every three words that follow each other; empty of a picture or a short text."""
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, hit: Hit) -> _Content:
        if hit.modality != "text":
            return cls(_phash(hit), hit.score, frozenset(), ())
        words = _WORD.findall(hit.text[:_MAX_CHARS].casefold())
        numbers = tuple(word for word in words if any(map(str.isdigit, word)))
        if len(words) < _MIN_WORDS:
            return cls(None, hit.score, frozenset(), numbers)
        runs = zip(*(words[i:] for i in range(_RUN_WORDS)), strict=False)
        return cls(None, hit.score, frozenset(runs), numbers)

    def keys(self) -> list[Hashable]:
        """Return keys of which it shares one with everything that is like it.

        Hashes that differ in up to seven bits have one of eight bytes in common. Two sets that
        share nine tenths have their smallest common member among the first tenth of both.
        """
        if self.phash is not None:
            return list(enumerate(self.phash.to_bytes(8, "big")))
        num = len(self.runs) - math.ceil(_MIN_SHARED * len(self.runs)) + 2  # one more for rounding
        return list(sorted(self.runs)[:num])

    def is_like(self, other: _Content) -> bool:
        if self.phash is not None and other.phash is not None:
            is_near = (self.phash ^ other.phash).bit_count() <= _MAX_BITS
            return is_near and abs(self.score - other.score) <= _MAX_SCORE_CHANGE
        if not self.runs or not other.runs or self.numbers != other.numbers:
            return False
        return len(self.runs & other.runs) >= _MIN_SHARED * len(self.runs | other.runs)


def fold(hits: Sequence[Hit], num: int) -> list[tuple[int, list[str]]]:
    """Return the places of the first ``num`` hits that are like no better one, and what each folds.

    What a hit folds are the paths of worse hits that are nearly the same, as far as was looked.
    """
    kept: list[tuple[int, _Content, list[str]]] = []
    # Only what shares a key is compared: a page far down would compare millions of pairs.
    by_key: defaultdict[Hashable, list[int]] = defaultdict(list)
    for place, hit in enumerate(hits):
        if len(kept) >= num:
            break
        content = _Content.of(hit)
        keys = content.keys()
        near = sorted({number for key in keys for number in by_key[key]})
        same = next((n for n in near if content.is_like(kept[n][1])), None)
        if same is not None:
            kept[same][2].append(hit.uri)
            continue
        for key in keys:
            by_key[key].append(len(kept))
        kept.append((place, content, []))
    return [(place, folds) for place, _, folds in kept]


def _phash(hit: Hit) -> int | None:
    """Return the perceptual hash of a picture that is a file; None where there is none."""
    said = hit.meta.get("phash") if hit.kind == "image" else None
    return int(said, 16) if isinstance(said, str) and _PHASH.fullmatch(said) else None
