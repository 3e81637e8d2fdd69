"""Say whether token vectors are to be made or forgotten; costs little to import, loads no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.indexed import state
from crossmodal.ledger.write import settings
from crossmodal.search.options import PAIR_MODALITIES
from crossmodal.search.tokens.codes import TokenForm
from crossmodal.search.tokens.store import TokenCache, all_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSpec:
    """Say for which reranker tokens are made, and of what."""

    model: str
    modalities: tuple[str, ...] = ("text", "image")
    pool: int = 1
    fingerprint: str = ""
    """What the model has to be; empty where a person named it just now."""
    form: str = ""
    """Name of the form of its tokens, where that is known before it is loaded."""


def kept_specs(collection: Collection) -> list[FillSpec]:
    """Return what is due to whom: the rerankers that the collection keeps and that read tokens."""
    with collection.read() as con:
        kept = settings.rerankers(con)
    return [
        FillSpec(
            model=each["model"],
            modalities=(PAIR_MODALITIES[pair],),
            pool=each.get("pool", 1),
            fingerprint=each["fingerprint"],
            form=each["tokens"],
        )
        for pair, each in sorted(kept.items())
        if pair in PAIR_MODALITIES and each.get("tokens")
    ]


def is_due(collection: Collection) -> bool:
    """Say whether a kept reranker may lack tokens, or tokens are there of what is gone."""
    caches = all_of(collection.path)
    if caches:
        with collection.read() as con:
            now = state(con)
        if any(cache.about().get("swept") != now for cache in caches):
            return True
    return bool(unfilled(collection))


def unfilled(collection: Collection) -> list[FillSpec]:
    """Return the kept rerankers that may lack tokens; loads no model."""
    specs = kept_specs(collection)
    if not specs:
        return []
    with collection.read() as con:
        now = state(con)
    return [spec for spec in specs if not _is_filled(collection.path, spec, now)]


def _is_filled(path: Path, spec: FillSpec, now: str) -> bool:
    cache = TokenCache(path, spec.fingerprint, TokenForm.of(spec.form))
    return cache.about().get(basis_of(spec.modalities)) == now


def basis_of(modalities: Sequence[str]) -> str:
    """Return under which name a file notes the state that it was filled from."""
    return "-".join(["basis", *sorted(modalities)])
