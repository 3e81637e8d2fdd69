"""Teach a reranker of one's own from pairs, and write the folder that it is used by.

Owns the order: read the towers' tokens of every picture, once, and keep them beside the collection;
learn, with the state kept after each epoch; write the folder, load it and let it give what was
learned. Nothing is entered in the ledger: ``crossmodal reranker set`` does that, where it wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossmodal.encoders.rerankers.cross_attention import write
from crossmodal.encoders.rerankers.frozen_towers import FrozenTowers
from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import Side, TokenReranker, Tokens
from crossmodal.errors import ModelError, ModelMismatch, PairsError, Refused, TrainingFailed
from crossmodal.ledger.collection import Collection
from crossmodal.models.training_items import Kind, write_training_items
from crossmodal.previews.preview import Subject
from crossmodal.search.tokens.store import TokenCache, key_of
from crossmodal.training.checkpoint import Checkpoint
from crossmodal.training.cross_attention import LearnedNetwork, Taught, learn_cross_attention
from crossmodal.training.directory import (
    Made,
    model_card,
    model_folder,
    refuse_folder,
    write_folder,
)
from crossmodal.training.epochs import Epoch, digest_of
from crossmodal.training.material import Material
from crossmodal.training.spec import FinetuneSpec, Prepared
from crossmodal.training.split import small_picture

RERANK = "rerank"
_AT_ONCE = 8
_NUM_PROOFS = 4
_NEAR = 1e-2
"""Scores of a pair, alone or padded beside others."""


@dataclass(frozen=True, slots=True)
class WrittenReranker:
    """Name a folder that was written."""

    folder: Path
    label: str


@dataclass(frozen=True, slots=True)
class Read:
    """Hold what the towers give of the pictures and captions of both sides."""

    towers: FrozenTowers
    train: Taught
    dev: Taught


def checkpoint_of(collection: Collection, prepared: Prepared, spec: FinetuneSpec) -> Checkpoint:
    """Return where a training keeps its state: named by all that decides its weights."""
    data = [prepared.parent.fingerprint, prepared.data_digest, spec.dev_share]
    return Checkpoint.of(collection.path, [RERANK, *data, spec.rerank])


def read_tokens(
    collection: Collection,
    prepared: Prepared,
    spec: FinetuneSpec,
    tick: Callable[[int], None] = lambda num: None,
) -> Read:
    """Return the towers' tokens of every picture; ``tick`` is told of each few that were read.

    Raises:
        PathError: the folder that was named is taken.
        PairsError: a picture cannot be read any more.
        ModelMismatch: the base has other weights by now than those of its vectors.
    """
    refuse_folder(collection.path, spec.out, spec.name, prepared.data_digest)
    towers = FrozenTowers.load(prepared.parent.name, spec.device)
    if towers.weights_hash != prepared.parent.weights_hash:
        raise ModelMismatch(
            f"{prepared.parent.name} has other weights by now than those of the collection's "
            "vectors: index again with it first"
        )
    cache = TokenCache(collection.path, towers.encoder.version.fingerprint)

    def taught(material: Material) -> Taught:
        tokens = [one for some in _tokens(towers, material.pictures, cache, tick) for one in some]
        return Taught(tokens, material.words, material.picture_of)

    return Read(towers, taught(prepared.train), taught(prepared.dev))


def _tokens(
    towers: FrozenTowers,
    pictures: Sequence[Subject],
    cache: TokenCache,
    tick: Callable[[int], None],
) -> Iterator[list[Tokens]]:
    side_px = 2 * towers.encoder.preprocess.min_side
    for start in range(0, len(pictures), _AT_ONCE):
        some = pictures[start : start + _AT_ONCE]
        sides = [Side(picture=_shown(picture, side_px)) for picture in some]
        keys = [key_of(side) for side in sides]
        kept = cache.get(keys)
        new = {key: side for key, side in zip(keys, sides, strict=True) if key not in kept}
        if new:
            made = towers.tokens([side.picture for side in new.values() if side.picture])
            kept = kept | cache.put(dict(zip(new, made, strict=True)))
        tick(len(some))
        yield [kept[key] for key in keys]


def _shown(picture: Subject, side_px: int) -> Any:
    try:
        return small_picture(picture, side_px)
    except Refused as refused:
        raise PairsError(
            f"{picture.uri} can be learned from no more: {refused.detail}. Index again, or leave "
            "it out of the pairs"
        ) from refused


def tune_reranker(
    collection: Collection,
    prepared: Prepared,
    read: Read,
    spec: FinetuneSpec,
    tick: Callable[[Epoch], None],
) -> LearnedNetwork:
    """Return the network of the epoch that orders the pictures held out best.

    Raises:
        TrainingFailed: the loss is no number, memory ran out, or it never was better than the base.
        PathError: there is no room to keep the state.
    """
    kept = checkpoint_of(collection, prepared, spec)
    learned = learn_cross_attention(read.towers, read.train, read.dev, spec.rerank, kept, tick)
    if not learned.learned.best_epoch:
        last = learned.learned.epochs[-1].dev if learned.learned.epochs else learned.first
        raise TrainingFailed(
            f"in no epoch was its order better than the base's own (recall@1 {last.at_1:.3f} at "
            f"the end, {learned.first.at_1:.3f} before), so nothing was written: give more pairs, "
            "more --epochs or another --learning-rate"
        )
    return learned


def write_reranker(
    collection: Collection,
    prepared: Prepared,
    read: Read,
    learned: LearnedNetwork,
    spec: FinetuneSpec,
) -> WrittenReranker:
    """Write the folder, and load it as any reranker.

    Raises:
        PathError: it cannot be written, or holds something else.
        TrainingFailed: it does not load, or gives other scores than what was learned.
    """
    digest = digest_of(learned.network.state_dict())
    short = prepared.parent.name.rstrip("/").rsplit("/", 1)[-1]
    name = spec.name or f"{short}-reranker-{digest[:6]}"
    folder = model_folder(collection.path, spec.out, name)
    made = Made(
        folder.name, prepared.parent, "reranker", prepared.data_digest, digest, "text-ranking"
    )
    best = learned.learned.best
    figures = [
        ("text to image", "pairs held out", "recall@1 of the base's first 20", best.at_1),
        ("text to image", "pairs held out", "recall@10 of the base's first 20", best.at_10),
    ]
    card = model_card(made, figures, _card_words(prepared, learned, spec))

    def fill(partial: Path) -> None:
        write(partial, learned.network, learned.shape, read.towers, learned.asks)
        items: dict[Kind, Iterable[str]] = {
            "picture": prepared.picture_hashes,
            "text": prepared.text_hashes,
        }
        write_training_items(partial, items)

    write_folder(folder, card, digest, fill)
    return WrittenReranker(folder, _proven(folder, read, learned, spec))


def _proven(folder: Path, read: Read, learned: LearnedNetwork, spec: FinetuneSpec) -> str:
    """Return the label of the folder, once it gave the scores that were learned."""
    text, tokens = read.dev.captions[0], list(read.dev.tokens[:_NUM_PROOFS])
    try:
        reranker = load_reranker(str(folder), spec.device)
    except ModelError as error:
        raise TrainingFailed(f"the reranker written to {folder} does not load: {error}") from error
    assert isinstance(reranker, TokenReranker)
    found = reranker.scores_of_tokens(Side(text=text), tokens)
    if np.abs(found - _scores(read, learned, text, tokens)).max() > _NEAR:
        raise TrainingFailed(
            f"the reranker written to {folder} gives other scores than what was learned: please "
            "report this"
        )
    return str(reranker.label)


def _scores(read: Read, learned: LearnedNetwork, text: str, tokens: Sequence[Tokens]) -> np.ndarray:
    import torch

    words, num = read.towers.words([text]), len(tokens)
    rows = torch.from_numpy(np.stack(tokens).astype(np.float32)).to(read.towers.encoder.device)
    with torch.no_grad():
        logits = learned.network(
            words.vectors.expand(num, -1),
            words.states.expand(num, -1, -1),
            words.mask.expand(num, -1),
            rows,
        )
    return np.asarray(logits.cpu().numpy())


def _card_words(prepared: Prepared, learned: LearnedNetwork, spec: FinetuneSpec) -> list[str]:
    counts, way = prepared.counts, learned.learned
    asked = " and ".join({"text": "texts", "image": "pictures"}[each] for each in learned.asks)
    return [
        f"A reranker over the frozen towers of `{prepared.parent.label}`, made by crossmodal "
        f"finetune, depth `rerank`, from {counts['train']:,} pictures with captions; "
        f"{counts['dev']:,} others decided when to stop. It orders pictures for {asked}. "
        "crossmodal reads it: `search --rerank FOLDER`; nothing else does.",
        "",
        "## Figures",
        "",
        f"Of the base's first {spec.rerank.top} on pairs held out, recall@1 "
        f"{learned.first.at_1:.3f} to {way.best.at_1:.3f}, recall@10 {learned.first.at_10:.3f} to "
        f"{way.best.at_10:.3f}. These decided, so they flatter: measure with `crossmodal evaluate "
        "SET --rerank FOLDER --against EVALUATION` on a set of your own.",
        "",
        "## Made again",
        "",
        f"Digest of the pairs {prepared.data_digest}, seed {spec.seed}, epoch {way.best_epoch} of "
        f"{len(way.epochs)}. Digest of the weights {digest_of(learned.network.state_dict())}.",
    ]


def told(prepared: Prepared, learned: LearnedNetwork, written: WrittenReranker) -> dict[str, Any]:
    """Return the figures, and ``text`` for a person."""
    counts, way = prepared.counts, learned.learned
    report = {
        "name": str(written.folder),
        "label": written.label,
        "parent": prepared.parent.label,
        "asks": list(learned.asks),
        "base": asdict(learned.first),
        "best": asdict(way.best),
        "best_epoch": way.best_epoch,
        "epochs": [asdict(epoch) for epoch in way.epochs],
        "counts": counts,
        "problems": prepared.problems,
        "data_digest": prepared.data_digest,
    }
    lines = [
        f"{written.label}: a reranker over {prepared.parent.label}, for questions by "
        f"{' and by '.join(learned.asks)}",
        f"learned from {counts['train']:,} pictures, decided by {counts['dev']:,}; best after "
        f"epoch {way.best_epoch} of {len(way.epochs)}",
        f"held out:  recall@1 {learned.first.at_1:.3f} -> {way.best.at_1:.3f}, "
        f"recall@10 {learned.first.at_10:.3f} -> {way.best.at_10:.3f}",
        *(f"left out:  {num:,} {what}" for what, num in prepared.problems.items()),
        f"written to {written.folder}",
        f"now: crossmodal evaluate SET, then crossmodal evaluate SET --rerank {written.folder} "
        f"--against EVALUATION, then crossmodal reranker set {written.folder} --pair "
        '"text->image" --gate SET',
    ]
    return report | {"text": "\n".join(lines)}
