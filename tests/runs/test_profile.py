"""Profiles computed by hand, and the verdicts that follow from them."""

from __future__ import annotations

import json

import pytest

from crossmodal.runs.profile import compare, summarise
from crossmodal.runs.profile_view import comparison_table, profile_table
from tests.runs.spans import model_bound_run, span


def test_stages_add_up_their_shards_and_share_the_run() -> None:
    profile = summarise(model_bound_run(), num_cores=2)
    assert profile.wall_s == pytest.approx(20)
    shares = {stage.name: (stage.wall_s, stage.share) for stage in profile.stages}
    assert shares == {
        "discover": (pytest.approx(2), pytest.approx(0.1)),
        "embed": (pytest.approx(16), pytest.approx(0.8)),
        "store": (pytest.approx(2), pytest.approx(0.1)),
    }
    embed = profile.stages[1]
    assert embed.num_items == 100
    assert embed.items_per_s == pytest.approx(6.25)
    assert embed.bytes_per_s == pytest.approx(6250)


def test_operator_counts_calls_busy_time_and_its_share_of_the_stage() -> None:
    embed = summarise(model_bound_run(), num_cores=2).stages[1]
    forward = next(operator for operator in embed.operators if operator.name == "forward")
    assert forward.num_calls == 16
    assert forward.busy_s == pytest.approx(14.4)
    assert forward.utilisation == pytest.approx(0.9)
    assert forward.items_per_s == pytest.approx(16 * 12 / 14.4)


def test_calls_that_overlap_are_busy_twice_but_active_once() -> None:
    spans = [
        span("embed", "", 0, 10),
        span("embed", "decode", 0, 6, worker="a", num_items=6),
        span("embed", "decode", 4, 6, worker="b", num_items=6),
        span("embed", "decode", 5, 1, worker="c"),
    ]
    (decode,) = summarise(spans, num_cores=4).stages[0].operators
    assert decode.busy_s == pytest.approx(13)
    assert decode.active_s == pytest.approx(10)
    assert decode.utilisation == 1
    assert decode.items_per_s == pytest.approx(1.2)


def test_shards_that_overlap_do_not_make_a_stage_longer_than_the_run() -> None:
    spans = [span("embed", "", 0, 6, num_items=3), span("embed", "", 2, 8, num_items=3)]
    (embed,) = summarise(spans, num_cores=2).stages
    assert embed.wall_s == pytest.approx(10)
    assert embed.share == pytest.approx(1)


def test_stage_without_counts_takes_those_of_its_operators() -> None:
    spans = [
        span("embed", "", 0, 4),
        span("embed", "read", 0, 2, num_items=8, num_bytes=800),
        span("embed", "forward", 2, 2, num_items=7),
    ]
    (embed,) = summarise(spans, num_cores=2).stages
    assert (embed.num_items, embed.num_bytes) == (8, 800)


@pytest.mark.parametrize(
    ("operator", "busy_s", "verdict"),
    [
        ("forward", 9.2, "model-bound: forward busy 92 % of the embed stage"),
        ("decode", 8.0, "decode-bound: decode busy 80 % of the embed stage"),
        ("read", 7.0, "I/O-bound: read busy 70 % of the embed stage"),
        ("forward", 3.0, "waiting-bound: even forward, the busiest, is busy 30 %"),
    ],
)
def test_verdict_names_the_busiest_operator_of_the_longest_stage(
    operator: str, busy_s: float, verdict: str
) -> None:
    spans = [
        span("discover", "", 0, 1),
        span("embed", "", 1, 10),
        span("embed", "other", 1, 1),
        span("embed", operator, 1, busy_s),
    ]
    assert summarise(spans, num_cores=2).verdict.startswith(verdict)


@pytest.mark.parametrize(
    ("stage", "verdict"),
    [("store", "storage-bound"), ("plan", "I/O-bound"), ("sharpen", "sharpen-bound")],
)
def test_verdict_names_the_longest_stage_where_it_has_no_operators(
    stage: str, verdict: str
) -> None:
    spans = [span(stage, "", 0, 9), span("embed", "", 9, 1), span("embed", "forward", 9, 1)]
    assert summarise(spans, num_cores=2).verdict == f"{verdict}: {stage} is 90 % of the run"


def test_no_spans_give_an_empty_profile() -> None:
    profile = summarise([], num_cores=2)
    assert (profile.wall_s, profile.stages, profile.verdict) == (0, [], "nothing was timed")
    assert profile_table(profile).rows == []


def test_spans_of_no_length_do_not_divide_by_zero() -> None:
    profile = summarise([span("embed", "", 0, 0, num_items=3)], num_cores=2)
    assert profile.stages[0].items_per_s is None
    assert profile.verdict == "nothing was timed"


def test_comparison_says_how_many_times_faster() -> None:
    now = summarise([span("embed", "", 0, 5, num_items=100)], num_cores=2)
    earlier = summarise([span("embed", "", 0, 20, num_items=200)], num_cores=2)
    (ratio,) = compare(now, earlier)
    assert (ratio.seconds, ratio.earlier_seconds) == (5, 20)
    assert ratio.speedup == pytest.approx(2)


def test_comparison_keeps_what_only_one_run_has() -> None:
    now = summarise(
        [span("embed", "", 0, 5), span("embed", "forward", 0, 4, num_items=4)], num_cores=2
    )
    earlier = summarise([span("embed", "", 0, 2), span("store", "", 2, 1)], num_cores=2)
    seen = {(r.stage, r.operator): (r.seconds, r.earlier_seconds) for r in compare(now, earlier)}
    assert seen == {
        ("embed", ""): (5, 2),
        ("embed", "forward"): (4, None),
        ("store", ""): (None, 1),
    }
    assert all(ratio.speedup is None for ratio in compare(now, earlier))


def test_table_lists_operators_under_their_stage_and_the_time_between() -> None:
    spans = [*model_bound_run(), span("report", "", 24, 1)]
    table = profile_table(summarise(spans, num_cores=2))
    assert [row[0] for row in table.rows] == [
        "discover",
        "embed",
        "· decode",
        "· forward",
        "store",
        "report",
        "(between stages)",
    ]
    embed, between = table.rows[1], table.rows[-1]
    assert embed[1:6] == ["16.0 s", "64 %", "100", "6.25", "6.2 kB/s"]
    assert between[1:3] == ["4.0 s", "16 %"]


def test_table_is_whole_as_text_and_as_markdown() -> None:
    profile = summarise(model_bound_run(), num_cores=2)
    text = profile_table(profile).to_text()
    assert "20.0 s on 2 cores" in text
    assert "busy 90 %" in text
    assert max(map(len, text.splitlines())) <= 120
    markdown = profile_table(profile).to_markdown().splitlines()
    assert markdown[0] == "| stage | time | share | items | items/s | bytes/s | calls |"
    assert len(markdown) == 2 + len(profile_table(profile).rows)
    assert {line.count("|") for line in markdown} == {8}


def test_comparison_table_shows_the_speed_up() -> None:
    now = summarise([span("embed", "", 0, 5, num_items=100)], num_cores=2)
    earlier = summarise([span("embed", "", 0, 20, num_items=200)], num_cores=2)
    (row,) = comparison_table(compare(now, earlier)).rows
    assert row == ["embed", "5.0 s", "20.0 s", "20", "10", "2.00 x"]


def test_profile_is_json_with_its_rates() -> None:
    profile = summarise(model_bound_run(), num_cores=2)
    plain = json.loads(json.dumps(profile.to_dict()))
    assert plain["stages"][1]["items_per_s"] == pytest.approx(6.25)
    assert plain["stages"][1]["operators"][0]["name"] == "decode"
    assert plain["stages"][1]["operators"][0]["items_per_s"] == pytest.approx(25)
    assert plain["verdict"] == profile.verdict


def test_time_of_the_run_outside_its_stages_is_counted_once() -> None:
    spans = [span("plan", "", 0, 2), span("embed", "", 3, 4), span("store", "", 5, 3)]
    profile = summarise(spans, num_cores=2, wall_s=10.0)
    assert profile.wall_s == 10.0
    assert profile.between_s == pytest.approx(3)
    (between,) = (row for row in profile_table(profile).rows if row[0] == "(between stages)")
    assert list(between[1:3]) == ["3.0 s", "30 %"]
