"""Filters that reach the chunk, by exact search and by codes, before the best are chosen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import parse_where, where_in
from crossmodal.ledger.words.postings import count_words, name_languages
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.records import Lineup, VectorList
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.ann.update import update_codes
from crossmodal.vectors.search import SearchRequest, find
from tests.ledger import build

GERMAN = "Das Haus ist am Hafen und die Boote sind nicht mit dem Netz verbunden."
ENGLISH = "The house is by the harbour and the boats are not on the net."
TABLE = {
    "columns": [{"name": "Model Year"}, {"name": "colour"}, {"name": "size"}, {"name": "note"}]
}
ROWS = (
    "Model Year: 2012; colour: Red; size: 3; note: as good as new\n"
    "Model Year: 2009; colour: blue; size: 4"
)
LONG_ROW = {"rows": [7, 8], "values": {"Model Year": [1999], "colour": ["green"]}}

CHUNKS: dict[str, dict[str, Any]] = {
    "p1": {"meta": {"page": 1, "further_headings": ["Joined section"]},
           "section": "Introduction", "text": GERMAN},
    "p2": {"meta": {"page": 2, "page_end": 4}, "section": "Results \u203a Wings", "text": ENGLISH},
    "photo": {"modality": "image", "meta": {"width": 4000, "height": 3000,
                                            "taken": "2023-07-01T12:30:00"}},
    "small": {"modality": "image", "meta": {"width": 40, "height": 30}},
    "frame": {"modality": "image", "kind": "frame",
              "meta": {"start_s": 0, "duration_s": 95.5, "width": 640, "height": 360}},
    "sound": {"kind": "window", "meta": {"start_s": 4, "end_s": 12.0}},
    "table": {"kind": "table", "meta": TABLE, "text": "Table cars.csv. 2 rows."},
    "rows": {"kind": "rows", "meta": {"rows": [0, 2]}, "text": ROWS},
    "cut a": {"kind": "rows", "meta": LONG_ROW, "text": "Model Year: 1999; colour: green"},
    "cut b": {"kind": "rows", "meta": LONG_ROW, "text": "lengthy remarks"},
}  # fmt: skip


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, Lineup]:
    """Return a collection of one chunk a source, each near to every other."""
    collection = Collection(tmp_path_factory.mktemp("filters") / "c.duckdb")
    draw = np.random.default_rng(1)
    with collection.write() as con:
        lineup = model_versions.register_lineup(con, Lineup.of(build.version()))
        model_versions.set_live(con, lineup)
        rows = [build.planned(f"/data/{name}", name) for name in CHUNKS]
        cut = []
        for row, said in zip(rows, CHUNKS.values(), strict=True):
            changes = {"modality": "text", "kind": "passage"} | said
            changes["meta"] = json.dumps(changes["meta"])
            cut.append(build.vector_row(row, build.unit(*draw.normal(size=4)), **changes))
        shard_writer.commit_shard(con, build.shard(lineup, build.plan(*rows), cut))
        own = [("photo", "label", "red car"), ("photo", "label", "shiny"),
               ("photo", "day", "2024-05-06"),
               ("small", "label", "blue"), ("small", "year", "n/a"), ("photo", "year", "2012"),
               ("small", "model year", "2012")]  # fmt: skip
        con.executemany("INSERT INTO own_column VALUES ('/l.csv', '/data/' || ?, ?, ?)", own)
    for modality in ("image", "text"):
        update_codes(collection, VectorList(lineup.joint, modality), min_vectors=1)
    return collection, lineup


def matching(held: tuple[Collection, Lineup], *conditions: str) -> set[str]:
    """Return the chunks that exact search and codes find alike, with and without the collection."""
    collection, lineup = held
    query, found = build.unit(1, 1, 1, 1), []
    with collection.read() as con:
        for where in (where_in(con, conditions), parse_where(conditions)):
            for codes in (None, CodesFolder(collection.path)):
                hits = [
                    hit.uri.rpartition("/")[2]
                    for modality in ("image", "text")
                    for hit in find(con, _request(lineup, modality, query, where), codes).hits
                ]
                found.append(sorted(hits))
    assert found[1:] == found[:-1]
    return set(found[0])


def _request(lineup: Lineup, modality: str, query: np.ndarray, where: Any) -> SearchRequest:
    return SearchRequest(VectorList(lineup.joint, modality), query, k=20, where=where)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["page=3"], {"p2"}),
        (["page!=3"], {"p1"}),
        (["page<2"], {"p1"}),
        (["page>=4"], {"p2"}),
        (["heading=results"], {"p2"}),
        (["heading=W*"], {"p2"}),
        (["heading=joined*"], {"p1"}),
        (["heading=res*wings"], set()),
        (["heading!=results"], {"p1"}),
        (["language=de"], {"p1"}),
        (["language=English"], {"p2"}),
        (["language!=en"], {"p1"}),
        (["duration>1:30"], {"frame"}),
        (["duration<=12"], {"sound"}),
        (["duration>0.2min"], {"frame"}),
        (["width>=640", "height<3000"], {"frame"}),
        (["width!=40"], {"photo", "frame"}),
        (["taken=2023"], {"photo"}),
        (["taken<2023-07-02"], {"photo"}),
        (["taken>2023-07-01T12:30:00"], set()),
        (["model year>=2010"], {"rows", "small"}),
        (["Model Year=2009", "colour=blue"], {"rows"}),
        (["model year=2012", "colour=blue"], set()),
        (["model year=1999", "colour=GR*"], {"cut a", "cut b"}),
        (["colour!=red"], {"rows", "cut a", "cut b"}),
        (["columns.size>3"], {"rows"}),
        (["note=as good*"], {"rows"}),
        (["label=red*"], {"photo"}),
        (["label!=shiny"], {"small"}),
        (["day>=2024-05"], {"photo"}),
        (["day<2024"], set()),
        (["year<3000"], {"photo"}),
        (["year!=2012"], {"small"}),
        (["label=*", "width>100", "path=*photo"], {"photo"}),
        (["page=1", "path=*p2"], set()),
    ],
)
def test_a_condition_on_chunks_and_columns_lets_these_through(
    held: tuple[Collection, Lineup], conditions: list[str], expected: set[str]
) -> None:
    assert matching(held, *conditions) == expected


def test_a_column_that_is_nowhere_is_refused_with_those_that_are(
    held: tuple[Collection, Lineup],
) -> None:
    with held[0].read() as con, pytest.raises(FilterError) as told:
        where_in(con, ["coulor=red"])
    assert "no field or column 'coulor'" in str(told.value)
    assert "colour, day, label, model year, note, size, year" in str(told.value)


def test_a_source_passes_where_one_of_its_chunks_does(held: tuple[Collection, Lineup]) -> None:
    with held[0].read() as con:
        where = where_in(con, ["model year>=2010"])
        sql = f"SELECT uri FROM source WHERE {where.sql}"
        found = {uri for (uri,) in con.execute(sql, where.params).fetchall()}
    assert found == {"/data/rows", "/data/small"}


def test_languages_of_an_older_collection_are_told_without_a_model(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "old.duckdb")
    with collection.write() as con:
        lineup = model_versions.register_lineup(con, Lineup.of(build.version()))
        row = build.planned("/a.txt", "a")
        cut = build.vector_row(row, build.unit(1, 0, 0, 0), modality="text", text=GERMAN)
        shard_writer.commit_shard(con, build.shard(lineup, build.plan(row), [cut]))
        con.execute("UPDATE worded_chunk SET language = NULL")
    assert count_words(collection) == 0
    assert name_languages(collection) == 1
    assert name_languages(collection) == 0
    with collection.read() as con:
        assert con.execute("SELECT language FROM worded_chunk").fetchall() == [("de",)]


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["colour", "model year", "heading", "label", "taken", "a'b", "{x}"]),
    operator=st.sampled_from(["=", "!=", "<", ">="]),
    value=st.text(max_size=30),
)
@example("label", "=", "'; DROP TABLE own_column; --")
@example("{name}", "=", "{value}")
@example("colour", "=", "$where_0_name")
@example("heading", "=", "[")
def test_no_name_and_no_value_becomes_sql_or_an_error_of_duckdb(
    held: tuple[Collection, Lineup], name: str, operator: str, value: str
) -> None:
    try:
        where = parse_where([f"{name}{operator}{value}"])
    except FilterError:
        return
    with held[0].read() as con:
        passing: Sequence[Any] = con.execute(where.sieve, where.params).fetchall()
        assert len(passing) <= len(CHUNKS)
