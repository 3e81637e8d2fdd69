"""Turn what policies say into vectors, each sentence and example once a model version.

Owns the only forward passes of moderation. What was encoded is kept in the ledger under its hash,
so that a policy that changes one sentence encodes one sentence, and a run with nothing new loads no
model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.embedding.probes import ensure_probes
from crossmodal.errors import PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write.policies import AnchorKey, keep_vectors, kept_vectors
from crossmodal.moderation.measure import Anchor, Vectors
from crossmodal.moderation.policy import Example, Policy
from crossmodal.records import ModelVersion, VectorList

if TYPE_CHECKING:
    from crossmodal.encoders.encoder import Encoder


@dataclass(frozen=True, slots=True)
class Known:
    """Hold what one model version makes of the policies, and of the generic probes."""

    vectors: dict[AnchorKey, Vectors]
    probes: Vectors
    """(num_probes, dim)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Name one thing to encode."""

    key: AnchorKey
    content: str
    """The text, or the path of the picture."""


def anchors_of(
    policy: Policy, held: VectorList, known: Mapping[AnchorKey, Vectors]
) -> list[Anchor]:
    """Return what a policy speaks of, as the space of a list sees it.

    Raises:
        KeyError: something of it was not encoded.
    """
    sentences = [
        Anchor("sentence", violates, text, known[_query(text).key])
        for violates, side in ((True, policy.violates), (False, policy.allowed))
        for text in side
    ]
    examples = [
        Anchor(
            "example",
            e.side == "violates",
            e.shown[:200],
            known[_example(e).key],
            is_decided=bool(e.decided_in),
        )
        for e in _examples(policy, held)
    ]
    return sentences + examples


def wanted_by(policy: Policy, held: VectorList) -> list[Wanted]:
    """Return what has to be encoded before a policy can be scored in a list."""
    texts = [_query(text) for text in (*policy.violates, *policy.allowed)]
    written = (example for example in _examples(policy, held) if not example.decided_in)
    return texts + [_example(example) for example in written]


def encode_missing(
    collection: Collection, version: ModelVersion, wanted: Iterable[Wanted], device: str
) -> tuple[Known, dict[AnchorKey, str]]:
    """Return what a version makes of the policies, and why a picture has no vector.

    What the ledger lacks is encoded, outside of any connection, and kept; where it lacks nothing
    no model is loaded.

    Raises:
        ModelUnavailable, ModelMismatch: something is lacking, and the model cannot be had.
    """
    from crossmodal.encoders.cache import load_version

    number = version.id or 0
    with collection.read() as con:
        vectors = kept_vectors(con, number)
    probes = ensure_probes(collection, [version], lambda v: load_version(v, device))
    lacking = {w.key: w for w in wanted if w.key not in vectors}
    failed: dict[AnchorKey, str] = {}
    if lacking:
        fresh, failed = _encoded(load_version(version, device), list(lacking.values()))
        with collection.write() as con:
            keep_vectors(con, number, fresh)
        vectors |= fresh
    return Known(vectors, probes[version.fingerprint]), failed


def _encoded(
    encoder: Encoder, wanted: Sequence[Wanted]
) -> tuple[dict[AnchorKey, Vectors], dict[AnchorKey, str]]:
    found: dict[AnchorKey, Vectors] = {}
    failed: dict[AnchorKey, str] = {}
    for role, encode in (("query", encoder.encode_queries), ("passage", encoder.encode_texts)):
        texts = [w for w in wanted if w.key[0] == role]
        if texts:
            vectors = encode([w.content for w in texts])
            found |= {w.key: vector for w, vector in zip(texts, vectors, strict=True)}
    for picture in (w for w in wanted if w.key[0] == "picture"):
        try:
            found[picture.key] = _encode_picture(encoder, picture.content)
        except PathError as error:
            failed[picture.key] = str(error)
    return found, failed


def _encode_picture(encoder: Encoder, path: str) -> Vectors:
    from crossmodal.embedding.one_picture import encode_picture

    return encode_picture(encoder, path)


def _examples(policy: Policy, held: VectorList) -> list[Example]:
    """Return the examples that are of the list's modality: only like compares with like here."""
    return [e for e in policy.examples if e.modality == held.modality]


def _query(text: str) -> Wanted:
    return Wanted(("query", hashlib.sha256(text.encode()).hexdigest()), text)


def _example(example: Example) -> Wanted:
    if example.decided_in:
        return Wanted(("decided", example.content_hash), "")
    if example.path:
        return Wanted(("picture", example.content_hash), example.path)
    return Wanted(("passage", example.content_hash), example.text)
