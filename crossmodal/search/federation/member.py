"""Say what a collection among many can be asked, and ask one that is a file here."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Protocol

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.search.federation.parts import Part
from crossmodal.search.lists import serving_lists
from crossmodal.search.merge import window_of
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService


class Member(Protocol):
    """Ask one of many collections."""

    @property
    def address(self) -> str:
        """Return what people call it."""

    def ask(self, query: Query, options: QueryOptions, num: int, patience_s: float) -> Part:
        """Return its best ``num`` hits, or all that it has.

        Raises:
            Unanswered, CrossmodalError: it cannot answer.
        """


@dataclass(frozen=True, slots=True)
class LocalMember:
    """Ask a collection that is a file on this machine."""

    address: str

    def ask(self, query: Query, options: QueryOptions, num: int, patience_s: float) -> Part:
        """Return its best hits; what writes to it is waited for, as long as there is patience."""
        collection = Collection(self.address, lock_timeout_s=patience_s)
        asked = replace(
            options,
            collection=os.fspath(collection.path),
            k=num,
            offset=0,
            window=window_of(options),  # as for one page: deeper pages must not order them anew
        )
        answer = SearchService(collection).ask(query, asked)
        with collection.read() as con:
            lists = serving_lists(con, collection.path, replace(asked, modalities=()))
            sizes = {held.modality: num_vectors(con, held) for held in lists}
        return Part(self.address, answer, sizes)
