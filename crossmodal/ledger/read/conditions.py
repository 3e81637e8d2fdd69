"""Define what a field of a condition is, and how globs and numbers become SQL."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ORDERED = ("=", "!=", "<", "<=", ">", ">=")
EQUAL = ("=", "!=")
_MAX_INT64 = 2**63 - 1

Part = tuple[str, dict[str, Any]]
"""SQL, and its parameters by name."""


@dataclass(frozen=True, slots=True)
class Field:
    """Describe a field that conditions may be about."""

    operators: tuple[str, ...]
    example: str
    allowed: str
    build: Callable[[str, str, str], Part]
    """Takes operator, value and what the names of parameters begin with; ValueError refuses."""


def clamped(number: int) -> int:
    """Return the number as far as 64 bits hold it."""
    return max(-_MAX_INT64, min(_MAX_INT64, number))


def glob_to_regex(pattern: str) -> str:
    """Return the RE2 pattern of a glob: ``*``, ``?``, ``[a-z]`` and ``[!a-z]``, all else literal.

    DuckDB's own GLOB counts bytes, so that its ``?`` does not match an umlaut.
    """
    parts, i = [], 0
    while i < len(pattern):
        end = pattern.find("]", i + 3 if pattern[i + 1 : i + 2] == "!" else i + 2)
        if pattern[i] == "[" and end > 0:
            parts.append(_character_class(pattern[i + 1 : end]))
            i = end + 1
        else:
            parts.append({"*": ".*", "?": "."}.get(pattern[i]) or literal(pattern[i]))
            i += 1
    return "".join(parts)


def _character_class(body: str) -> str:
    negation, members = ("^", body[1:]) if body.startswith("!") else ("", body)
    ranges = re.findall(r".-.|.", members, re.DOTALL)
    if any(len(part) == 3 and part[0] > part[2] for part in ranges):
        raise ValueError(body)
    escaped = ("-".join(literal(end) for end in (part[0], part[-1])) for part in ranges)
    return f"[{negation}{''.join(escaped)}]"


def literal(character: str) -> str:
    """Return a character for RE2, by its code: RE2 knows no escaped space or control character."""
    return character if character.isalnum() else rf"\x{{{ord(character):x}}}"
