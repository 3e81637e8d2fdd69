"""Save searches under a name and find which new items match them.

Owns what counts as a match: a source whose content came after the search was saved, whose best
chunk is of the strength that the search asks for. A collection without new content, or without
saved searches, loads no model. Refuses to tell anybody: that is the flow's business.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crossmodal.errors import CrossmodalError, FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import narrowed, where_in
from crossmodal.ledger.write import saved_searches as ledger
from crossmodal.ledger.write.saved_searches import SavedSearch
from crossmodal.records import Hit
from crossmodal.search.cited import refuse_empty
from crossmodal.search.merge import Beside, merged
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService, codes_beside
from crossmodal.search.snippets import with_snippets
from crossmodal.search.words import words_of
from crossmodal.views.places import place_of

MAX_NAME = 100
MAX_TEXT = 1000
MAX_ITEMS = 1000
"""Sources that one alert tells of; there may be more."""


@dataclass(frozen=True, slots=True)
class NewMatches:
    """Hold the new items that match a saved search, best first."""

    search: SavedSearch
    hits: list[Hit]
    seq: int
    """Contents up to this number have been compared."""
    refusal: str = ""
    """Why it could not be compared; then it is tried again by the next run."""

    def to_dict(self, num_items: int) -> dict[str, Any]:
        """Return plain values for an event, with so many of the items."""
        return {
            "name": self.search.name,
            "query": self.search.text,
            "num_items": len(self.hits),
            "items": [_item(hit) for hit in self.hits[:num_items]],
        }


def save(collection: Collection, search: SavedSearch) -> None:
    """Keep a search; what is indexed by now never alerts.

    Raises:
        FilterError: its name, its text or a condition cannot be used.
        CollectionMissing: there is no such collection.
    """
    if not re.search(r"\w", search.name) or len(search.name) > MAX_NAME:
        raise FilterError(
            f"a saved search needs a name of 1 to {MAX_NAME} characters, not {search.name[:120]!r}"
        )
    refuse_empty(search.text)
    if len(search.text) > MAX_TEXT:
        raise FilterError(
            f"a text of {len(search.text):,} characters is too long: {MAX_TEXT:,} at most"
        )
    with collection.read() as con:
        where_in(con, search.conditions)
    with collection.write() as con:
        ledger.write_search(con, search)


def drop(collection: Collection, name: str) -> None:
    """Forget a search.

    Raises:
        FilterError: there is none of this name.
    """
    with collection.write() as con:
        if ledger.drop_search(con, name):
            return
        known = ", ".join(each.name for each in ledger.saved_searches(con)) or "none"
    raise FilterError(f"there is no saved search {name!r}: there is {known}")


def has_saved(collection: Collection) -> bool:
    """Return whether there is any saved search."""
    with collection.read() as con:
        return bool(ledger.saved_searches(con))


def new_matches(collection: Collection, device: str = "auto") -> list[NewMatches]:
    """Return for each saved search that has new content to be compared with what of it matches.

    One that cannot be compared says why and keeps nobody else from it. ``note`` makes sure that
    nothing is told of twice.
    """
    with collection.read() as con:
        searches = ledger.saved_searches(con)
        is_due = bool(searches) and ledger.has_unknown(con)
    if is_due:
        with collection.write() as con:
            ledger.note_contents(con)
    with collection.read() as con:
        latest = ledger.latest(con) if searches else 0
    due = [search for search in searches if search.told_seq < latest]
    return [_compared(collection, search, latest, device) for search in due]


def note(collection: Collection, found: Sequence[NewMatches]) -> None:
    """Remember what was told, so that each new item alerts once."""
    done = [each for each in found if not each.refusal]
    if not done:
        return
    with collection.write() as con:
        for each in done:
            ledger.note_told(con, each.search.name, each.seq, len(each.hits))


def _compared(collection: Collection, search: SavedSearch, seq: int, device: str) -> NewMatches:
    try:
        return NewMatches(search, _matching(collection, search, device), seq)
    except CrossmodalError as error:
        return NewMatches(search, [], seq, str(error))


def _matching(collection: Collection, search: SavedSearch, device: str) -> list[Hit]:
    options = QueryOptions(
        collection=str(collection.path),
        device=device,
        k=MAX_ITEMS,
        where=search.conditions,
        modalities=tuple(search.modalities),
        min_strength=search.min_strength,
    )
    [vectors] = SearchService(collection).encoded([Query(text=search.text)], options)
    with collection.read() as con:
        where = narrowed(
            where_in(con, search.conditions), ledger.NEW, {"told_seq": search.told_seq}
        )
        words = words_of(con, search.text, options, where)
        codes = codes_beside(collection.path)
        page = merged(con, vectors, options, where, codes, Beside(words=words))
    # Without a calibration nothing has a strength, and then nothing is hidden either.
    strong = [hit for hit in page.hits if hit.strength]
    return with_snippets(strong, search.text)


def _item(hit: Hit) -> dict[str, Any]:
    known = asdict(hit)
    told = {name: known[name] for name in ("uri", "chunk_id", "strength", "snippet")}
    return told | {"place": place_of(hit.meta)}
