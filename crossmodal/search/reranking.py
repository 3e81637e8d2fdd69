"""Order the first hits of an answer anew: the second stage of a search.

Owns what is judged (the first ``TOP`` hits), by which reranker, until when, and how the hits stand
afterwards. Scores of a reranker are never mixed with cosines: within the window the hits that it
reads change places among themselves, and each keeps its cosine, merit and strength. A reranker that
is late or fails changes nothing, and the answer says so. A query is judged once: its further pages
use what its first page saw, also where that was late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cachetools import LRUCache

from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import MappingReranker, Reranker, Side, TokenReranker
from crossmodal.errors import CrossmodalError, ModelError, Refused, RerankFailed
from crossmodal.ledger.write import model_versions, settings
from crossmodal.ledger.write.trials import Trial, trial_of
from crossmodal.search.answer import Answer
from crossmodal.search.options import PAIR_MODALITIES, QueryOptions
from crossmodal.search.rerank_sides import side_of_hit, side_of_query
from crossmodal.search.tokens.kept import KeptTokens
from crossmodal.search.tokens.keys import Keyed
from crossmodal.views.human import counted

if TYPE_CHECKING:
    import duckdb

    from crossmodal.ledger.collection import Collection
    from crossmodal.records import Hit, Lineup

TOP = 50
"""How many hits of a query are judged."""
OFF = "off"
_NUM_VERDICTS = 500
_POOL_UNUSED = (
    "--rerank-pool did nothing: it is for a reranker that --rerank names; one that the collection "
    "remembers keeps its own"
)

T = TypeVar("T")
Identity = tuple[object, ...]
Scored = Sequence[tuple["Hit", float]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Name a reranker and the hits that it orders."""

    model: str
    modalities: tuple[str, ...] = ("text", "image")
    fingerprint: str = ""
    """What it has to be; empty where a person named it just now."""
    pool: int = 1
    """About so many of its tokens are joined to one; 1: none."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Hold what a collection remembers of how it is searched."""

    rerankers: tuple[Chosen, ...]
    live: Lineup | None
    trial: Trial | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Say what was asked, as far as a reranker reads it."""

    text: str
    picture: str | bytes
    key: bytes
    """What the query is remembered by; empty where it is not."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Hold what a reranker said of one query."""

    scores: dict[Identity, float] = field(default_factory=dict)
    notice: str = ""
    """Why nothing was reranked; empty where it was."""


_LOCK = threading.Lock()
_VERDICTS: LRUCache[tuple[object, ...], _Verdict] = LRUCache(_NUM_VERDICTS)
_KEPT: LRUCache[tuple[object, ...], Remembered] = LRUCache(16)
"""What collections remember, by their files as they were."""


@dataclass(frozen=True, slots=True)
class SecondStage:
    """Rerank the answers that one set of options asks for; with no reranker, leave them as is."""

    path: Path
    options: QueryOptions
    chosen: tuple[Chosen, ...] = ()
    lineup: Lineup | None = None

    @property
    def first(self) -> QueryOptions:
        """Return what the first stage is asked: all hits up to the end of the page."""
        asked = self.options
        if not self.chosen:
            return asked
        # The same windows for every page, or its hits would come in another order.
        window = 4 * max(TOP, asked.k)
        return replace(asked, offset=0, k=max(TOP, asked.offset + asked.k), window=window)

    def finish(self, answer: Answer, asker: Asker) -> Answer:
        """Return the page with its hits as the rerankers order them."""
        if self.options.rerank_pool > 1 and self.options.rerank in ("", OFF):
            answer = replace(answer, notices=[*answer.notices, _POOL_UNUSED])
        if not self.chosen or self.lineup is None:
            return answer
        hits, notices, names, mapped_by = list(answer.hits), list(answer.notices), [], ""
        deadline_s = _deadline_s(self.options.rerank_deadline_ms)
        for chosen in self.chosen:
            reranker = self._loaded(chosen, notices)
            if reranker is None:
                continue
            began = time.monotonic()  # to load a model is no work on this query
            verdict = self._verdict(chosen, reranker, hits[:TOP], asker, deadline_s)
            deadline_s = deadline_s and deadline_s - (time.monotonic() - began)
            hits = reordered(hits, verdict.scores)
            names += [reranker.label] if verdict.scores else []
            if verdict.scores and asker.text and isinstance(reranker, MappingReranker):
                mapped_by = chosen.model
            notices += [verdict.notice] if verdict.notice else []
        end = self.options.offset + self.options.k
        page = [replace(hit, rank=rank) for rank, hit in enumerate(hits, 1)][self.options.offset :]
        return replace(
            answer,
            hits=page[: self.options.k],
            has_more=answer.has_more or len(hits) > end,
            reranked_by=" + ".join(names),
            mapped_by=mapped_by,
            notices=notices,
        )

    def _loaded(self, chosen: Chosen, notices: list[str]) -> Reranker | None:
        """Return a reranker; one that a collection remembers may be gone without harm."""
        try:
            reranker = load_reranker(chosen.model, self.options.device)
        except ModelError as error:
            if not chosen.fingerprint:
                raise
            notices.append(f"not reranked: {error}")
            return None
        if chosen.fingerprint not in ("", reranker.fingerprint):
            notices.append(
                f"not reranked: {chosen.model} has changed since it was shown to be better; let it "
                "be measured again with `crossmodal reranker set`"
            )
            return None
        return reranker

    def _verdict(
        self,
        chosen: Chosen,
        reranker: Reranker,
        hits: Sequence[Hit],
        asker: Asker,
        deadline_s: float | None,
    ) -> _Verdict:
        asks = "image" if asker.picture else "text"
        read = [
            hit
            for hit in hits
            if hit.modality in chosen.modalities and (asks, hit.modality) in reranker.pairs
        ]
        if not read:
            named = not chosen.fingerprint and hits
            told = f"not reranked: {reranker.label} reads no {asks} query with such hits"
            return _Verdict(notice=told if named else "")
        key = (str(self.path), reranker.fingerprint, chosen.pool, asker.key)
        known = _remembered(key) if asker.key else None
        if known and ((known.notice and self.options.offset) or _covers(known, read)):
            return known
        job = _Job(reranker, asker, read, self.path, chosen.pool)
        verdict = job.within(deadline_s)
        if asker.key:
            with _LOCK:
                _VERDICTS[key] = verdict
        return verdict


@dataclass(frozen=True, slots=True)
class _Job:
    """Judge hits of one query, in batches, so that it can end between two of them."""

    reranker: Reranker
    asker: Asker
    hits: Sequence[Hit]
    path: Path
    pool: int = 1
    stop: threading.Event = field(default_factory=threading.Event)
    done: list[int] = field(default_factory=list)
    """How many hits each finished batch had."""

    def within(self, deadline_s: float | None) -> _Verdict:
        """Return the verdict, or that it was late; the batch in work ends on its own."""
        if deadline_s is None:
            return self._judged()
        verdicts: list[_Verdict] = []
        worker = threading.Thread(target=lambda: verdicts.append(self._told()), daemon=True)
        worker.start()
        worker.join(max(deadline_s, 0.0))
        if verdicts:
            return verdicts[0]
        self.stop.set()
        return _Verdict(
            notice=f"not reranked: {self.reranker.label} was late, it had read {sum(self.done)} of "
            f"{counted(len(self.hits), 'hit')} in {1000 * deadline_s:,.0f} ms; "
            "--rerank-deadline-ms gives more"
        )

    def _told(self) -> _Verdict:
        """Return the verdict; it tells what would end a command, for a thread has no caller."""
        try:
            return self._judged()
        except CrossmodalError as error:
            return _Verdict(notice=f"not reranked: {error}")

    def _judged(self) -> _Verdict:
        try:
            return _Verdict(self._scores())
        except (RerankFailed, Refused) as error:
            return _Verdict(notice=f"not reranked: {error}")

    def _scores(self) -> dict[Identity, float]:
        query = side_of_query(self.asker.text, self.asker.picture, self.reranker.side_px)
        # Texts of like length waste little of a batch on padding.
        order = sorted(self.hits, key=lambda hit: len(hit.text))
        if isinstance(self.reranker, TokenReranker):
            return self._in_batches(*self._by_tokens(query, order, self.reranker))
        return self._in_batches(order, partial(self._by_sides, query))

    def _in_batches(
        self, items: Sequence[T], judged: Callable[[Sequence[T]], Scored]
    ) -> dict[Identity, float]:
        scores: dict[Identity, float] = {}
        for start in range(0, len(items), self.reranker.batch):
            if self.stop.is_set():
                return {}
            batch = items[start : start + self.reranker.batch]
            scores |= {identity(hit): float(score) for hit, score in judged(batch)}
            self.done.append(len(batch))
        return scores

    def _by_sides(self, query: Side, batch: Sequence[Hit]) -> Scored:
        sides = [(hit, side_of_hit(hit, self.reranker.side_px)) for hit in batch]
        shown = [(hit, side) for hit, side in sides if side is not None]
        if not shown:
            return []
        scores = self.reranker.scores(query, [side for _, side in shown])
        return [(hit, float(score)) for (hit, _), score in zip(shown, scores, strict=True)]

    def _by_tokens(
        self, query: Side, order: Sequence[Hit], reranker: TokenReranker
    ) -> tuple[list[Keyed], Callable[[Sequence[Keyed]], Scored]]:
        kept = KeptTokens(self.path, reranker, self.pool)

        def judged(batch: Sequence[Keyed]) -> Scored:
            shown = kept.of(batch)
            if not shown:
                return []
            scores = reranker.scores_of_tokens(query, [tokens for _, tokens in shown])
            return [(hit, float(score)) for (hit, _), score in zip(shown, scores, strict=True)]

        return kept.keyed(order), judged


def second_stage(collection: Collection, options: QueryOptions) -> SecondStage:
    """Return the second stage that the options ask for, or that the collection remembers."""
    path = collection.path
    if options.rerank == OFF:
        return SecondStage(path, options)
    known = remembered(collection)
    named = Chosen(options.rerank, pool=options.rerank_pool)
    chosen = (named,) if options.rerank else known.rerankers
    return SecondStage(path, options, chosen, known.live)


def remembered(collection: Collection) -> Remembered:
    """Return what a collection remembers of how it is searched.

    It is asked once as long as its file does not change: to open it takes longer than many a
    search.
    """
    path = collection.path
    key = (str(path), *_stat(path), *_stat(Path(f"{path}.wal")))
    with _LOCK:
        known = _KEPT.get(key)
    if known is None:
        with collection.read() as con:
            known = Remembered(_remembered_by(con), model_versions.live(con), trial_of(con))
        with _LOCK:
            _KEPT[key] = known
    return known


def reordered(hits: Sequence[Hit], scores: dict[Identity, float]) -> list[Hit]:
    """Return the hits; those with a score change places among themselves, best first.

    Equal scores stay in the order that they had.
    """
    places = [place for place, hit in enumerate(hits) if identity(hit) in scores]
    ranked = sorted(places, key=lambda place: (-scores[identity(hits[place])], place))
    ordered = list(hits)
    for place, taken in zip(places, ranked, strict=True):
        hit = hits[taken]
        ordered[place] = replace(hit, rerank_score=scores[identity(hit)])
    return ordered


def identity(hit: Hit) -> Identity:
    """Return what a hit is known by between two pages: its chunk as it was read."""
    return hit.chunk_id, hit.uri, hit.size_bytes, hit.modified, hit.text


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _remembered_by(con: duckdb.DuckDBPyConnection) -> tuple[Chosen, ...]:
    kept = settings.rerankers(con)
    return tuple(
        Chosen(each["model"], (PAIR_MODALITIES[pair],), each["fingerprint"], each.get("pool", 1))
        for pair, each in sorted(kept.items())
        if pair in PAIR_MODALITIES
    )


def _covers(verdict: _Verdict, hits: Sequence[Hit]) -> bool:
    return bool(verdict.scores) and all(identity(hit) in verdict.scores for hit in hits)


def _remembered(key: tuple[object, ...]) -> _Verdict | None:
    with _LOCK:
        return _VERDICTS.get(key)


def _deadline_s(deadline_ms: int) -> float | None:
    return deadline_ms / 1000 if deadline_ms else None
