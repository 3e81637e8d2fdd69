"""Turn --where conditions into SQL over sources and chunks, with every value bound.

A condition is ``field operator value``; several must all hold. Fields of sources stand in the table
below, those of chunks in ``chunk_fields``; any other name is a column of a table or of a user's own
CSV (``column_filters``). Nothing that a user typed ever becomes SQL text. A fact that is missing is
unknown: no condition on it holds, not even ``!=``. What moderation hides passes only where a
condition speaks of it: ``hidden=any`` or ``hidden=yes``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crossmodal.errors import FilterError
from crossmodal.ledger.read.chunk_fields import CHUNK_FIELDS
from crossmodal.ledger.read.column_filters import (
    PREFIX,
    ColumnCondition,
    KnownColumns,
    column_condition,
    folded_name,
    known_columns,
    lines_sql,
)
from crossmodal.ledger.read.conditions import EQUAL, ORDERED, Field, Part, clamped, glob_to_regex
from crossmodal.ledger.read.hidden import hidden_chunks

if TYPE_CHECKING:  # forms ask how a condition is written, and need no database for it
    import duckdb

_CONDITION = re.compile(r"\s*([^=<>!]*[^=<>!\s])\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([a-z]*)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for suffix, base in (("", 1000), ("b", 1000), ("ib", 1024))
}
_WITHOUT = "chunk_id NOT IN (SELECT unnest($without::BIGINT[]))"
_PARAMETER = re.compile(r"\$(\w+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_PATH = 4096
_LONGEST_NAME = 200
_NUM_TOLD = 40
_DAY_NS = 86_400 * 10**9

_SIEVE = """
SELECT c.chunk_id FROM chunk c
SEMI JOIN (SELECT content_hash FROM source WHERE {condition}) s
ON s.content_hash = c.content_hash
"""

_PAIRS = """
SELECT c.chunk_id, s.uri
FROM (SELECT chunk_id, content_hash FROM chunk WHERE {of_chunk}) c
JOIN (SELECT uri, content_hash FROM source WHERE {of_source}) s
    ON s.content_hash = c.content_hash
{lines}WHERE {both}
"""


@dataclass(frozen=True, slots=True)
class Where:
    """Hold a condition on sources and chunks; by default everything matches."""

    sql: str = "true"
    """On the columns of ``source``: whether it passes, with any of its chunks."""
    params: dict[str, Any] = field(default_factory=dict)
    """By the names that the SQL refers to as ``$name``."""
    shown: str = "true"
    """On the columns of ``source``: whether it may be named for a chunk that passes."""
    pairs: str = ""
    """A query for the chunk ids and uris that pass together; empty where ``sql`` decides alone."""
    without: tuple[int, ...] = ()
    """Chunks that do not pass, whatever else is said of them."""

    def bound(self, sql: str) -> dict[str, Any]:
        """Return the parameters that a part of the SQL refers to: DuckDB refuses any others."""
        named = set(_PARAMETER.findall(sql))
        params = {**self.params, "without": list(self.without)}
        return {name: value for name, value in params.items() if name in named}

    @property
    def only_hides(self) -> bool:
        """Return whether all pass but single chunks, so that nothing needs to be sieved."""
        return bool(self.without) and not self.pairs and self.sql == "true"

    @property
    def of_chunk(self) -> str:
        """Return the condition on ``chunk_id``; where it only hides, chunks without a source pass.

        Sieving a million ids costs more than to leave a few out.
        """
        return _WITHOUT if self.only_hides else f"chunk_id IN ({self.sieve})"

    @property
    def sieving(self) -> Where:
        """Return this condition as one that chunks without a source do not pass."""
        return replace(self, sql="(true)") if self.only_hides else self

    @property
    def sieve(self) -> str:
        """Return a query for the ids of the chunks that pass."""
        sieve = _SIEVE.format(condition=self.sql)
        if self.pairs:
            sieve = f"SELECT DISTINCT chunk_id FROM ({self.pairs}) pair"
        return f"SELECT chunk_id FROM ({sieve}) seen WHERE {_WITHOUT}" if self.without else sieve


def narrowed(where: Where, sql: str, params: dict[str, Any]) -> Where:
    """Return a condition that holds where ``where`` and ``sql``, on columns of ``source``, do."""
    both = {**where.params, **params}
    shown = f"({where.shown}) AND ({sql})"
    if not where.pairs:
        return replace(where, sql=f"({where.sql}) AND ({sql})", params=both, shown=shown)
    pairs = (
        f"SELECT chunk_id, uri FROM ({where.pairs}) wide "
        f"WHERE uri IN (SELECT uri FROM source WHERE {sql})"
    )
    sql = f"uri IN (SELECT uri FROM ({pairs}) pair)"
    return replace(where, sql=sql, params=both, shown=shown, pairs=pairs)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Hold conditions by what they are about."""

    of_source: list[str] = field(default_factory=list)
    of_chunk: list[str] = field(default_factory=list)
    columns: list[ColumnCondition] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    tells_hidden: bool = False
    """Whether a condition says what to do with chunks that moderation hides."""


def parse_where(conditions: Sequence[str]) -> Where:
    """Return one Where for all conditions together, which any collection understands.

    It does not know what moderation hides: see ``where_in``.

    ``path``: a glob on the whole uri; one without a slash is matched with the file name, and a
    relative one from any folder on. ``*`` and ``?`` match a slash too. ``type``: a media type or a
    glob on it. ``date``: when the source was last modified, in UTC; a day stands for all of it, and
    a source of unknown date matches none. ``size``: bytes, or with a unit (kB = 1000, KiB = 1024).
    The fields of chunks: see ``chunk_fields``. Any other name: a column, see ``column_filters``.

    Raises:
        FilterError: a condition cannot be understood.
    """
    return _built(_parsed(conditions))


def where_in(con: duckdb.DuckDBPyConnection, conditions: Sequence[str]) -> Where:
    """Return what ``parse_where`` does, for this collection: quicker, and no column is misspelt.

    What moderation hides does not pass, unless a condition says ``hidden=any`` or ``hidden=yes``.

    Raises:
        FilterError: a condition cannot be understood, or names a column that is not there.
    """
    parsed = _parsed(conditions)
    if parsed.columns:
        known = known_columns(con)
        columns = [_found(condition, known) for condition in parsed.columns]
        parsed = replace(parsed, columns=columns)
    where = _built(parsed)
    return where if parsed.tells_hidden else replace(where, without=hidden_chunks(con))


def _found(condition: ColumnCondition, known: KnownColumns) -> ColumnCondition:
    found = condition.within(known)
    if found is None:
        names = sorted({*known.own, *known.of_tables})
        columns = ", ".join(names[:_NUM_TOLD]) or "none"
        columns += f" and {len(names) - _NUM_TOLD} more" if len(names) > _NUM_TOLD else ""
        raise FilterError(
            f"there is no field or column {condition.name!r}: the fields are "
            f"{', '.join(field_names())}; the columns of this collection are {columns}. A table of "
            "your own joins at `crossmodal index --columns FILE.csv`"
        )
    return found


def _parsed(conditions: Sequence[str]) -> _Parsed:
    parsed = _Parsed()
    for i, condition in enumerate(conditions):
        name, key, operator, value = f"where_{i}", *_divided(condition)
        parts = {**_FIELDS, **CHUNK_FIELDS}
        known = parts.get(key.lower())
        if known is None:
            found = column_condition(condition, key, operator, value, name)
            parsed.columns.append(found)
            continue
        sql, params = _part(condition, known, operator, value, name)
        (parsed.of_source if key.lower() in _FIELDS else parsed.of_chunk).append(sql)
        parsed.params.update(params)
    told = any(_divided(condition)[0].lower() == "hidden" for condition in conditions)
    return replace(parsed, of_chunk=[s for s in parsed.of_chunk if s != "true"], tells_hidden=told)


def _built(parsed: _Parsed) -> Where:
    """Return the SQL of conditions; pairs of chunks and sources only where sources cannot tell."""
    params = parsed.params | {n: v for c in parsed.columns for n, v in c.params.items()}
    of_source = [*parsed.of_source, *(c.own_sql for c in parsed.columns if not c.of_tables)]
    shown = _all(of_source)
    mixed = [condition for condition in parsed.columns if condition.of_tables]
    if not parsed.of_chunk and not mixed:
        return _pruned(Where(shown, params, shown))
    pairs = _PAIRS.format(
        of_chunk=_all(parsed.of_chunk),
        of_source=shown,
        lines=f"LEFT JOIN ({lines_sql(mixed)}) t ON t.chunk_id = c.chunk_id\n" if mixed else "",
        both=_all([c.either_sql(i) for i, c in enumerate(mixed)]),
    )
    sql = f"uri IN (SELECT uri FROM ({pairs}) pair)"
    return _pruned(Where(sql, params, shown, pairs))


def _pruned(where: Where) -> Where:
    return replace(where, params=where.bound(where.sql))


def _all(parts: Sequence[str]) -> str:
    return " AND ".join(f"({sql})" for sql in parts) or "true"


def _divided(condition: str) -> tuple[str, str, str]:
    """Return the name, the operator and the value of a condition."""
    match = _CONDITION.fullmatch(condition)
    if match is None or len(match[1]) > _LONGEST_NAME:
        raise FilterError(
            f"cannot understand the condition {condition!r}: write FIELD OPERATOR VALUE, "
            f"such as {_examples()}"
        )
    if match[3].startswith(("<", ">", "=", "!")):  # as forms refuse it: no value begins so
        raise FilterError(
            f"cannot understand the condition {condition!r}: one operator stands between field and "
            f"value, of != <= >= = < >, such as '{match[1]}{match[2]}{match[3].lstrip('<>=! ')}'"
        )
    return match[1], match[2], match[3]


def _part(condition: str, known: Field, operator: str, value: str, name: str) -> Part:
    """Return the condition's SQL and its parameters, whose names begin with ``name``."""
    if operator not in known.operators:
        raise FilterError(
            f"{condition!r}: it takes {' '.join(known.operators)}, not {operator}; "
            f"example: {known.example}"
        )
    try:
        value.encode()  # a name that is not UTF-8 is in no collection
        return known.build(operator, value, name)
    except (ValueError, OverflowError) as error:
        raise FilterError(
            f"{condition!r}: {value!r} is not {known.allowed}; example: {known.example}"
        ) from error


def field_names() -> list[str]:
    """Return the names that are no columns."""
    return [*_FIELDS, *CHUNK_FIELDS]


def clashes(name: str) -> bool:
    """Say whether a column has the name of a field, so that only ``columns.NAME`` asks for it."""
    return folded_name(name) in field_names() or folded_name(name).startswith(PREFIX)


def _examples() -> str:
    return ", ".join(f"'{known.example}'" for known in (*_FIELDS.values(), *_FEW))


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
    if operator in EQUAL:
        negation = "NOT " if operator == "!=" else ""
        sql = f"{negation}({column} >= ${name}_low AND {column} < ${name}_high)"
        return sql, {f"{name}_low": clamped(low), f"{name}_high": clamped(high)}
    comparison = "<" if operator.startswith("<") else ">="
    return f"{column} {comparison} ${name}", {
        name: clamped(high if operator in ("<=", ">") else low)
    }


_FIELDS = {
    "path": Field(EQUAL, "path=*.jpg", "a glob pattern", _path),
    "type": Field(EQUAL, "type=image/*", "a media type or a glob on one", _media_type),
    "date": Field(ORDERED, "date>=2024-01-31", "an ISO date or date and time", _date),
    "size": Field(ORDERED, "size>100kB", "a number with B, kB, MB, GB, TB or KiB, MiB..", _size),
}


_FEW = (CHUNK_FIELDS["page"], CHUNK_FIELDS["taken"])


def condition_pattern() -> str:
    """Return a regular expression of any condition; what it takes, parse_where may yet refuse.

    For schemas of JSON, so without flags.
    """
    return r"^[^<>=!]*[^\s<>=!]\s*(!=|<=|>=|=|<|>)\s*[^\s<>=!]"
