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
    caches, specs = all_of(collection.path), kept_specs(collection)
    if not caches and not specs:
        return False
    now = _state(collection)
    if any(cache.about().get("swept") != now for cache in caches):
        return True
    return not all(_is_filled(collection.path, spec, now) for spec in specs)


def unfilled(collection: Collection) -> list[FillSpec]:
    """Return the kept rerankers that may lack tokens; loads no model."""
    specs = kept_specs(collection)
    if not specs:
        return []
    now = _state(collection)
    return [spec for spec in specs if not _is_filled(collection.path, spec, now)]


def put_off(collection: Collection, spec: FillSpec) -> None:
    """Let a reranker that cannot be filled count as filled until the ledger changes.

    Raises:
        PathError: that cannot be noted.
    """
    _cache(collection.path, spec).note(**{basis_of(spec.modalities): _state(collection)})


def _state(collection: Collection) -> str:
    with collection.read() as con:
        return state(con)


def _is_filled(path: Path, spec: FillSpec, now: str) -> bool:
    return _cache(path, spec).about().get(basis_of(spec.modalities)) == now


def _cache(path: Path, spec: FillSpec) -> TokenCache:
    return TokenCache(path, spec.fingerprint, TokenForm.of(spec.form))


def basis_of(modalities: Sequence[str]) -> str:
    """Return under which name a file notes the state that it was filled from."""
    return "-".join(["basis", *sorted(modalities)])
