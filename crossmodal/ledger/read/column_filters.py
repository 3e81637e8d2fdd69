"""Turn conditions on columns into SQL: of tables that are indexed, and of a user's own CSV.

A table's cells are read from the text of its rows, so that collections from before have them; all
conditions must hold in one row. A user's own columns (``ledger.write.own_columns``) say something
of a whole source; where they say several things, one that matches is enough. A name that both have
may match by either. Numbers compare as numbers and dates as dates; what else is equal goes by glob,
letter case aside. An empty cell is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from crossmodal.errors import FilterError
from crossmodal.ledger.read.conditions import glob_to_regex, literal

if TYPE_CHECKING:
    import duckdb

PREFIX = "columns."
"""Says before a name that it is a column's, where a field has the same name."""
_LONGEST_VALUE = 1000
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,12})?(?:[eE][+-]?\d{1,3})?")
_MOMENT = re.compile(r"\d{4}(?:-\d\d(?:-\d\d(?:[T ][\d:.]{2,15})?)?)?")

_OWN = "uri IN (SELECT uri FROM own_column WHERE name = ${name}_name AND {match})"
_OWN_BUT = f"uri IN (SELECT uri FROM own_column WHERE name = ${{name}}_name) AND NOT ({_OWN})"

# Materialised, since a cell is compared in several ways and costs a regular expression.
_LINES = """
WITH line AS (
    SELECT chunk_id, meta, unnest(string_split(text, chr(10))) AS line
    FROM chunk WHERE kind IN ('rows', 'cell_image') AND {holding}),
cell AS MATERIALIZED (SELECT chunk_id, {cells} FROM line)
SELECT chunk_id, {flags} FROM cell WHERE {any}
"""
# A row that is cut into several chunks names its short values beside each of them.
_CELL = """
coalesce(nullif(regexp_extract(line, ${name}_cell, 2), ''),
    CASE WHEN TRY_CAST(json_extract_string(meta, '$.rows[1]') AS BIGINT)
        - TRY_CAST(json_extract_string(meta, '$.rows[0]') AS BIGINT) = 1
    THEN TRY(json_extract_string(nullif(regexp_extract(
        split_part(meta, '"values":', 2), ${name}_noted, 1), ''), '$[0]')) END)
"""
_CELL_PATTERN = r"(?i)(?:^|; )(%s): (.*?)(?:; [^;:]{1,80}: .*)?$"
_NOTED_PATTERN = r'(?i)"(?:%s)": (\[[^\]]*\])'

_TABLE_COLUMNS = """
SELECT DISTINCT unnest(json_extract_string(meta, '$.columns[*].name')) FROM chunk
WHERE kind = 'table'
"""


class KnownColumns(NamedTuple):
    """Name the columns of a collection, folded."""

    own: frozenset[str]
    of_tables: dict[str, tuple[str, ...]]
    """With the ways in which they are spelt."""


@dataclass(frozen=True, slots=True)
class ColumnCondition:
    """Hold one condition on a column, and where such a column may be."""

    name: str
    """Folded."""
    key: str
    """What the names of its parameters begin with."""
    match: str
    """SQL on ``{value}``, a VARCHAR."""
    params: dict[str, Any]
    negated: bool
    own: bool = True
    of_tables: bool = True
    spelt: tuple[str, ...] = field(default=())

    @property
    def own_sql(self) -> str:
        """Return whether a source passes by the user's own columns, on ``source``."""
        if not self.own:
            return "false"
        sql = _OWN_BUT if self.negated else _OWN
        return sql.format(name=self.key, match=self.match.format(value="value"))

    def within(self, known: KnownColumns) -> ColumnCondition | None:
        """Return the condition as a collection with these columns needs it; None without any."""
        own, spelt = self.name in known.own, known.of_tables.get(self.name, ())
        if not own and not spelt:
            return None
        params = self.params | {f"{self.key}_spelt_{i}": name for i, name in enumerate(spelt)}
        if spelt:
            params |= _patterns(self.key, spelt)
        return replace(self, own=own, of_tables=bool(spelt), spelt=spelt, params=params)

    def either_sql(self, i: int) -> str:
        """Return whether a pair passes by the source's columns or by a row's, number ``i``."""
        return f"({self.own_sql}) OR coalesce(t.row_{i}, false)"

    @property
    def cell_sql(self) -> str:
        """Return the cell of a line of a table, null where it is empty."""
        return _CELL.format(name=self.key)

    @property
    def holding_sql(self) -> str:
        """Return whether a chunk may hold cells of the column at all, which is quickly told."""
        names = (f"${self.key}_spelt_{i}" for i in range(len(self.spelt)))
        parts = (f"contains(text, {name} || ': ') OR contains(meta, {name})" for name in names)
        return " OR ".join(parts) or "true"

    @property
    def row_sql(self) -> str:
        """Return whether a row passes, on its cell ``{self.key}_value``."""
        sql = self.match.format(value=f"{self.key}_value")
        return f"NOT ({sql})" if self.negated else sql


def folded_name(name: str) -> str:
    """Return a column's name as names are compared."""
    return " ".join(name.split()).casefold()


def column_condition(
    condition: str, key: str, operator: str, value: str, name: str
) -> ColumnCondition:
    """Return a condition on a column, its parameters' names beginning with ``name``.

    Raises:
        FilterError: the value cannot be compared so.
    """
    column = folded_name(key)
    column = column.removeprefix(PREFIX) if column != PREFIX else column
    if not 0 < len(value) <= _LONGEST_VALUE or not _encodes(key + value):
        raise FilterError(f"{condition!r}: give what {key} is compared with, such as '{key}=red'")
    try:
        match, params = _match(operator, value, name)
    except ValueError as error:
        raise FilterError(
            f"{condition!r}: {value!r} is neither a number nor a date, and {operator} compares "
            f"nothing else; a text is compared by = or !=, such as '{key}={value}'"
        ) from error
    params |= {f"{name}_name": column, **_patterns(name, [column])}
    return ColumnCondition(column, name, match, params, operator == "!=")


def known_columns(con: duckdb.DuckDBPyConnection) -> KnownColumns:
    """Return the names of the columns of a collection."""
    own = con.execute("SELECT DISTINCT name FROM own_column").fetchall()
    spelt: dict[str, tuple[str, ...]] = {}
    for (name,) in con.execute(_TABLE_COLUMNS).fetchall():
        if name:
            spelt[folded_name(name)] = (*spelt.get(folded_name(name), ()), name)
    return KnownColumns(frozenset(name for (name,) in own), spelt)


def lines_sql(conditions: Sequence[ColumnCondition]) -> str:
    """Return a query for the rows of tables that pass some of the conditions, and which."""
    flags = [f"coalesce({c.row_sql}, false) AS row_{i}" for i, c in enumerate(conditions)]
    cells = [f"{c.cell_sql} AS {c.key}_value" for c in conditions]
    holding = " OR ".join(c.holding_sql for c in conditions)
    some = " OR ".join(f"coalesce({c.row_sql}, false)" for c in conditions)
    return _LINES.format(
        flags=", ".join(flags), cells=", ".join(cells), any=some, holding=f"({holding})"
    )


def _match(operator: str, value: str, name: str) -> tuple[str, dict[str, Any]]:
    """Return SQL on ``{value}``, as if it were not negated, and its parameters."""
    parts, params = [], dict[str, Any]()
    compared = "=" if operator == "!=" else operator
    if compared == "=":
        parts.append(f"regexp_full_match(lower({{value}}), ${name}_glob, 's')")
        params[f"{name}_glob"] = glob_to_regex(value.lower())
    if _NUMBER.fullmatch(value):
        parts.append(f"TRY_CAST({{value}} AS DOUBLE) {compared} ${name}_number::DOUBLE")
        params[f"{name}_number"] = float(value)
    if compared != "=" and _MOMENT.fullmatch(value):
        begin = f"left({{value}}, {len(value)})"
        parts.append(f"({{value}} LIKE '____-__-__%' AND {begin} {compared} ${name}_moment)")
        params[f"{name}_moment"] = value
    if not parts:
        raise ValueError(value)
    return f"({' OR '.join(parts)})", params


def _patterns(key: str, names: Sequence[str]) -> dict[str, Any]:
    """Return the patterns that find a column's cell in a line, and among the values of a row."""
    written = [json.dumps(name)[1:-1] for name in names]
    written += [json.dumps(name, ensure_ascii=False)[1:-1] for name in names]
    return {
        f"{key}_cell": _CELL_PATTERN % _any_of(names),
        f"{key}_noted": _NOTED_PATTERN % _any_of(dict.fromkeys(written)),
    }


def _any_of(texts: Iterable[str]) -> str:
    return "|".join("".join(map(literal, text)) for text in texts)


def _encodes(text: str) -> bool:
    try:
        return bool(json.dumps(text).encode() and text.encode())
    except UnicodeEncodeError:
        return False
