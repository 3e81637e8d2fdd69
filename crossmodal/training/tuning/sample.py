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
from crossmodal.ledger.read.chunk_places import picture_uris
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.previews.preview import Subject
from crossmodal.training.distil.shown import pictures_in
from crossmodal.training.pixels import decoded
from crossmodal.training.tables import read_told

FEWEST = 16
NUM_CALIBRATION = 40
_LEVELS_UP = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold which pictures are tried, and the captions that tell of them."""

    uris: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...] = ()
    """Of each picture; empty where none are at hand."""
    calibration: tuple[str, ...] = ()
    """Other pictures, which show what a tower of integers has to hold."""


def sample_of(collection: Collection, images: str, captions: str, num_pictures: int) -> Sample:
    """Return pictures of a table of captions, else of a folder, else of the collection.

    Raises:
        PathError: there is no such folder.
        PairsError: the table cannot be read, or there are too few pictures.
    """
    if captions:
        told = _told(Path(captions).expanduser().absolute())
        chosen, others = _apart(sorted(told), num_pictures)
        found = Sample(chosen, tuple(told[uri] for uri in chosen), others)
    else:
        uris = pictures_in(images) if images else _in_collection(collection)
        chosen, others = _apart(uris, num_pictures)
        found = Sample(chosen, calibration=others)
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
    places, pixels = decoded_pixels(sample.uris, preprocess)
    if len(places) < FEWEST // 2:
        raise PairsError(
            f"only {len(places)} of {len(sample.uris)} pictures can be decoded, too few to say "
            "anything: name another folder, --images FOLDER"
        )
    kept = Sample(
        tuple(sample.uris[place] for place in places),
        tuple(sample.captions[place] for place in places) if sample.captions else (),
        sample.calibration,
    )
    return kept, pixels


def decoded_pixels(
    uris: Sequence[str], preprocess: ImagePreprocess
) -> tuple[list[int], npt.NDArray[np.uint8]]:
    """Return which pictures can be decoded, and their (n, height, width, 3) uint8 pixels."""
    rows, places = [], []
    for place, uri in enumerate(uris):
        try:
            picture = Subject(kind="image", media_type="image/", uri=uri)
            rows.append(preprocess.apply(decoded(picture, preprocess.min_side)))
        except Refused:
            continue
        places.append(place)
    shape = (len(rows), preprocess.height, preprocess.width, 3)
    return places, np.array(rows, np.uint8).reshape(shape)


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
        return picture_uris(con)


def _apart(uris: Sequence[str], num: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return pictures to measure and others to calibrate with; the same where there are few."""
    chosen = _spread(uris, num)
    left = sorted(set(uris).difference(chosen))
    others = _spread(left if len(left) >= FEWEST else chosen, NUM_CALIBRATION)
    return tuple(chosen), tuple(others)


def _spread(uris: Sequence[str], num: int) -> list[str]:
    if len(uris) <= num:
        return list(uris)
    return [uris[int(place)] for place in np.linspace(0, len(uris) - 1, num).round()]
