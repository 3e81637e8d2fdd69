from __future__ import annotations

from typing import Any

import pytest

from crossmodal.views.places import clock, place_of, snippet


@pytest.mark.parametrize(
    ("meta", "place"),
    [
        ({"width": 640, "format": "JPEG"}, ""),
        ({"page": 3}, "page 3"),
        ({"start_s": 72.4, "end_s": 80.0}, "at 1:12"),
        ({"start_s": 72.4, "end_s": 80.0, "num_frames": 4}, "at 1:12 to 1:20"),
        ({"rows": [20, 40]}, "rows 21 to 40"),
        ({"rows": [20, 21], "sheet": "Prices"}, "sheet Prices, row 21"),
        ({"row": 7, "column": "photo"}, "row 8"),
    ],
)
def test_a_place_is_told_in_words(meta: dict[str, Any], place: str) -> None:
    assert place_of(meta) == place


def test_hours_are_shown_only_where_there_are_any() -> None:
    assert [clock(0), clock(59.9), clock(3723)] == ["0:00", "0:59", "1:02:03"]


def test_a_snippet_is_one_line_and_says_when_it_is_cut() -> None:
    assert snippet("two\n  lines") == "two lines"
    assert snippet("word " * 100, 20) == "word word word word…"
