"""Hold what a path given by a person stands for, and how its files are iterated over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from crossmodal.errors import is_transient
from crossmodal.records import Rejected

Kind = Literal["folder", "file", "glob", "url"]
Found = tuple[str, int, int]
"""uri, size_bytes, mtime_ns"""


@dataclass(frozen=True, slots=True)
class Root:
    """One path that a person gave, in the form that the ledger keeps."""

    root: str
    """Absolute path, pattern or URL, without a slash at its end."""
    kind: Kind
    """``url`` is a single remote object; a folder or a glob may be remote too."""
    found: int = 0
    """Files seen under it, also those that another root lists."""
    missing: bool = False
    """Whether there is nothing at that path: deleted, or not mounted."""
    base: str = ""
    """The folder that was walked; of a glob, what lies above its first wildcard."""
    sees_hidden: bool = False
    """Whether names with a leading dot were looked at."""


class Walk(Protocol):
    """Yield a root's files; afterwards say what was left out."""

    rejected: list[Rejected]
    unreadable: list[str]
    num_hidden: int
    num_ignored: int

    def __iter__(self) -> Iterator[Found]: ...


class FixedWalk:
    """Be the walk of a root that needs none: a single file, or one that is not there."""

    def __init__(self, found: Iterable[Found] = (), rejected: Iterable[Rejected] = ()) -> None:
        self._found = tuple(found)
        self.rejected = list(rejected)
        self.unreadable = [refusal.uri for refusal in self.rejected]
        self.num_hidden = 0
        self.num_ignored = 0

    def __iter__(self) -> Iterator[Found]:
        return iter(self._found)


def refused(uri: str, reason: str, error: OSError) -> Rejected:
    """Return the refusal of what could not be listed."""
    return Rejected(uri, "discover", reason, str(error), transient=is_transient(error))
