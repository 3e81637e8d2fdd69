"""Refuse to judge a model version, or a reranker, by what it was trained on.

Owns the comparison of a set with the training items of a version and its ancestors, and of a
reranker's folder: pictures by perceptual hash, since a training set holds other sizes of the same
photo, texts by their words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from crossmodal.errors import Refused, SetOverlaps
from crossmodal.evaluation.locate import Located
from crossmodal.evaluation.sets import EvaluationSet
from crossmodal.models.training_items import (
    Kind,
    near_duplicates,
    picture_hash,
    text_hash,
    training_hashes,
    training_hashes_in,
)

_SIDE_PX = 64
_KINDS: tuple[Kind, Kind] = ("picture", "text")


def overlap(
    con: duckdb.DuckDBPyConnection,
    given: EvaluationSet,
    located: Iterable[Located],
    version_ids: Sequence[int],
    rerankers: Sequence[str] = (),
) -> str:
    """Return in words which part of a set the versions or rerankers were trained on; empty: none.

    ``rerankers`` are folders or hub ids. Pictures are read only where one of them is known to have
    learned from pictures.
    """
    folders = [folder for each in rerankers if (folder := Path(each).expanduser()).is_dir()]
    pictures, texts = (
        training_hashes(con, version_ids, kind).union(
            *(training_hashes_in(folder, kind) for folder in folders)
        )
        for kind in _KINDS
    )
    found = []
    if pictures:
        uris = sorted({p.uri for p in located if p.media_type.startswith("image/")})
        hashed = [digest for uri in uris if (digest := _hash(uri))]
        found.append(_share(len(near_duplicates(hashed, pictures)), len(uris), "pictures"))
    if texts:
        asked = {text_hash(asked.text) for asked in given.asked if asked.text}
        found.append(_share(len(asked & texts), len(asked), "texts"))
    return " and ".join(part for part in found if part)


def refuse_overlap(found: str, label: str, *, allowed: bool) -> None:
    """Refuse a set that overlaps, unless that is allowed: then it is marked.

    Raises:
        SetOverlaps: it does, and is not allowed.
    """
    if found and not allowed:
        raise SetOverlaps(
            f"{label} was trained on {found} of this set, so its figures would be too good: use "
            "another set, or insist with --allow-overlap, which marks them"
        )


def _hash(uri: str) -> str | None:
    from crossmodal.previews.thumbnail import thumbnail

    try:
        return picture_hash(thumbnail(uri, (_SIDE_PX, _SIDE_PX)))
    except Refused:
        return None


def _share(num: int, of: int, what: str) -> str:
    return f"{num:,} of {of:,} {what}" if num else ""
