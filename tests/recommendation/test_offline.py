from __future__ import annotations

from pathlib import Path

import pytest

from crossmodal.errors import FilterError, PathError
from crossmodal.recommendation.event_log import read_log
from crossmodal.recommendation.offline import evaluate, ndcg
from crossmodal.recommendation.options import RecommendOptions

KNOWN = {"a.jpg": "/p/a.jpg", "b.jpg": "/p/b.jpg"}


def log(folder: Path, *rows: str, header: str = "who,what,when,how") -> Path:
    path = folder / "log.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def test_every_row_is_used_or_counted(tmp_path: Path) -> None:
    path = log(
        tmp_path,
        "ann,a.jpg,2024-01-01,like",
        "ann,nowhere.jpg,2024-01-02,like",
        "ann,b.jpg,yesterday,like",
        ",b.jpg,2024-01-02,like",
        "ann,b.jpg,2024-01-02,ponder",
        "ann,b.jpg,nan,5",
        "ann,b.jpg",
        "bob,b.jpg,1704067200,0.5",
    )
    found = read_log(path, KNOWN.get)
    assert found.num_rows == 8
    assert len(found.events) + sum(found.unused.values()) == 8
    assert found.unused == {
        "unknown item": 1,
        "time not understood": 3,
        "nobody named": 1,
        "neither like nor dislike": 1,
    }
    assert [event.liked for event in found.events] == [True, False]


def test_clocks_that_run_backwards_are_counted_and_put_in_order(tmp_path: Path) -> None:
    path = log(tmp_path, "ann,a.jpg,2024-01-05,like", "ann,b.jpg,2024-01-01,like")
    found = read_log(path, KNOWN.get)
    assert found.num_backwards == 1
    assert [event.uri for event in found.events] == ["/p/b.jpg", "/p/a.jpg"]


def test_a_file_without_the_columns_is_refused_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"no column when, how.*who, what, when, how"):
        read_log(log(tmp_path, header="who,what"), KNOWN.get)
    with pytest.raises(PathError, match="cannot read the event log"):
        read_log(tmp_path / "none.csv", KNOWN.get)


def test_people_who_keep_their_taste_are_foretold(kinds: Path, tmp_path: Path) -> None:
    rows = [
        f"{kind},{kind}s/{number}.jpg,2024-01-{number + 1:02},like"
        for number in range(20)
        for kind in ("apple", "boat", "cat")
    ]
    rows += [f"apple,cats/{number}.jpg,2024-01-01,hide" for number in range(3)]
    options = RecommendOptions(collection=str(kinds), k=8, modalities=("image",))
    found = evaluate(log(tmp_path, *rows), options)
    assert found.num_people == 3
    assert found.recommended.recall > 0.9
    assert found.recommended.ndcg > found.most_liked.ndcg
    assert 0 < found.recommended.coverage < 1


def test_a_log_without_a_future_is_refused(kinds: Path, tmp_path: Path) -> None:
    rows = ["ann,apples/0.jpg,2024-01-01,like"]
    with pytest.raises(FilterError, match="both before and after the split"):
        evaluate(log(tmp_path, *rows), RecommendOptions(collection=str(kinds)))
    with pytest.raises(FilterError, match="1 unknown item"):
        evaluate(log(tmp_path, "a,b,1,like"), RecommendOptions(collection=str(kinds)))


def test_ndcg_is_1_for_a_perfect_answer_and_counts_places() -> None:
    assert ndcg([True, True], 2, 10) == pytest.approx(1.0)
    assert ndcg([False, True], 1, 10) == pytest.approx(0.6309, abs=1e-4)
    assert ndcg([], 0, 10) == 0.0
