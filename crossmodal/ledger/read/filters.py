"""Turn --where conditions into SQL over ``source``, with every value bound.

A condition is ``field operator value``; several must all hold. Field names and operators come from
the tables below, so nothing that a user typed ever becomes SQL text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from crossmodal.errors import FilterError

_CONDITION = re.compile(r"\s*(\w+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([a-z]*)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for suffix, base in (("", 1000), ("b", 1000), ("ib", 1024))
}
_MAX_INT64 = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_PATH = 4096
_DAY_NS = 86_400 * 10**9
_ORDERED = ("=", "!=", "<", "<=", ">", ">=")
_EQUAL = ("=", "!=")


@dataclass(frozen=True, slots=True)
class Where:
    """Hold a condition on the columns of ``source``; by default everything matches."""

    sql: str = "true"
    params: dict[str, Any] = field(default_factory=dict)
    """By the names that ``sql`` refers to as ``$name``."""


Part = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Field:
    operators: tuple[str, ...]
    example: str
    allowed: str
    build: Callable[[str, str, str], Part]


def parse_where(conditions: list[str]) -> Where:
    """Return one Where for all conditions together.

    ``path``: a glob on the whole uri; one without a slash is matched with the file name, and a
    relative one from any folder on. ``*`` and ``?`` match a slash too. ``type``: a media type or a
    glob on it. ``date``: when the source was last modified, in UTC; a day stands for all of it, and
    a source of unknown date matches none. ``size``: bytes, or with a unit (kB = 1000, KiB = 1024).

    Raises:
        FilterError: a condition cannot be understood.
    """
    parts = [_parse(condition, f"where_{i}") for i, condition in enumerate(conditions)]
    params = {name: value for _, bound in parts for name, value in bound.items()}
    return Where(" AND ".join(f"({sql})" for sql, _ in parts) or "true", params)


def _parse(condition: str, name: str) -> Part:
    """Return the condition's SQL and its parameters, whose names begin with ``name``."""
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise FilterError(
            f"cannot understand the condition {condition!r}: write FIELD OPERATOR VALUE, "
            f"such as {_examples()}"
        )
    key, operator, value = match.groups()
    known = _FIELDS.get(key.lower())
    if known is None:
        raise FilterError(
            f"{condition!r}: there is no field {key!r}, only {', '.join(_FIELDS)}; "
            f"examples: {_examples()}"
        )
    if operator not in known.operators:
        raise FilterError(
            f"{condition!r}: {key} takes {' '.join(known.operators)}, not {operator}; "
            f"example: {known.example}"
        )
    try:
        value.encode()  # a name that is not UTF-8 is in no collection
        return known.build(operator, value, name)
    except (ValueError, OverflowError) as error:
        raise FilterError(
            f"{condition!r}: {value!r} is not {known.allowed}; example: {known.example}"
        ) from error


def _examples() -> str:
    return ", ".join(f"'{known.example}'" for known in _FIELDS.values())


def _path(operator: str, value: str, name: str) -> Part:
    if not 0 < len(value) <= _LONGEST_PATH:
        raise ValueError(value)
    subject = "uri" if "/" in value else "split_part(uri, '/', -1)"
    anywhere = "(.*/)?" if "/" in value and not _is_absolute(value) else ""
    return _matches(subject, operator, name), {name: anywhere + glob_to_regex(value)}


def _is_absolute(pattern: str) -> bool:
    return pattern.startswith(("/", "*")) or "://" in pattern


def _media_type(operator: str, value: str, name: str) -> Part:
    if not re.fullmatch(r"[^/\s]+/[^/\s]+", value):
        raise ValueError(value)
    subject = "coalesce(media_type, '')"
    return _matches(subject, operator, name), {name: glob_to_regex(value.lower())}


def _matches(subject: str, operator: str, name: str) -> str:
    negation = "NOT " if operator == "!=" else ""
    return f"{negation}regexp_full_match({subject}, ${name}, 's')"


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
            parts.append({"*": ".*", "?": "."}.get(pattern[i]) or _literal(pattern[i]))
            i += 1
    return "".join(parts)


def _character_class(body: str) -> str:
    negation, members = ("^", body[1:]) if body.startswith("!") else ("", body)
    ranges = re.findall(r".-.|.", members, re.DOTALL)
    if any(len(part) == 3 and part[0] > part[2] for part in ranges):
        raise ValueError(body)
    escaped = ("-".join(_literal(end) for end in (part[0], part[-1])) for part in ranges)
    return f"[{negation}{''.join(escaped)}]"


def _literal(character: str) -> str:
    """Escape by code point: RE2 knows no escaped space or control character."""
    return character if character.isalnum() else rf"\x{{{ord(character):x}}}"


def _date(operator: str, value: str, name: str) -> Part:
    start = datetime.fromisoformat(value)
    start = start.replace(tzinfo=UTC) if start.tzinfo is None else start
    is_day = re.fullmatch(r"\d{4}-?\d\d-?\d\d", value) is not None
    low = _ns(start)
    high = low + (_DAY_NS if is_day else 1)
    sql, params = _compare("mtime_ns", operator, name, low, high)
    return f"mtime_ns <> 0 AND {sql}", params


def _ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _size(operator: str, value: str, name: str) -> Part:
    match = _SIZE.fullmatch(value)
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(value)
    num_bytes = round(Decimal(match[1]) * _UNITS[match[2].lower()])
    return _compare("size_bytes", operator, name, num_bytes, num_bytes + 1)


def _compare(column: str, operator: str, name: str, low: int, high: int) -> Part:
    """Compare a column with what stands for all values from ``low`` up to just below ``high``."""
    if operator in _EQUAL:
        negation = "NOT " if operator == "!=" else ""
        sql = f"{negation}({column} >= ${name}_low AND {column} < ${name}_high)"
        return sql, {f"{name}_low": _clamp(low), f"{name}_high": _clamp(high)}
    comparison = "<" if operator.startswith("<") else ">="
    return f"{column} {comparison} ${name}", {
        name: _clamp(high if operator in ("<=", ">") else low)
    }


def _clamp(number: int) -> int:
    return max(-_MAX_INT64, min(_MAX_INT64, number))


_FIELDS = {
    "path": _Field(_EQUAL, "path=*.jpg", "a glob pattern", _path),
    "type": _Field(_EQUAL, "type=image/*", "a media type or a glob on one", _media_type),
    "date": _Field(_ORDERED, "date>=2024-01-31", "an ISO date or date and time", _date),
    "size": _Field(_ORDERED, "size>100kB", "a number with B, kB, MB, GB, TB or KiB, MiB..", _size),
}


def condition_pattern() -> str:
    """Return a regular expression of any condition; what it takes, parse_where may yet refuse.

    For schemas of JSON, so without flags: a field's letters may be large or small.
    """
    known = (f"{_any_case(name)}\\s*({'|'.join(f.operators)})" for name, f in _FIELDS.items())
    return rf"^\s*({'|'.join(known)})\s*[^\s<>=!]"


def _any_case(word: str) -> str:
    return "".join(f"[{letter}{letter.upper()}]" for letter in word)
