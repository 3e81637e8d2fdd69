"""Put a stored taste before what is asked now, and store both for the next time.

A stored example that is gone by now costs a notice, never the answer: see ``Asked.is_stored``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write.taste_profiles import (
    TasteProfile,
    find_profile,
    profile_names,
    write_profile,
)

if TYPE_CHECKING:
    import duckdb

    from crossmodal.recommendation.options import RecommendOptions
    from crossmodal.search.examples import Given

_LONGEST_NAME = 200


class Asked(NamedTuple):
    """Hold one example and whether it comes from a stored taste."""

    given: Given
    is_stored: bool


class AskedTaste(NamedTuple):
    """Hold every example that counts, in the order of time."""

    likes: list[Asked]
    dislikes: list[Asked]


def with_profile(con: duckdb.DuckDBPyConnection, options: RecommendOptions) -> AskedTaste:
    """Return the stored examples of the profile that is named, then those given now.

    What is given now outweighs what was stored: a stored like that is disliked now is one no more.

    Raises:
        FilterError: there is no such profile, or a name or an example cannot be stored.
    """
    _check_save(options)
    stored = TasteProfile("", (), ())
    if options.profile is not None:
        stored = _stored(con, options.profile)
    return AskedTaste(
        _joined(stored.likes, options.likes, options.dislikes),
        _joined(stored.dislikes, options.dislikes, options.likes),
    )


def keep_profile(collection: Collection, name: str | None, asked: AskedTaste) -> None:
    """Store the examples under a name; without a name do nothing."""
    if name is None:
        return
    likes, dislikes = (tuple(str(each.given) for each in side) for side in asked)
    with collection.write() as con:
        write_profile(con, TasteProfile(name, likes, dislikes))


def _check_save(options: RecommendOptions) -> None:
    if options.save is None:
        return
    name = options.save
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise FilterError(
            f"a profile cannot be called {name[:50]!r}: give a name of 1 to {_LONGEST_NAME} letters"
        )
    if not all(isinstance(given, str | int) for given in (*options.likes, *options.dislikes)):
        raise FilterError("a profile keeps ids, paths and texts, no vectors: leave these out")


def _stored(con: duckdb.DuckDBPyConnection, name: str) -> TasteProfile:
    found = find_profile(con, name)
    if found is None:
        known = ", ".join(profile_names(con)) or "none yet"
        raise FilterError(
            f"there is no profile {name!r} in this collection, but: {known}; "
            "store one with --save NAME"
        )
    return found


def _joined(stored: Sequence[str], given: Sequence[Given], against: Sequence[Given]) -> list[Asked]:
    now = {str(each) for each in (*given, *against) if isinstance(each, str | int)}
    before = [Asked(each, True) for each in stored if each not in now]
    return before + [Asked(each, False) for each in given]
