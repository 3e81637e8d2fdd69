"""Leave out what a person does not want found, by patterns and by files of patterns.

The patterns are those of Git, matched by the pathspec library; the files are called .gitignore and
.crossmodalignore. Owns which file of patterns holds
where; refuses to walk. A file of patterns holds for its folder and below, the deepest that says
anything about a path decides, and those above the folder that was given are not read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from crossmodal.errors import PathError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".crossmodalignore")
_MAX_BYTES = 1_000_000

Rules = tuple[tuple[str, "GitIgnoreSpec"], ...]
"""Folders with the patterns that hold below them, the outermost first."""


class Ignoring:
    """Say of each path below a folder whether it is left out."""

    def __init__(self, folder: str, patterns: Sequence[str], *, heed_files: bool) -> None:
        self._heed_files = heed_files
        self._outermost: Rules = ((folder, _spec(patterns)),) if patterns else ()
        self._known: dict[str, Rules] = {}

    def rules_of(self, folder: str) -> Rules:
        """Return what holds for the entries of a folder, which is read before those below it."""
        rules = self._known.get(os.path.dirname(folder), self._outermost)
        for name in IGNORE_FILES if self._heed_files else ():
            lines = _lines(os.path.join(folder, name))
            if lines:
                with suppress(PathError):  # somebody else's file may hold what is no pattern
                    rules = (*rules, (folder, _spec(lines)))
        if rules is not self._outermost:
            self._known[folder] = rules
        return rules


def is_ignored(rules: Rules, path: str, *, is_folder: bool) -> bool:
    """Say whether a path is left out by the rules of its folder."""
    for base, spec in reversed(rules):
        inner = path[len(base) :].lstrip("/") + ("/" if is_folder else "")
        decided = spec.check_file(inner).include
        if decided is not None:
            return decided
    return False


def _spec(lines: Sequence[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise PathError(
            f"a pattern to exclude is none: {error}; write it as in a .gitignore, such as "
            "'*.tmp' or 'drafts/'"
        ) from error


def _lines(path: str) -> list[str]:
    """Return the lines of a file of patterns; none where it is absent or no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_BYTES).splitlines()
    except OSError:
        return []
