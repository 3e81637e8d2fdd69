"""A run's report: what it says, and that no file name can break it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from crossmodal.ledger.read.unfindable import Unfindable
from crossmodal.records import Rejected
from crossmodal.runs.coverage import broken_promise
from crossmodal.runs.profile import summarise
from crossmodal.runs.report import MAX_IMAGE_BYTES, MAX_ROWS, RunReport, peak_rss_bytes
from tests.runs.spans import model_bound_run


def rejected(uri: str, reason: str = "truncated", detail: str = "ends early") -> Rejected:
    return Rejected(uri=uri, stage="decode", reason=reason, detail=detail)


def make_report(**changes: Any) -> RunReport:
    given: dict[str, Any] = {
        "run_id": "0123456789abcdef",
        "state": "completed",
        "counts": {"added": 96, "unchanged": 0, "renamed": 4},
        "num_planned": 96,
        "num_embedded": 93,
        "bytes_embedded": 9_300_000,
        "min_coverage": 0.95,
        "quarantined": {"damaged": 1, "truncated": 2},
        "rejected": [rejected("/p/a.jpg"), rejected("/p/b.jpg"), rejected("/p/c.jpg", "damaged")],
        "profile": summarise(model_bound_run(), num_cores=2),
        "wall_s": 20.0,
        "peak_rss_bytes": 812_000_000,
    }
    return RunReport(**(given | changes))


def test_text_says_what_was_done() -> None:
    text = make_report().to_text()
    assert text.splitlines()[:6] == [
        "Run 01234567 completed in 20.0 s",
        "sources: 96 added, 4 renamed",
        "embedded: 93 chunks (9.3 MB, 4.65 chunks/s over the whole run)",
        "coverage: 96.87 % (93 of 96 planned; at least 95 % asked)",
        "quarantined: 3",
        "peak memory: 812.0 MB",
    ]
    assert re.search(r"truncated +2\n +damaged +1", text)
    assert text.endswith(make_report().profile.verdict)


def test_files_with_nothing_in_them_are_skipped_and_close_no_gate() -> None:
    skipped = {"empty": 40, "encrypted": 20, "no_content": 20, "unsupported_format": 10}
    report = make_report(quarantined=skipped, rejected=[rejected("/p/a", "empty")])
    assert (report.num_failed, report.num_expected, report.coverage) == (0, 6, 1)
    assert broken_promise(report, []) is None


def test_one_file_of_a_few_closes_no_gate_unless_all_were_asked_for() -> None:
    few: dict[str, Any] = {"num_planned": 3, "quarantined": {"truncated": 1}}
    assert broken_promise(make_report(**few), []) is None
    assert broken_promise(make_report(**few, min_coverage=1.0), []) is not None
    most = make_report(num_planned=3, quarantined={"truncated": 2})
    assert broken_promise(most, []) is not None


def test_report_says_what_no_search_can_find_though_this_run_refused_nothing() -> None:
    report = make_report(
        num_planned=0,
        quarantined={},
        rejected=[],
        unfindable=Unfindable(100, {"truncated": 70, "empty": 10}),
    )
    assert "cannot be found: 80 of 100 files (truncated 70, empty 10)" in report.to_text()


def test_run_with_nothing_to_do_is_fully_covered() -> None:
    report = make_report(
        counts={"unchanged": 96}, num_planned=0, num_embedded=0, quarantined={}, rejected=[]
    )
    assert report.coverage == 1
    assert report.items_per_s is None
    assert "embedded: 0 chunks\n" in report.to_text()
    assert "Quarantined" not in report.to_markdown()


def test_what_another_run_embedded_meanwhile_counts_as_covered() -> None:
    report = make_report(num_planned=96, num_embedded=10, quarantined={"damaged": 1})
    assert report.coverage == pytest.approx(95 / 96)


def test_coverage_is_never_rounded_up_to_complete() -> None:
    report = make_report(num_planned=1_000_000, quarantined={"damaged": 1})
    assert "coverage: 99.99 %" in report.to_text()


def test_withheld_deletions_and_messages_stand_in_every_form() -> None:
    report = make_report(
        withheld=["/photos is missing: 12 sources kept, insist with --allow-delete"],
        messages=["verify found 2 vectors\nwithout a chunk"],
    )
    for shown in (report.to_text(), report.to_markdown()):
        assert "deletion withheld: /photos is missing" in shown
        assert "verify found 2 vectors" in shown
    assert report.to_dict()["withheld"] == report.withheld


def test_long_quarantine_is_cut_and_says_so() -> None:
    many = [rejected(f"/p/{number}.jpg") for number in range(MAX_ROWS + 1234)]
    for listed in (many, many[:MAX_ROWS]):
        report = make_report(rejected=listed, quarantined={"truncated": len(many)})
        assert report.to_markdown().count("/p/") == MAX_ROWS
        assert "and 1,234 more: `crossmodal quarantine` lists them" in report.to_markdown()


@pytest.mark.parametrize(
    "name",
    [
        "/p/a|b.jpg",
        "/p/line\nbreak.jpg",
        "/p/<script>.jpg",
        "/p/![x](http://evil).jpg",
        "/p/\x1b[2J",
    ],
)
def test_no_file_name_leaves_its_cell(name: str) -> None:
    markdown = make_report(rejected=[rejected(name, detail=name)]).to_markdown()
    (row,) = [line for line in markdown.splitlines() if line.startswith("| /p/")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert "<script>" not in markdown
    assert not re.search(r"(?<!\\)\]\(http", markdown)
    assert "\x1b" not in markdown


def test_control_characters_never_reach_the_terminal() -> None:
    report = make_report(messages=["\x1b[2J/p/\udcff.jpg"], quarantined={"odd\x07": 1})
    text = report.to_text()
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    assert "\\udcff" in text
    text.encode("utf-8")


def test_thumbnails_stand_in_a_row_with_their_names_below() -> None:
    thumbnails = [("/p/duck.jpg", b"a"), ("s3://b/a|b.png", b"b")]
    lines = make_report(thumbnails=thumbnails).to_markdown().splitlines()
    (row,) = [number for number, line in enumerate(lines) if "data:image/png" in line]
    assert lines[row].count("data:image/png") == 2
    assert lines[row + 1] == "| --- | --- |"
    assert lines[row + 2] == "| duck.jpg | a\\|b.png |"


def test_thumbnails_are_embedded_up_to_the_limit() -> None:
    thumbnails = [(f"/p/pic{number}.jpg", bytes(60_000)) for number in range(6)]
    markdown = make_report(thumbnails=thumbnails).to_markdown()
    assert re.findall(r"!\[(\w+)\.jpg\]", markdown) == ["pic0", "pic1"]
    assert len(markdown) < MAX_IMAGE_BYTES + 10_000
    encoded = re.search(r"data:image/png;base64,([^)]+)\)", markdown)
    assert encoded is not None
    assert base64.b64decode(encoded[1]) == bytes(60_000)


def test_dict_is_json_and_leaves_the_pictures_out() -> None:
    plain = make_report(thumbnails=[("a", b"png")]).to_dict()
    read = json.loads(json.dumps(plain))
    assert read["counts"]["added"] == 96
    assert read["quarantined"] == {"damaged": 1, "truncated": 2}
    assert read["rejected"][0]["reason"] == "truncated"
    assert read["coverage"] == pytest.approx(93 / 96)
    assert read["profile"]["stages"][1]["name"] == "embed"
    assert "thumbnails" not in read


def test_stages_have_a_verdict_a_picture_and_a_table() -> None:
    report = make_report()
    markdown = report.stages_markdown()
    assert markdown.startswith("## Where run 01234567 spent 20.0 s on 2 cores\n\nmodel-bound: ")
    assert "![where the time went](data:image/png;base64," in markdown
    assert "| · forward |" in markdown
    assert make_report(profile=None).stages_markdown() == "Nothing was timed.\n"


def test_kept_numbers_are_json_and_say_how_it_went() -> None:
    kept = json.loads(json.dumps(make_report().kept()))
    assert kept["num_quarantined"] == 3
    assert kept["coverage"] == pytest.approx(93 / 96)
    assert kept["quarantined"] == {"damaged": 1, "truncated": 2}
    assert "rejected" not in kept


def test_peak_memory_is_in_bytes() -> None:
    assert 10_000_000 < peak_rss_bytes() < 100_000_000_000
