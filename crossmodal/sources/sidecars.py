"""Know which members of an archive describe others, and what they say.

In a WebDataset's shard the files of one sample share a name up to the first dot of its last part:
``000123.jpg``, ``000123.txt``, ``000123.cls``, ``000123.json``. Beside a picture, sound or film the
others describe it: they become its own columns rather than sources. Without one a text is a text.
"""

from __future__ import annotations

import json
import mimetypes
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from crossmodal.files.archives.names import kind_of
from crossmodal.files.archives.opening import contents, open_local, open_remote, stamp
from crossmodal.ledger.read.column_filters import folded_name
from crossmodal.ledger.write.own_columns import OwnColumns
from crossmodal.sources.own_columns import (
    KEYS,
    MAX_COLUMNS,
    MAX_VALUE_CHARS,
    VALUES,
    read_own_columns,
    stat_of,
)

METADATA_FILES = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
"""What a Hugging Face image folder calls the table about its files."""
_TEXTS = {"txt": "caption", "text": "caption", "caption": "caption", "cls": "class"}
_MAX_BYTES = 1_000_000
_MAX_LISTED = 64
_MEDIA = frozenset(
    {"avif", "flac", "heic", "heif", "jp2", "jxl", "media", "mka", "mkv", "opus", "webp"}
)
"""Which the tables of operating systems may lack; ``media`` is what a Parquet's row leaves open."""


def described_by(names: Iterable[str]) -> dict[str, list[str]]:
    """Return, by the name of each member that describes others, the names of those."""
    texts: dict[str, list[str]] = {}
    media: dict[str, list[str]] = {}
    for name in names:
        key, ending = _key(name)
        if ending in _TEXTS or ending == "json":
            texts.setdefault(key, []).append(name)
        elif _is_media(name, ending):
            media.setdefault(key, []).append(name)
    return {name: media[key] for key, found in texts.items() if key in media for name in found}


def _key(name: str) -> tuple[str, str]:
    folder, slash, base = name.rpartition("/")
    stem, _, endings = base.partition(".")
    return f"{folder}{slash}{stem}", endings.lower()


def _is_media(name: str, ending: str) -> bool:
    kind = mimetypes.guess_type(name.rpartition("/")[2])[0] or ""
    is_media = kind.startswith(("image/", "audio/", "video/"))
    return is_media or ending.rpartition(".")[2] in _MEDIA


def columns_of(describing: str, stat: str) -> OwnColumns:
    """Return what an archive's members, or a table of metadata, say of sources.

    Raises:
        OSError: it cannot be read.
        PathError: the table is none, or has no column ``file_name``.
    """
    if is_metadata(describing):
        return read_own_columns(Path(describing))
    return _archive_columns(describing, stat)


def stat_of_describing(describing: str) -> str:
    """Return what changes when an archive or a table of metadata does.

    Raises:
        OSError: it cannot be looked at.
        PathError: it is no file, or too large a table.
    """
    return stat_of(Path(describing)) if is_metadata(describing) else stamp(describing)


def is_metadata(describing: str) -> bool:
    """Say whether a file is a table about others; one with media in its rows is an archive."""
    if posixpath.basename(describing) not in METADATA_FILES:
        return False
    return kind_of(describing) is None or contents(describing).is_table


def _archive_columns(archive: str, stat: str) -> OwnColumns:
    sidecars = described_by(contents(archive).members)
    described = sorted({name for names in sidecars.values() for name in names})
    row_of = {name: row for row, name in enumerate(described)}
    told: list[tuple[int, str, str]] = []
    names: set[str] = set()
    num_unreadable = 0
    for sidecar, about in sidecars.items():
        said = _said(archive, sidecar)
        num_unreadable += said is None
        facts = [fact for fact in said or () if _has_room(names, fact[0])]
        told += [(row_of[name], *fact) for name in about for fact in facts]
    notes = [f"{num_unreadable:,} descriptions of members are no text or JSON below 1 MB"]
    return OwnColumns(
        archive,
        stat,
        _table(KEYS, [(row, f"{archive}/{name}", True) for name, row in row_of.items()]),
        _table(VALUES, list(dict.fromkeys(told))),
        tuple(notes) if num_unreadable else (),
        within=f"{archive}/",
    )


def _has_room(names: set[str], name: str) -> bool:
    if len(names) < MAX_COLUMNS:
        names.add(name)
    return name in names


def _table(schema: pa.Schema, rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _said(archive: str, sidecar: str) -> list[tuple[str, str]] | None:
    """Return the facts of one member; None where it cannot be understood."""
    uri = f"{archive}/{sidecar}"
    with open_remote(uri) if "://" in archive else open_local(uri) as file:
        data: bytes = file.read(_MAX_BYTES + 1) or b""
    if len(data) > _MAX_BYTES:
        return None
    ending = _key(sidecar)[1]
    try:
        text = data.decode("utf-8-sig")
        told = json.loads(text) if ending == "json" else {_TEXTS[ending]: text}
    except (ValueError, RecursionError):
        return None
    return list(_facts(told)) if isinstance(told, dict) else None


def _facts(told: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values of plain facts; of a list each, of a mapping with its name before."""
    for key, value in told.items():
        name = folded_name(f"{above}{key}")
        if isinstance(value, dict) and not above:
            yield from _facts(value, f"{key}.")
        for each in value[:_MAX_LISTED] if isinstance(value, list) else [value]:
            shown = _shown(each)
            if shown and name and not set(name) & set("=<>!"):
                yield name[:200], shown


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    plain = str(value) if isinstance(value, str | int | float) else ""
    return " ".join(plain.replace("\0", " ").split())[:MAX_VALUE_CHARS]
