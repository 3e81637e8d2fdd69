"""Read a log of who did what, when and how: a CSV file that somebody else wrote.

Every row is either used or counted under the reason why it is not, so that the sums always agree.
A clock that runs backwards costs no row: the row is counted and stands where its time says.
"""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from crossmodal.errors import PathError

COLUMNS = ("who", "what", "when", "how")
LIKED = frozenset(
    ("like", "buy", "click", "view", "open", "play", "save", "share", "order", "favourite")
)
DISLIKED = frozenset(("dislike", "unlike", "skip", "hide", "remove", "return", "report"))
MAX_ROWS = 5_000_000
_MAX_CELL_CHARS = 131_072


@dataclass(frozen=True, slots=True)
class Event:
    """Hold that somebody liked or disliked a source."""

    who: str
    uri: str
    at_s: float
    """Seconds since the epoch."""
    liked: bool


@dataclass(frozen=True, slots=True)
class EventLog:
    """Hold the usable events in the order of time, and what was wrong with the others."""

    events: list[Event]
    num_rows: int
    unused: dict[str, int]
    """Rows that are not used, by reason."""
    num_backwards: int
    """Rows whose time is before that of the row above of the same person; they are used."""


def read_log(path: Path, find: Callable[[str], str | None], min_rating: float = 1.0) -> EventLog:
    """Return the events of a CSV file with the columns who, what, when and how.

    ``find`` returns the uri of what a cell names, or None. ``when`` is an ISO time (UTC unless it
    says otherwise) or seconds since the epoch; ``how`` a word of ``LIKED`` or ``DISLIKED``, or a
    rating, of which those from ``min_rating`` up are likes.

    Raises:
        PathError: the file cannot be read, or lacks one of the columns.
    """
    events: list[Event] = []
    unused: Counter[str] = Counter()
    last_s: dict[str, float] = {}
    num_backwards = num_rows = 0
    for row in itertools.islice(_rows(path), MAX_ROWS):
        num_rows += 1
        event = _event(row, find, min_rating)
        if isinstance(event, str):
            unused[event] += 1
            continue
        num_backwards += event.at_s < last_s.get(event.who, event.at_s)
        last_s[event.who] = event.at_s
        events.append(event)
    events.sort(key=lambda event: event.at_s)
    return EventLog(events, num_rows, dict(unused), num_backwards)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(_MAX_CELL_CHARS)
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            reader = csv.DictReader(file, restval="")
            _check_header(path, reader.fieldnames)
            yield from reader
    except OSError as error:
        raise PathError(f"cannot read the event log {path}: {error.strerror or error}") from error
    except csv.Error as error:
        raise PathError(f"{path} is no CSV file: {error}") from error


def _check_header(path: Path, names: object) -> None:
    header = list(names) if isinstance(names, (list, tuple)) else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise PathError(
            f"the event log {path} has no column {', '.join(missing)}: its first line must name "
            f"{', '.join(COLUMNS)}, and names {', '.join(map(str, header))[:200] or 'nothing'}"
        )


def _event(
    row: dict[str, str], find: Callable[[str], str | None], min_rating: float
) -> Event | str:
    """Return the event of a row, or the reason why there is none."""
    who = row["who"].strip()
    if not who:
        return "nobody named"
    at_s = _seconds(row["when"].strip())
    if at_s is None:
        return "time not understood"
    liked = _liked(row["how"].strip().lower(), min_rating)
    if liked is None:
        return "neither like nor dislike"
    uri = find(row["what"].strip())
    return Event(who, uri, at_s, liked) if uri else "unknown item"


def _seconds(when: str) -> float | None:
    try:
        at_s = float(when)
    except ValueError:
        try:
            moment = datetime.fromisoformat(when)
        except ValueError:
            return None
        at_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return at_s if abs(at_s) < 1e12 else None


def _liked(how: str, min_rating: float) -> bool | None:
    if how in LIKED or how in DISLIKED:
        return how in LIKED
    try:
        rating = float(how)
    except ValueError:
        return None
    return rating >= min_rating if abs(rating) < 1e9 else None
