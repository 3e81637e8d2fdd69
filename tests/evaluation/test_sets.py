"""Sets of every kind that users have are read, and what is wrong with them is counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossmodal.errors import EvaluationError, SetUnreadable
from crossmodal.evaluation.gate import parse_gate
from crossmodal.evaluation.sets import EvaluationSet, Target, read_set


def problems(given: EvaluationSet) -> dict[str, int]:
    return {problem.reason: problem.count for problem in given.problems.listed()}


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_open_clips_tab_separated_file_is_read(tmp_path: Path) -> None:
    given = read_set(
        write(tmp_path / "t.csv", "filepath\ttitle", "a.jpg\tone, two", "b.jpg\tthree")
    )
    assert given.captions == {"a.jpg": ["one, two"], "b.jpg": ["three"]}


def test_several_captions_a_picture_in_a_list_are_read(tmp_path: Path) -> None:
    rows = [json.dumps({"path": "a.jpg", "captions": ["one", "two"]}), "no json", ""]
    given = read_set(write(tmp_path / "c.jsonl", *rows))
    assert given.captions == {"a.jpg": ["one", "two"]}
    assert problems(given) == {"bad_row": 1}


def test_an_unquoted_comma_is_counted_and_not_cut_off(tmp_path: Path) -> None:
    given = read_set(write(tmp_path / "c.csv", "path,caption", "a.jpg,one, two", "b.jpg,three"))
    assert problems(given) == {"bad_row": 1}
    assert given.captions == {"b.jpg": ["three"]}


def test_moments_of_films_have_times(tmp_path: Path) -> None:
    rows = ("path,t_start,t_end,caption", "f.mp4,0,3,a dog", "f.mp4,9,3,backwards")
    given = read_set(write(tmp_path / "s.csv", *rows))
    assert [list(asked.answers) for asked in given.asked] == [[Target("f.mp4", 0.0, 3.0)]]
    assert problems(given) == {"bad_time": 1}


def test_beir_points_to_rows_of_the_corpus_or_to_its_images(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(
        folder / "corpus.jsonl",
        json.dumps({"_id": "d1", "text": "words"}),
        json.dumps({"_id": "d2", "image": "two.jpg"}),
    )
    write(
        folder / "queries.jsonl",
        json.dumps({"_id": "1", "text": "first"}),
        json.dumps({"_id": "2", "text": "second"}),
        json.dumps({"_id": "3", "text": "never judged"}),
    )
    write(folder / "qrels.tsv", "query-id\tcorpus-id\tscore", "1\td1\t2", "2\td2\t1", "2\td9\t1")
    given = read_set(folder)
    assert given.kind == "beir"
    first, second = given.asked
    assert first.answers == {Target(str(folder / "corpus.jsonl"), row=0, name="d1"): 2}
    assert second.answers == {Target("two.jpg"): 1}
    assert problems(given) == {"not_in_corpus": 1, "no_judgement": 1}


def test_trecs_four_columns_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder / "queries.tsv", "7\ta dog", "8\ta cat")
    write(folder / "qrels.txt", "7 0 a.jpg 1", "8 0 b.jpg 0", "9 0 c.jpg 1", "7 0 x y z")
    given = read_set(folder)
    assert [asked.query_id for asked in given.asked] == ["7"]
    assert problems(given) == {"bad_judgement": 1, "judged_but_not_asked": 1, "no_judgement": 1}


def test_folders_whose_names_are_labels_are_read(tmp_path: Path) -> None:
    for name in ("red_cars/1.jpg", "red_cars/2.jpg", "dogs/1.jpg", ".git/x"):
        write(tmp_path / "set" / name, "")
    given = read_set(tmp_path / "set")
    assert sorted(given.labels.values()) == ["dogs", "red cars", "red cars"]


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("a.csv", ("colour,size", "red,3"), "no column that names files"),
        ("a.csv", ("path,caption", ",words"), "no query with an answer"),
        ("a.json", ("{",), "is not JSON"),
        ("a.json", ('"words"',), "no list of records"),
        ("set/only/1.jpg", ("",), "is no evaluation set"),
    ],
)
def test_what_is_no_set_is_refused_with_the_reason(
    tmp_path: Path, name: str, lines: tuple[str, ...], message: str
) -> None:
    path = write(tmp_path / name, *lines)
    with pytest.raises(SetUnreadable, match=message):
        read_set(tmp_path / "set" if name.startswith("set") else path)


def test_a_missing_or_binary_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetUnreadable, match="cannot be read"):
        read_set(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(SetUnreadable, match="cannot be read"):
        read_set(tmp_path / "b.csv")


def test_the_digest_tells_sets_apart(tmp_path: Path) -> None:
    one = read_set(write(tmp_path / "a.csv", "path,caption", "a.jpg,one"))
    two = read_set(write(tmp_path / "b.csv", "path,caption", "a.jpg,two"))
    same = read_set(write(tmp_path / "c.csv", "path,caption", "a.jpg,one"))
    assert one.digest == same.digest != two.digest


@pytest.mark.parametrize(
    "text", ["", "recall@10 >= 0", "text->image recall@7 >= 0", "a->b mAP >= 0", "* mAP > 0"]
)
def test_a_gate_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError, match="such as 'text->image"):
        parse_gate(text)
