"""Say whether somebody's likes and dislikes are told apart by colours more than by what is seen.

Reads what the collection keeps of the pictures among them; ``colours.are_meant`` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmodal.ledger.read.picture_colours import colours_of_contents
from crossmodal.pictures.colour_histogram import histograms
from crossmodal.recommendation.candidates import Taste, directions_of
from crossmodal.recommendation.colours import FEWEST, are_meant
from crossmodal.records import VectorList
from crossmodal.search.centring import normalised, space_of
from crossmodal.search.examples import Example

if TYPE_CHECKING:
    import duckdb

Floats = npt.NDArray[np.float32]


def colours_are_meant(
    con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], taste: Taste
) -> bool:
    """Say whether colours are what sets a taste's likes apart from its dislikes.

    Both are looked at as the first of these lists sees them that holds pictures; what is no picture
    of the collection says nothing.
    """
    held = next((each for each in lists if each.modality == "image"), None)
    if held is None:
        return False
    likes, dislikes = (_pictures(held, side) for side in (taste.likes, taste.dislikes))
    if min(len(likes), len(dislikes)) < FEWEST:
        return False
    return are_meant(
        (_colours(con, likes), _colours(con, dislikes)),
        (_seen(held, taste, likes), _seen(held, taste, dislikes)),
    )


def _pictures(held: VectorList, examples: Sequence[Example]) -> list[Example]:
    return [each for each in examples if each.content_hash and space_of(held) in each.vectors]


def _colours(con: duckdb.DuckDBPyConnection, examples: Sequence[Example]) -> Floats:
    """Return (n, 16) float32; zeros for what was indexed before colours were kept."""
    contents = [each.content_hash for each in examples]
    known = colours_of_contents(con, sorted(set(contents)))
    return histograms([known.get(content, "") for content in contents])


def _seen(held: VectorList, taste: Taste, examples: Sequence[Example]) -> Floats:
    """Return (n, m) unit vectors in the list's main directions."""
    stored = np.stack([each.vectors[space_of(held)] for each in examples])
    centred = taste.centring.centred(stored, space_of(held))
    return normalised(centred @ directions_of(taste, held))
