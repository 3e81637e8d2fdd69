"""Take pairs out of a collection: what stands beside a picture in its source tells of it.

A figure has its caption, a frame the subtitles that are spoken while it is seen (of the film itself
or of a file beside it), the picture of a table the row that it stands in, and any picture what is
written in it, where that was read.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb

from crossmodal.ledger.write.model_versions import table_of
from crossmodal.modalities import FILMED
from crossmodal.previews.preview import Subject
from crossmodal.records import VectorList
from crossmodal.training.told import words_of

COLLECTION = "collection"
"""The name that stands for it; a file that is called so has to be named as ./collection."""

_MAX_CHARS = 300
_MAX_CUES = 4
_MAX_WRITTEN = 2
"""Passages of what is written in a picture, the first ones."""

# Contents have several sources; one name is enough.
_PICTURES = """
SELECT c.chunk_id, min(s.uri), any_value(s.media_type), any_value(c.kind), any_value(c.chunker),
    any_value(c.text), any_value(c.meta), any_value(v.v)
FROM chunk c JOIN source s USING (content_hash) JOIN {table} v ON v.chunk_id = c.chunk_id
WHERE c.kind IN ('figure', 'cell_image', 'frame', 'clip')
    OR c.chunk_id IN (SELECT unnest($read::BIGINT[]))
GROUP BY c.chunk_id ORDER BY c.chunk_id
"""
_WRITTEN = """
SELECT p.chunk_id, o.text FROM chunk o JOIN chunk p
    ON p.content_hash = o.content_hash AND p.chunker = o.chunker AND p.ordinal = o.parent
WHERE o.kind = 'ocr' AND p.modality = 'image' ORDER BY o.ordinal
"""
_CUES = """
SELECT s.uri, c.text, c.meta FROM chunk c JOIN source s USING (content_hash)
WHERE c.kind = 'cue' ORDER BY s.uri, c.ordinal
"""
_LANGUAGE = re.compile(r"(\.[a-z]{2,3})?\.[^./]*$")
_SUFFIX = re.compile(r"\.[^./]*$")


class _Cue(NamedTuple):
    start_s: float
    end_s: float
    text: str


class Part(NamedTuple):
    """Hold a picture, its vector and the words beside it; none where there are none."""

    picture: Subject
    vector: Sequence[float]
    captions: list[str]


def parts_inside(con: duckdb.DuckDBPyConnection, images: VectorList) -> list[Part]:
    """Return pictures that the collection holds, with the words that stand beside each."""
    cues, written = _cues(con), _written(con)
    sql = _PICTURES.format(table=table_of(images))
    rows = con.execute(sql, {"read": list(written)}).fetchall()
    return [_part(row, cues, written[row[0]]) for row in rows]


def _part(row: tuple[Any, ...], cues: dict[str, list[_Cue]], written: list[str]) -> Part:
    _, uri, media_type, kind, chunker, text, meta, vector = row
    picture = Subject(
        kind=kind,
        media_type=media_type or "",
        uri=uri,
        chunker=chunker,
        text=text,
        meta=json.loads(meta),
    )
    if kind in FILMED:
        said = _spoken(picture.meta, cues.get(_SUFFIX.sub("", uri), []))
    else:
        # Of a figure the first line is its caption, or else the paragraph before it.
        said = [text.partition("\n")[0] if kind == "figure" else text]
    told = (words_of(words)[:_MAX_CHARS] for words in [*said, *written[:_MAX_WRITTEN]])
    return Part(picture, vector, list(dict.fromkeys(filter(None, told))))


def _spoken(meta: dict[str, Any], cues: list[_Cue]) -> list[str]:
    """Return what is said while a frame's shot is seen, the cue nearest to the frame first."""
    start_s, end_s = float(meta.get("start_s", 0.0)), float(meta.get("end_s", 0.0))
    at_s = float(meta.get("frame_s", start_s))
    heard = [cue for cue in cues if cue.start_s < end_s and cue.end_s > start_s]
    heard.sort(key=lambda cue: max(cue.start_s - at_s, at_s - cue.end_s, 0.0))
    return list(dict.fromkeys(cue.text for cue in heard[:_MAX_CUES]))


def _written(con: duckdb.DuckDBPyConnection) -> defaultdict[int, list[str]]:
    """Return by picture the passages that were read in it."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for picture, text in con.execute(_WRITTEN).fetchall():
        found[picture].append(text)
    return found


def _cues(con: duckdb.DuckDBPyConnection) -> dict[str, list[_Cue]]:
    """Return subtitles by the path, without its endings, of the film that they belong to."""
    found: dict[str, list[_Cue]] = defaultdict(list)
    for uri, text, meta in con.execute(_CUES).fetchall():
        told = json.loads(meta)
        cue = _Cue(float(told.get("start_s", 0.0)), float(told.get("end_s", 0.0)), text)
        # talk.srt and talk.en.srt both belong to talk.mp4.
        for stem in {_SUFFIX.sub("", uri), _LANGUAGE.sub("", uri)}:
            found[stem].append(cue)
    return found
