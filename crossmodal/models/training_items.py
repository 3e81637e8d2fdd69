"""Remember what a model version was trained on, as hashes, so that nobody judges it by the same.

Whoever trains records the hash of every picture and text that it learned from, in the transaction
that registers the version: ``training_item(model_version_id, kind, hash)``, kind ``picture`` or
``text``. A version has seen what its ancestors have. A reranker, which is no version, carries them
in a file of its folder. Hashes tell near-duplicates, not contents.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.ledger.sql import registered
from crossmodal.models.folder import read_object
from crossmodal.models.lineage import ancestors_of

if TYPE_CHECKING:
    from PIL import Image

Kind = Literal["picture", "text"]
MAX_DISTANCE = 6
"""Bits of 64 in which the hashes of one picture in two files may differ: resized, recompressed."""
_WORDS = re.compile(r"\w+")
_FILE = "training_items.json"
_HASHES: dict[Kind, re.Pattern[str]] = {
    "picture": re.compile("[0-9a-f]{16}"),
    "text": re.compile("[0-9a-f]{32}"),
}


def picture_hash(picture: Image.Image) -> str:
    """Return the difference hash of a picture (64 bits, hex; N. Krawetz, 2013)."""
    from PIL import Image as images

    grey = picture.convert("L").resize((9, 8), images.Resampling.LANCZOS)
    pixels = np.asarray(grey, dtype=np.int16)
    return np.packbits(pixels[:, 1:] > pixels[:, :-1]).tobytes().hex()


def text_hash(text: str) -> str:
    """Return the hash of a text by its words alone: case, blanks and full stops do not count."""
    words = " ".join(_WORDS.findall(text.casefold()))
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def record_training_items(
    con: duckdb.DuckDBPyConnection, model_version_id: int, kind: Kind, hashes: Iterable[str]
) -> None:
    """Note what a version learned from; within the caller's transaction."""
    table = pa.table({"hash": pa.array(sorted(set(hashes)), pa.string())})
    with registered(con, learned=table):
        con.execute(
            "INSERT INTO training_item SELECT ?, ?, hash FROM learned", [model_version_id, kind]
        )


def training_hashes(
    con: duckdb.DuckDBPyConnection, model_version_ids: Iterable[int], kind: Kind
) -> set[str]:
    """Return what these versions, or any of their ancestors, learned from."""
    seen = {a for number in model_version_ids for a in (number, *ancestors_of(con, number))}
    rows = con.execute(
        "SELECT DISTINCT hash FROM training_item "
        "WHERE kind = ? AND model_version_id IN (SELECT unnest(?::INTEGER[]))",
        [kind, sorted(seen)],
    ).fetchall()
    return {row[0] for row in rows}


def write_training_items(folder: Path, items: dict[Kind, Iterable[str]]) -> None:
    """Write into a model's folder what it learned from."""
    listed = {kind: sorted(set(hashes)) for kind, hashes in items.items()}
    (folder / _FILE).write_text(json.dumps(listed, indent=0) + "\n", encoding="utf-8")


def training_hashes_in(folder: Path, kind: Kind) -> set[str]:
    """Return what a model's folder says that it learned from; nothing where it says nothing.

    Raises:
        ModelUnsupported: the file is damaged.
    """
    found = read_object(folder, _FILE).get(kind)
    listed = found if isinstance(found, list) else []
    return {each for each in listed if isinstance(each, str) and _HASHES[kind].fullmatch(each)}


def near_duplicates(hashes: list[str], learned: Iterable[str]) -> list[int]:
    """Return the positions of the picture hashes that are near one of those learned from."""
    known = _bits(list(learned))
    asked = _bits(hashes)
    if not len(known):
        return []
    near = [bool((np.bitwise_count(known ^ one) <= MAX_DISTANCE).any()) for one in asked]
    return [place for place, is_near in enumerate(near) if is_near]


def _bits(hashes: list[str]) -> npt.NDArray[np.uint64]:
    return np.array([int(each, 16) for each in hashes], dtype=np.uint64)
