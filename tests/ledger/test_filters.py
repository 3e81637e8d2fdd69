from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from crossmodal.errors import FilterError
from crossmodal.ledger.read.conditions import glob_to_regex
from crossmodal.ledger.read.filters import Where, parse_where

SOURCES = [
    ("/photos/cars/red.jpg", "image/jpeg", 100_000, datetime(2024, 1, 31, 12, tzinfo=UTC)),
    ("/photos/cars/Übung 1.PNG", "image/png", 1_000, datetime(2024, 2, 1, tzinfo=UTC)),
    ("/photos/[1].png", "image/png", 1_024, datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ("s3://bucket/cars/blue.jpg", "image/jpeg", 5_000_000, None),
    ("/photos/new\nline.txt", None, 0, datetime(2025, 6, 1, tzinfo=UTC)),
]
RED, UMLAUT, BRACKET, BLUE, LINE = (uri for uri, *_ in SOURCES)


@pytest.fixture(scope="module")
def sources() -> Iterator[Any]:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE source (uri VARCHAR, media_type VARCHAR, size_bytes BIGINT, "
            "mtime_ns BIGINT)"
        )
        for uri, media_type, size, modified in SOURCES:
            mtime_ns = int(modified.timestamp()) * 10**9 if modified else 0
            con.execute("INSERT INTO source VALUES (?, ?, ?, ?)", [uri, media_type, size, mtime_ns])
        yield con


def matching(con: Any, *conditions: str) -> set[str]:
    where = parse_where(list(conditions))
    rows = con.execute(f"SELECT uri FROM source WHERE {where.sql}", where.params).fetchall()
    return {uri for (uri,) in rows}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("path=*.jpg", {RED, BLUE}),
        ("path=red.*", {RED}),
        ("path!=*.jpg", {UMLAUT, BRACKET, LINE}),
        ("path=/photos/cars/*", {RED, UMLAUT}),
        ("path=cars/*", {RED, UMLAUT, BLUE}),
        ("path=ars/*", set()),
        ("path=*/cars/*", {RED, UMLAUT, BLUE}),
        ("path=s3://bucket/**", {BLUE}),
        ("path=?bung 1.PNG", {UMLAUT}),
        ("path=[ÜX]bung*", {UMLAUT}),
        ("path=[!a-z]*", {UMLAUT, BRACKET}),
        ("path=[[]1].png", {BRACKET}),
        ("path=[1].png", set()),
        ("path=new*.txt", {LINE}),
        ("  path =  *.txt ", {LINE}),
        ("PATH=*.txt", {LINE}),
        ("type=image/png", {UMLAUT, BRACKET}),
        ("type=IMAGE/*", {RED, UMLAUT, BRACKET, BLUE}),
        ("type!=image/*", {LINE}),
        ("date=2024-01-31", {RED}),
        ("date!=2024-01-31", {UMLAUT, BRACKET, LINE}),
        ("date>2024-01-31", {UMLAUT, LINE}),
        ("date>=2024-01-31", {RED, UMLAUT, LINE}),
        ("date<2024-01-31", {BRACKET}),
        ("date<=2024-01-31", {RED, BRACKET}),
        ("date<2024-01-31T12:00:01", {RED, BRACKET}),
        ("date=2024-01-31T13:00:00+01:00", {RED}),
        ("date>0001-01-01", {RED, UMLAUT, BRACKET, LINE}),
        ("date<=9999-12-31", {RED, UMLAUT, BRACKET, LINE}),
        ("size=1kB", {UMLAUT}),
        ("size=1 KiB", {BRACKET}),
        ("size!=0", {RED, UMLAUT, BRACKET, BLUE}),
        ("size>100kB", {BLUE}),
        ("size>=0.1MB", {RED, BLUE}),
        ("size<1024", {UMLAUT, LINE}),
        ("size<=1024b", {UMLAUT, BRACKET, LINE}),
        ("size>999999999999999999TiB", set()),
    ],
)
def test_a_condition_selects_these_sources(sources: Any, condition: str, expected: set) -> None:
    assert matching(sources, condition) == expected


def test_all_conditions_must_hold_and_none_means_everything(sources: Any) -> None:
    assert matching(sources, "path=*.png", "size>1000", "type=image/*") == {BRACKET}
    assert matching(sources, "size>1kB", "size<1MB") == {RED, BRACKET}
    assert matching(sources) == {uri for uri, *_ in SOURCES}
    assert parse_where([]) == Where()


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("size", "write FIELD OPERATOR VALUE, such as 'path="),
        ("", "write FIELD OPERATOR VALUE"),
        ("=red", "write FIELD OPERATOR VALUE"),
        ("x" * 300 + "=red", "write FIELD OPERATOR VALUE"),
        ("colour==red", "one operator stands between field and value, of != <= >= = < >, such as"),
        ("colour=!mate", "such as 'colour=mate'"),
        ("year=>2010", "such as 'year=2010'"),
        ("colour=", "give what colour is compared with"),
        ("colour=" + "x" * 2000, "give what colour is compared with"),
        ("colour>red", "'red' is neither a number nor a date"),
        ("type>image/png", "takes = !=, not >"),
        ("path<x", "takes = !=, not <"),
        ("heading>x", "takes = !=, not >"),
        ("page=three", "'three' is not a number"),
        ("language=klingon", "not a language's code"),
        ("duration>long", "'long' is not a time"),
        ("width>wide", "not a number of pixels"),
        ("taken=yesterday", "'yesterday' is not a year, a month"),
        ("type=png", "'png' is not a media type"),
        ("path=", "'' is not a glob pattern"),
        ("path=[z-a]", "not a glob pattern"),
        ("path=" + "*?" * 3000, "not a glob pattern"),
        ("path=a\udc80", "not a glob pattern"),
        ("date>yesterday", "'yesterday' is not an ISO date or date and time; example: date>="),
        ("date=2024-02-30", "not an ISO date"),
        ("size>big", "'big' is not a number with B, kB, MB"),
        ("size>1XB", "not a number with"),
        ("size>-1", "not a number with"),
        ("size>1e3", "not a number with"),
        ("size>1" + "0" * 400, "not a number with"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_is_allowed(
    condition: str, message: str
) -> None:
    with pytest.raises(FilterError) as told:
        parse_where([condition])
    assert message in str(told.value)


@settings(max_examples=150, deadline=None)
@given(field=st.sampled_from(["path", "type", "date", "size"]), value=st.text(max_size=40))
@example("path", "'; DROP TABLE source; --")
@example("path", "$where_0")
@example("type", "image/' OR '1'='1")
@example("path", "\x00\\E.*[[:alpha:]](")
def test_no_value_becomes_sql_or_an_error_of_duckdb(sources: Any, field: str, value: str) -> None:
    try:
        where = parse_where([f"{field}={value}", f"{field}!={value}"])
    except FilterError:
        return
    assert "'; DROP" not in where.sql
    sql = f"SELECT count(*) FROM source WHERE {where.sql}"
    assert sources.execute(sql, where.params).fetchall() == [(0,)]
    assert sources.execute("SELECT count(*) FROM source").fetchall() == [(len(SOURCES),)]


@settings(max_examples=300, deadline=None)
@given(
    pattern=st.text(alphabet="ab*?[]!-^ü\\.\n ", max_size=8),
    name=st.text(alphabet="ab[]!-^ü\\.\n ", max_size=8),
)
def test_globs_match_as_pythons_do(sources: Any, pattern: str, name: str) -> None:
    try:
        regex = glob_to_regex(pattern)
    except ValueError:
        assume(False)
    matched = sources.execute("SELECT regexp_full_match(?, ?, 's')", [name, regex]).fetchall()
    assert matched == [(fnmatch.fnmatchcase(name, pattern),)]
