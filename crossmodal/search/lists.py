"""Choose which lists of vectors a query goes through, and encode it once for each space.

Refuses before it loads a model: an empty collection and an unknown model cost milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from crossmodal.errors import BlindModels, CollectionEmpty, ModelMismatch
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write import model_versions
from crossmodal.models.trial import challenger_of
from crossmodal.records import VectorList
from crossmodal.search.options import QueryOptions

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    import numpy as np

    from crossmodal.encoders.encoder import Encoder
    from crossmodal.records import ModelVersion

UPLOAD_SIDE = 1024
"""Pixels of the longer side to which a picture that somebody sends is made smaller."""

QueryVectors = dict[VectorList, "np.ndarray"]
"""A query as a (dim,) float32 unit vector for each list that can answer it."""


def choose_lists(
    con: duckdb.DuckDBPyConnection, path: Path, options: QueryOptions
) -> list[VectorList]:
    """Return the lists with vectors that the options ask for: of the live line-up, or of one model.

    ``path`` is the collection's, for what is said of it.

    Raises:
        CollectionEmpty: there is no vector to compare a query with.
        ModelMismatch: the collection has no vectors of that model.
    """
    lists = _lists(con, path, options)
    filled = [found for found in lists if num_vectors(con, found)]
    wanted = [v for v in filled if not options.modalities or v.modality in options.modalities]
    if wanted:
        return wanted
    what = " or ".join(options.modalities) or "any"
    held = ", ".join(sorted({found.modality for found in filled})) or "nothing"
    raise CollectionEmpty(
        f"{path} holds no vector of {what} modality, but of {held}: run "
        "`crossmodal index PATH...` first"
    )


def serving_lists(
    con: duckdb.DuckDBPyConnection, path: Path, options: QueryOptions
) -> list[VectorList]:
    """Return of each modality the one list that holds all of its chunks.

    Raises as ``choose_lists`` does.
    """
    by_modality: dict[str, VectorList] = {}
    for held in choose_lists(con, path, options):
        by_modality.setdefault(held.modality, held)
    return list(by_modality.values())


def encode_texts(lists: list[VectorList], texts: Sequence[str], device: str) -> list[QueryVectors]:
    """Return each text as each space sees it; encoded together, which is much quicker."""
    asked = lists_for_text(lists)
    spaces = {found.version for found in asked}
    vectors = {version: _queries(version, device, texts) for version in spaces}
    return [{found: vectors[found.version][i] for found in asked} for i in range(len(texts))]


def lists_for_text(lists: list[VectorList]) -> list[VectorList]:
    """Return the lists that a text is compared with: each passage in one of them.

    Where an encoder for passages has all texts, the short ones in the joint space are there for
    pictures to find; counted twice they would push every picture down.
    """
    readers = [v for v in lists if v.modality == "text" and "image" not in v.version.encoders]
    if not readers:
        return lists
    return [v for v in lists if v.modality != "text" or v in readers]


def seeing(lists: list[VectorList]) -> list[VectorList]:
    """Return the lists of the spaces that have pictures.

    Raises:
        BlindModels: none of them has.
    """
    found = [held for held in lists if "image" in held.version.encoders]
    if not found:
        labels = ", ".join(held.version.label for held in lists)
        raise BlindModels(
            f"{labels} cannot see pictures: search with a text, or leave --modality out"
        )
    return found


def encode_image(lists: list[VectorList], uri: str, device: str) -> QueryVectors:
    """Return a picture at a path or URL as the spaces see it that have pictures.

    Raises:
        BlindModels: none of them has.
        PathError: it cannot be read, decoded or embedded.
    """
    from crossmodal.embedding.one_picture import encode_picture

    return _seen(lists, device, lambda encoder: encode_picture(encoder, uri))


def encode_upload(lists: list[VectorList], data: bytes, device: str) -> QueryVectors:
    """Return a picture that somebody sent, decoded once and in a child, as the spaces see it.

    Raises:
        BlindModels: none of them has pictures.
        Refused: the bytes are no whole picture, or one that is too large.
        PathError: it cannot be embedded.
    """
    from crossmodal.embedding.one_picture import encode_decoded
    from crossmodal.previews.preview import small_picture

    seeing(lists)
    picture = small_picture(data, UPLOAD_SIDE)
    return _seen(lists, device, lambda encoder: encode_decoded(encoder, picture, "the picture"))


def _seen(
    lists: list[VectorList], device: str, encode: Callable[[Encoder], np.ndarray]
) -> QueryVectors:
    found = seeing(lists)
    vectors = {version: encode(_load(version, device)) for version in {v.version for v in found}}
    return {held: vectors[held.version] for held in found}


def _lists(con: duckdb.DuckDBPyConnection, path: Path, options: QueryOptions) -> list[VectorList]:
    live, spec = model_versions.live(con), options.model
    if live is None:
        raise CollectionEmpty(f"{path} holds no vector yet: run `crossmodal index PATH...` first")
    if spec is None:
        challenger = challenger_of(con) if options.challenger else None
        return list((challenger or live).all_lists)
    found = model_versions.find(con, spec)
    if not found:
        known = ", ".join(version.label for version in model_versions.all_versions(con))
        raise ModelMismatch(
            f"{path} holds no vectors of model {spec!r}, only of {known}: "
            f"index with --model {spec} first, or leave --model out for {live.label}"
        )
    return model_versions.vector_lists(found[-1])


def _queries(version: ModelVersion, device: str, texts: Sequence[str]) -> np.ndarray:
    from crossmodal.encoders.cache import load_for_queries

    return load_for_queries(version, device, len(texts)).encode_queries(list(texts))


def _load(version: ModelVersion, device: str) -> Encoder:
    from crossmodal.encoders.cache import load_version

    return load_version(version, device)
