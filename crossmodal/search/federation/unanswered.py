"""Say why one of many collections did not answer."""

from __future__ import annotations

import duckdb

from crossmodal import errors
from crossmodal.errors import CollectionError, CrossmodalError
from crossmodal.search.answer import Absence

# The first that fits.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (errors.CollectionMissing, "missing"),
    (errors.CollectionEmpty, "empty"),
    (errors.CollectionBusy, "busy"),
    (errors.CollectionTooNew, "another_schema"),
    (errors.CollectionUnreadable, "damaged"),
    (errors.ModelError, "no_model"),
    (errors.FilterError, "bad_filter"),
    (CrossmodalError, "failed"),
    (duckdb.Error, "damaged"),
    (OSError, "unreachable"),
)


class Unanswered(CollectionError):
    """One of many collections does not answer; what is said never holds a token."""

    def __init__(self, collection: str, reason: str, detail: str) -> None:
        super().__init__(f"{collection}: {detail}")
        self.collection = collection
        self.reason = reason
        self.detail = detail


def absence_of(address: str, error: Exception) -> Absence | None:
    """Return why a collection does not answer; None where the error is a bug of ours."""
    if isinstance(error, Unanswered):
        return Absence(address, error.reason, error.detail)
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return Absence(address, reason, str(error).split("\n", 1)[0])
    return None
