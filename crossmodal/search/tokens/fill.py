"""Make the token vectors that a reranker lacks, before anybody asks; forget those of what is gone.

A batch is written as it is made, so that a killed fill loses at most the batch in work, and the
next one goes on. One process at a time fills for a reranker. What is noted in the file is the state
of the ledger that it was filled from: while that holds, nothing is due and no model is loaded.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import TokenReranker
from crossmodal.errors import (
    CollectionBusy,
    ModelMismatch,
    ModelUnsupported,
    PathError,
    RerankFailed,
)
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.indexed import held_hits, held_ids, state
from crossmodal.records import Hit
from crossmodal.runs.progress import NullProgress, Progress
from crossmodal.search.tokens.due import FillSpec, basis_of
from crossmodal.search.tokens.kept import KeptTokens
from crossmodal.search.tokens.keys import Keyed, keyed
from crossmodal.search.tokens.store import TokenCache, all_of

T = TypeVar("T")

_PAGE = 4096
"""Chunks of which the ledger is asked at once."""
_AT_ONCE = 512
"""Of these, tokens are made before the room that all take is estimated."""
_NUM_REASONS = 3


@dataclass(slots=True, kw_only=True)
class Filled:
    """Say what a fill did."""

    model: str
    num_made: int = 0
    num_kept: int = 0
    """What was there before."""
    num_left: int = 0
    """Chunks that could not be shown, or that the model gave nothing for."""
    num_bytes: int = 0
    reasons: list[str] = field(default_factory=list)
    """Why, the first few."""


def fill_tokens(
    collection: Collection,
    spec: FillSpec,
    device: str = "auto",
    progress: Progress = NullProgress(),  # noqa: B008 - it holds nothing
    max_bytes: int = 0,
) -> Filled:
    """Make the token vectors that a reranker lacks.

    ``max_bytes``: how large its file may grow from now on; 0: as before.

    Raises:
        ModelUnavailable, ModelUnsupported: what is named reads no tokens of such chunks.
        ModelMismatch: it has changed since the collection took it.
        CollectionBusy: another process fills for it.
        PathError: they cannot be written, or take more room than they may.
    """
    reranker = load_reranker(spec.model, device)
    if not isinstance(reranker, TokenReranker):
        raise ModelUnsupported(
            f"{reranker.label} keeps no token vectors: ColBERT, ColPali and their like do"
        )
    if spec.fingerprint not in ("", reranker.fingerprint):
        raise ModelMismatch(
            f"{spec.model} has changed since it was shown to be better; let it be measured again "
            "with `crossmodal reranker set`"
        )
    read = {candidate for _, candidate in reranker.pairs}
    wanted = [modality for modality in spec.modalities if modality in read]
    kept = KeptTokens(collection.path, reranker, spec.pool)
    with _alone(kept.cache):
        if max_bytes:
            kept.cache.note(max_bytes=max_bytes)
        kept.cache.note(label=reranker.label)
        return _filled(collection, kept, wanted, reranker, progress)


def sweep(collection: Collection, *, pixels: bool = False) -> int:
    """Forget the token vectors of what the collection holds no more; return how many went.

    ``pixels``: also those that trainings keep by pixels, of which nobody knows whose they are.

    Raises:
        PathError: a file cannot be written.
    """
    caches = all_of(collection.path)
    if not caches:
        return 0
    with collection.read() as con:
        now = state(con)
        due = [cache for cache in caches if cache.about().get("swept") != now]
        ids = [chunk_id for chunk_id, _ in held_ids(con)] if due else []
        keys = {
            key for some in _batched(ids, _PAGE) for _, key, _ in keyed(con, held_hits(con, some))
        }
    num = 0
    for cache in due:
        num += cache.sweep(keys, pixels=pixels)
        cache.note(swept=now)
    return num


def _filled(
    collection: Collection,
    kept: KeptTokens,
    modalities: Sequence[str],
    reranker: TokenReranker,
    progress: Progress,
) -> Filled:
    with collection.read() as con:
        now = state(con)
        ids = [chunk_id for chunk_id, modality in held_ids(con) if modality in modalities]
        missing = [
            hit.chunk_id
            for some in _batched(ids, _PAGE)
            for hit in _lacking(kept.cache, keyed(con, held_hits(con, some)))
        ]
    done = Filled(model=reranker.label, num_kept=len(ids) - len(missing))
    progress.start(len(missing), f"token vectors of {reranker.label}", "chunks")
    for some in _batched(missing, _AT_ONCE):
        with collection.read() as con:
            hits = held_hits(con, some)
        # Texts of like length waste little of a batch on padding.
        hits.sort(key=lambda hit: len(hit.text))
        for batch in _batched(kept.keyed(hits), reranker.batch):
            _make(kept, batch, done)
            if refusal := _overflow(kept.cache, done, len(missing)):
                # As much as fits is there: until the ledger changes no run tries again.
                kept.cache.note(**{basis_of(modalities): now})
                raise PathError(refusal)
            progress.advance(len(batch))
    done.num_bytes = kept.cache.num_bytes
    kept.cache.note(**{basis_of(modalities): now})
    return done


def _lacking(cache: TokenCache, hits: Sequence[Keyed]) -> list[Hit]:
    missing = set(cache.lacking([key for _, key, _ in hits]))
    return [hit for hit, key, _ in hits if key in missing]


def _make(kept: KeptTokens, batch: Sequence[Keyed], done: Filled) -> None:
    try:
        made = kept.made(batch)
    except RerankFailed as error:
        if len(batch) > 1:
            for one in batch:
                _make(kept, [one], done)
            return
        done.num_left += 1
        if len(done.reasons) < _NUM_REASONS:
            done.reasons.append(f"{batch[0][0].uri}: {error}")
        return
    kept.cache.keep(made)
    shown = [hit for hit, key, _ in batch if key in made]
    done.num_made += len(shown)
    done.num_left += len(batch) - len(shown)
    hidden = [hit.uri for hit, key, _ in batch if key not in made]
    for uri in hidden[: _NUM_REASONS - len(done.reasons)]:
        done.reasons.append(f"{uri}: it cannot be shown as it was indexed")


def _overflow(cache: TokenCache, done: Filled, num_missing: int) -> str:
    """Say early that all would take more room than there may be; empty where they would not.

    The older half would give way.
    """
    tried = done.num_made + done.num_left
    if tried < min(_AT_ONCE, num_missing) or not done.num_made:
        return ""
    each = cache.num_bytes / (done.num_made + done.num_kept)
    wanted = each * (done.num_kept + num_missing)
    if wanted <= cache.max_bytes:
        return ""
    return (
        f"the token vectors of {done.model} would take about {wanted / 1e9:,.1f} GB, and "
        f"{cache.max_bytes / 1e9:,.1f} are given to them: fill with --max-gb "
        f"{int(wanted / 1e9) + 1}, or pool them"
    )


def _batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


@contextmanager
def _alone(cache: TokenCache) -> Iterator[None]:
    """Hold the turn to fill a file; the system gives it back when a process dies."""
    place = cache.path.with_suffix(".lock")
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        turn = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise PathError(f"{place} cannot be made ({error.strerror}): no token is kept") from error
    try:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CollectionBusy(
                f"another process fills {cache.path.name} just now: what it makes is there for all"
            ) from None
        yield
    finally:
        os.close(turn)
