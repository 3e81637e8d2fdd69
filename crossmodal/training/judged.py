"""Read what people said on the page as pairs: what fits a text, and what does not.

More than half of those who judged a picture for a text have to say that it fits. Queries by a
picture tell of no words and are left out.
"""

from __future__ import annotations

import duckdb

from crossmodal.errors import PairsError
from crossmodal.ledger.read.chunk_places import picture_uris
from crossmodal.ledger.write.judgements import grades, standing_judgements
from crossmodal.training.told import Told

JUDGEMENTS = "judgements"
"""The name that stands for them; a file that is called so has to be named as ./judgements."""

_TEXT_OF = "SELECT text FROM chunk WHERE chunk_id = ? AND modality = 'text'"


def judged(con: duckdb.DuckDBPyConnection) -> Told:
    """Return what was said of pictures that text queries found.

    Raises:
        PairsError: nobody has said anything.
    """
    said = standing_judgements(con)
    if not said:
        raise PairsError(
            "nobody has judged a hit yet, so there are no pairs: say on the page (`crossmodal ui`) "
            "which hits fit, or name a table of path and caption"
        )
    pictures = set(picture_uris(con))
    told = Told()
    for ((kind, query), uri), grade in sorted(grades(said).items()):
        text = query if kind == "text" else _text_of(con, int(query))
        if not text or uri not in pictures:
            told.problems["judged for a picture, or of what is no picture"] += 1
        elif grade:
            told.tell(uri, [text])
        else:
            told.skip(text, uri)
    return told


def _text_of(con: duckdb.DuckDBPyConnection, chunk_id: int) -> str:
    rows = con.execute(_TEXT_OF, [chunk_id]).fetchall()
    return str(rows[0][0]) if rows else ""
