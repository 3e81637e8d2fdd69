from __future__ import annotations

from dataclasses import fields

import pytest

from crossmodal.embedding.rows import (
    STATES,
    CutChunk,
    EmbeddedChunk,
    PlannedSource,
    ReadSource,
    alive,
    arrow_type,
    from_arrow,
    to_arrow,
)
from crossmodal.errors import Refused
from crossmodal.records import CHUNK_SCHEMA, PLAN_SCHEMA

PLANNED = PlannedSource("/a.txt", "1f", "text/1", "text/plain", 12)
CUT = CutChunk("/a.txt", "1f", "text/1", 3, "passage", "text", None, "A", "b", "{}", b"b", "", 12)
ROWS = [PLANNED, PLANNED.read(b"content"), CUT, CUT.embedded(b"\0\0\0\0", None)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_rows_and_refusals_come_back_from_arrow_as_they_were(row) -> None:
    refusal = row.refused("read", Refused("missing", "it is gone"), "page 3")
    rows = [row, refusal, row]
    array = to_arrow(rows, type(row))
    assert array.type == arrow_type(type(row))
    assert from_arrow(array, type(row)) == rows
    assert from_arrow(array[1:], type(row)) == rows[1:]
    assert alive(rows) == [row, row]


def test_large_file_travels_without_its_content() -> None:
    row = PLANNED.read(None)
    assert from_arrow(to_arrow([row], ReadSource), ReadSource) == [row]


def test_each_operator_takes_what_the_one_before_it_gives() -> None:
    assert [STATES[name] for name in ("read", "decode", "forward")] == [
        (PlannedSource, ReadSource),
        (ReadSource, CutChunk),
        (CutChunk, EmbeddedChunk),
    ]


def test_row_of_a_state_has_only_what_the_state_knows() -> None:
    assert {field.name for field in fields(PlannedSource)} <= set(PLAN_SCHEMA.names)
    kept = {field.name for field in fields(EmbeddedChunk)}
    assert kept - set(CHUNK_SCHEMA.names) == {"vector", "joint_vector"}
    assert not hasattr(CUT, "media_type")
