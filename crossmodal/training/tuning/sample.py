"""Take a sample of pictures, of a folder, a collection or a table of captions, and decode them.

Owns which pictures: spread evenly over those that are there, in order of name, so that a folder's
first subject is not all that is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossmodal.errors import PairsError, Refused
from crossmodal.ledger.collection import Collection
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.previews.preview import Subject
from crossmodal.training.distil.shown import pictures_in
from crossmodal.training.pixels import decoded
from crossmodal.training.tables import read_told

FEWEST = 16
_LEVELS_UP = 3
_IN_COLLECTION = """
SELECT DISTINCT s.uri FROM source s JOIN chunk c USING (content_hash)
WHERE c.kind = 'image' ORDER BY s.uri
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold which pictures are tried, and the captions that tell of them."""

    uris: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...] = ()
    """Of each picture; empty where none are at hand."""


def sample_of(collection: Collection, images: str, captions: str, num_pictures: int) -> Sample:
    """Return pictures of a table of captions, else of a folder, else of the collection.

    Raises:
        PathError: there is no such folder.
        PairsError: the table cannot be read, or there are too few pictures.
    """
    if captions:
        told = _told(Path(captions).expanduser().absolute())
        chosen = _spread(sorted(told), num_pictures)
        found = Sample(tuple(chosen), tuple(told[uri] for uri in chosen))
    else:
        uris = pictures_in(images) if images else _in_collection(collection)
        found = Sample(tuple(_spread(uris, num_pictures)))
    if len(found.uris) < FEWEST:
        raise PairsError(
            f"{captions or images or collection.path} has {len(found.uris):,} pictures, and "
            f"{FEWEST} are the fewest that say anything: name a folder with more, --images FOLDER"
        )
    return found


def pixels_of(sample: Sample, preprocess: ImagePreprocess) -> tuple[Sample, npt.NDArray[np.uint8]]:
    """Return the pictures that can be decoded, and their (n, height, width, 3) uint8 pixels.

    Raises:
        PairsError: hardly any can be.
    """
    rows, places = [], []
    for place, uri in enumerate(sample.uris):
        try:
            picture = Subject(kind="image", media_type="image/", uri=uri)
            rows.append(preprocess.apply(decoded(picture, preprocess.min_side)))
        except Refused:
            continue
        places.append(place)
    if len(places) < FEWEST // 2:
        raise PairsError(
            f"only {len(places)} of {len(sample.uris)} pictures can be decoded, too few to say "
            "anything: name another folder, --images FOLDER"
        )
    kept = Sample(
        tuple(sample.uris[place] for place in places),
        tuple(sample.captions[place] for place in places) if sample.captions else (),
    )
    return kept, np.stack(rows)


def _told(table: Path) -> dict[str, tuple[str, ...]]:
    """Return captions by path, from the base folder that finds most pictures."""
    told = read_told(table).settled().captions
    best: dict[str, tuple[str, ...]] = {}
    for base in [table.parent, *list(table.parent.parents)[:_LEVELS_UP]]:
        there = {os.path.join(base, path): tuple(texts) for path, texts in told.items()}
        found = {path: texts for path, texts in there.items() if os.path.isfile(path)}
        best = max(best, found, key=len)
    return best


def _in_collection(collection: Collection) -> list[str]:
    with collection.read() as con:
        return [uri for (uri,) in con.execute(_IN_COLLECTION).fetchall()]


def _spread(uris: Sequence[str], num: int) -> list[str]:
    if len(uris) <= num:
        return list(uris)
    return [uris[int(place)] for place in np.linspace(0, len(uris) - 1, num).round()]
