"""Write JSON as lines that a person, and a text encoder, can read.

Owns the records: each element of a list at the top, or of a list of objects below it, is a block,
and so is each line of JSON Lines. What does not parse stays as it is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.outline import Structured, line_starts

_MAX_PATH_CHARS = 200
_TITLES = ("title", "name")
_KEYS = ("_id", "id", "key", "doc_id", "docid", "docno", "identifier", "uid", "uuid")
_MAX_HEADING_CHARS = 300


class _Pairs(list[tuple[str, Any]]):
    """Hold an object's members, repeated keys included."""


def parse_json(text: str) -> Structured:
    """Return one block a record; text of many values, one a line, is read as JSON Lines."""
    try:
        value = _loads(text)
        blocks = list(_blocks(value, ()))
    except (ValueError, RecursionError):
        first_line = text.lstrip().partition("\n")[0]
        return parse_json_lines(text) if _is_record(first_line) else _as_written(text)
    return Structured(blocks, _title(value)) if blocks else _as_written(text)


def parse_json_lines(text: str) -> Structured:
    """Return one block a line, with its chars and its row; a bad line stays as it is."""
    return Structured([block for block, _ in _lines_of(text)])


def _lines_of(text: str) -> Iterator[tuple[Block, str]]:
    """Yield each line that is not blank as a block of readable lines, and as it is written."""
    for row, (begin, stop) in enumerate(pairwise(line_starts(text))):
        line = text[begin:stop]
        if line.strip():
            position = {"rows": [row, row + 1], "chars": [begin, stop]}
            yield Block(text=_readable(line), position=position), line


def parse_records(text: str) -> Structured:
    """Return one block a line that stands apart, under the key and the title of its record.

    What a heading says is not said again below it, unless the record says nothing else.
    """
    blocks = []
    for block, line in _lines_of(text):
        key, title, rest = _named(line)
        named = block if rest is None else replace(block, text=rest)
        section = tuple(filter(None, (key, title)))
        facts = {"record": key or title} if section else {}
        blocks.append(replace(named, section=section, facts=facts, apart=True))
    return Structured(blocks)


def _named(line: str) -> tuple[str, str, str | None]:
    """Return a record's key, its title and the rest of it; the last is None to keep it whole."""
    try:
        record = _loads(line)
    except (ValueError, RecursionError):
        return "", "", None
    if not isinstance(record, _Pairs):
        return "", "", None
    key, title = _member(record, _KEYS), _member(record, _TITLES)
    rest = _Pairs(pair for pair in record if pair[0] not in (key[0], title[0]))
    text = "\n".join(_lines(rest, ""))
    return key[1], title[1], text if text.strip() else None


def _member(record: _Pairs, names: tuple[str, ...]) -> tuple[str, str]:
    """Return the first member of one of these names that can be a heading, or two blanks."""
    members = {name.lower(): (name, value) for name, value in reversed(record)}
    for name in names:
        found, value = members.get(name, ("", None))
        words = " ".join(str(value).split()) if isinstance(value, str | int) else ""
        if words and not isinstance(value, bool) and len(words) <= _MAX_HEADING_CHARS:
            return found, words
    return "", ""


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_Pairs)


def _is_record(line: str) -> bool:
    try:
        return isinstance(_loads(line), list)
    except (ValueError, RecursionError):
        return False


def _as_written(text: str) -> Structured:
    return Structured([Block(text=text, position={"chars": [0, len(text)]})])


def _readable(line: str) -> str:
    try:
        return "\n".join(_lines(_loads(line), "")) or line
    except (ValueError, RecursionError):
        return line


def _blocks(value: Any, section: tuple[str, ...]) -> Iterator[Block]:
    if isinstance(value, _Pairs):
        records = {key for key, member in value if _is_table(member)}
        rest = _Pairs(pair for pair in value if pair[0] not in records)
        yield from _block(rest, section, {})
        for key, member in value:
            if key in records:
                yield from _blocks(member, (*section, key))
    elif _is_list(value) and any(isinstance(element, list) for element in value):
        for row, element in enumerate(value):
            yield from _block(element, section, {"rows": [row, row + 1]})
    else:
        yield from _block(value, section, {})


def _block(value: Any, section: tuple[str, ...], position: dict[str, Any]) -> Iterator[Block]:
    text = "\n".join(_lines(value, ""))
    if text.strip():
        yield Block(text=text, section=section, position=position)


def _is_table(value: Any) -> bool:
    return _is_list(value) and bool(value) and all(isinstance(item, _Pairs) for item in value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and not isinstance(value, _Pairs)


def _lines(value: Any, path: str) -> Iterator[str]:
    """Yield ``path: value`` for each leaf; a list of plain values stays on one line."""
    if isinstance(value, _Pairs):
        for key, member in value:
            longer = f"{path}.{key}" if path else key
            if len(longer) > _MAX_PATH_CHARS:  # said once, not before each of its leaves
                yield longer
                longer = ""
            yield from _lines(member, longer)
    elif _is_list(value) and any(isinstance(item, list) for item in value):
        for item in value:
            yield from _lines(item, path)
    else:
        words = ", ".join(map(_word, value)) if _is_list(value) else _word(value)
        if words:
            yield f"{path}: {words}" if path else words


def _word(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _title(value: Any) -> str:
    members = dict(value) if isinstance(value, _Pairs) else {}
    found = (members.get(key) for key in _TITLES)
    return next((title.strip() for title in found if isinstance(title, str)), "")
