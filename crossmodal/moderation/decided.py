"""Let what people decided teach: a decided chunk is an example of its policy from the next run on.

Owns which decisions count (those by the policy's present version that stand) and where their
vectors come from: the list itself, so that no model is loaded. They are kept as the policy's other
vectors are, so that the log can be made out again after the file is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crossmodal.ledger.read.findings import DecidedChunk, decided_chunks
from crossmodal.ledger.read.stored_vectors import vector_of
from crossmodal.ledger.write.policies import AnchorKey, kept_vectors
from crossmodal.moderation.measure import Vectors
from crossmodal.moderation.policy import Example, Policy
from crossmodal.records import VectorList

if TYPE_CHECKING:
    import duckdb

_SHOWN_CHARS = 200


def decided_by(
    con: duckdb.DuckDBPyConnection, policy: Policy, held: VectorList
) -> list[DecidedChunk]:
    """Return what people decided in a list by a policy that learns; of another nothing."""
    return decided_chunks(con, policy.id, policy.version, held) if policy.learn else []


def taught(policy: Policy, decided: Sequence[DecidedChunk], held: VectorList) -> Policy:
    """Return a policy with what people decided in a list as further examples."""
    examples = tuple(_example(chunk, held) for chunk in decided)
    return replace(policy, examples=(*policy.examples, *examples))


def decided_vectors(
    con: duckdb.DuckDBPyConnection, decided: Sequence[DecidedChunk], held: VectorList
) -> dict[AnchorKey, Vectors]:
    """Return the (dim,) unit vectors of the decided examples that the ledger does not keep yet."""
    if not decided:
        return {}
    kept = kept_vectors(con, held.version.id or 0)
    fresh: dict[AnchorKey, Vectors] = {}
    for chunk in decided:
        vector = vector_of(con, held, chunk.chunk_id)
        if vector is not None and _key(chunk) not in kept:
            fresh[_key(chunk)] = vector
    return fresh


def _key(chunk: DecidedChunk) -> AnchorKey:
    return "decided", chunk.key


def _example(chunk: DecidedChunk, held: VectorList) -> Example:
    return Example(
        side="violates" if chunk.violates else "allowed",
        shown=chunk.shown[:_SHOWN_CHARS],
        content_hash=chunk.key,
        decided_in=held.modality,
    )
