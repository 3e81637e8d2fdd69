"""Ask many collections side by side and merge what they say, until a deadline.

Who is late, away, damaged or without its model is named in the answer and not waited for; where
nobody answers that is an error. Each collection is asked in a thread of its own, which is left
behind where it hangs.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from crossmodal.errors import CollectionError, FilterError, ModelMismatch, PathError, Refused
from crossmodal.ledger.read.filters import parse_where
from crossmodal.search.answer import Absence, Answer
from crossmodal.search.federation.addresses import is_served, read_addresses
from crossmodal.search.federation.member import LocalMember, Member
from crossmodal.search.federation.parts import Part, merge_parts
from crossmodal.search.federation.served import ServedMember
from crossmodal.search.federation.tokens import tokens_of
from crossmodal.search.federation.unanswered import absence_of
from crossmodal.search.merge import Page
from crossmodal.search.options import QueryOptions
from crossmodal.search.reranking import OFF
from crossmodal.search.service import Query

DEADLINE_S = 60.0
"""A process that is asked for the first time imports torch and loads a model within it."""
_DEEPER = 4


class NobodyAnswers(CollectionError):
    """None of many collections answers."""

    def __init__(self, absent: Sequence[Absence]) -> None:
        told = "; ".join(f"{each.collection} ({each.reason}): {each.detail}" for each in absent)
        super().__init__(f"none of the {len(absent)} collections answers: {told}")
        self.absent = tuple(absent)


@dataclass(frozen=True, slots=True)
class ManyCollections:
    """Search several collections as one; safe between threads."""

    members: tuple[Member, ...]
    deadline_s: float = DEADLINE_S
    """How long an answer may take, the loading of models counted."""

    def ask(self, query: Query, options: QueryOptions) -> Answer:
        """Return the page of hits that the options ask for, each with its collection.

        Raises:
            FilterError: the query or an option is of one collection only, or a condition cannot be
                understood by any of them.
            PathError, Refused: the picture cannot be used.
            NobodyAnswers: no collection does.
        """
        self._refuse(query, options)
        asked = replace(options, rerank=OFF)
        deadline = time.monotonic() + self.deadline_s
        num, due = options.offset + options.k + 1, self.members
        parts: dict[str, Part] = {}
        absent: list[Absence] = []
        while True:
            found, missing = _asked(due, query, asked, num, deadline)
            absent += missing
            for lost in missing:
                parts.pop(lost.collection, None)
            parts |= {part.collection: part for part in found}
            if not parts:
                raise NobodyAnswers(absent)
            held = [parts[m.address] for m in self.members if m.address in parts]
            page, is_short = merge_parts(held, options)
            if not is_short:
                return _answer(query, held, page, absent)
            due = tuple(m for m in due if m.address in parts and parts[m.address].answer.has_more)
            num *= _DEEPER

    def ask_many(self, queries: Sequence[Query], options: QueryOptions) -> Iterator[Answer]:
        """Yield an answer for each query, in their order; raises as ``ask`` does."""
        for query in queries:
            yield self.ask(query, options)

    def _refuse(self, query: Query, options: QueryOptions) -> None:
        """Refuse what only makes sense within one collection, and a wrong condition at once."""
        parse_where(options.where)
        told = ""
        if query.chunk_id is not None:
            told = "a chunk's number is of one collection"
        elif options.expand:
            told = "--expand shows surroundings within one collection"
        elif options.rerank not in ("", OFF):
            told = "--rerank orders the hits of one collection"
        elif options.neighbours:
            told = "--neighbours counts within one collection"
        if told:
            raise FilterError(f"{told}: search it by itself, or leave that out")
        served = [m.address for m in self.members if is_served(m.address)]
        if options.model and served:
            raise ModelMismatch(
                f"--model chooses among versions of files here, and {served[0]} answers with its "
                "own: leave --model out"
            )


def many_collections(given: Sequence[str], deadline_s: float = DEADLINE_S) -> ManyCollections:
    """Return the collections that are named: paths, ``http://host:port``, ``@FILE`` for a list.

    Raises:
        PathError: a name or the file of tokens cannot be used.
    """
    addresses = read_addresses(given)
    tokens = tokens_of([address for address in addresses if is_served(address)])
    members = [
        ServedMember(address, tokens.get(address, ""))
        if is_served(address)
        else LocalMember(address)
        for address in addresses
    ]
    return ManyCollections(tuple(members), deadline_s)


def _asked(
    members: Sequence[Member], query: Query, options: QueryOptions, num: int, deadline: float
) -> tuple[list[Part], list[Absence]]:
    """Return what came until the deadline, and who is not in it."""
    came: queue.SimpleQueue[tuple[str, Part | Exception]] = queue.SimpleQueue()

    def ask(member: Member) -> None:
        try:
            found = member.ask(query, options, num, max(0.05, deadline - time.monotonic()))
            came.put((member.address, found))
        except Exception as error:
            came.put((member.address, error))

    for member in members:
        threading.Thread(target=ask, args=(member,), daemon=True, name=_THREAD).start()
    waiting = dict.fromkeys(member.address for member in members)
    parts, absent = [], []
    while waiting:
        try:
            address, found = came.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        waiting.pop(address)
        if isinstance(found, Part):
            parts.append(found)
        else:
            absent.append(_explained(address, found))
    absent += [Absence(address, "slow", "did not answer in time") for address in waiting]
    return parts, absent


_THREAD = "one of many collections"


def is_working() -> bool:
    """Say whether a collection that was not waited for is still being asked."""
    return any(thread.name == _THREAD for thread in threading.enumerate())


def _explained(address: str, error: Exception) -> Absence:
    """Return why a collection does not answer; what is the query's fault, or ours, is raised."""
    absence = None if isinstance(error, PathError | Refused) else absence_of(address, error)
    if absence is None:
        raise error
    return absence


def _answer(query: Query, parts: Sequence[Part], page: Page, absent: Sequence[Absence]) -> Answer:
    shown = {hit.uri for hit in page.hits}
    notices = {
        f"{part.collection}: {notice}": None for part in parts for notice in part.answer.notices
    }
    plays = {uri: row for part in parts for uri, row in part.answer.plays.items() if uri in shown}
    models = dict.fromkeys(label for p in parts for label in p.answer.model.split(" + ") if label)
    return Answer(
        query=query.title,
        model=" + ".join(models),
        hits=page.hits,
        has_more=page.has_more,
        stands_out=page.stands_out,
        plays=plays,
        notices=[*page.notices, *notices],
        unanswered=list(absent),
    )
