"""A policy is what its text says, or one sentence on why it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmodal.errors import PathError
from crossmodal.moderation.folder import read_policies
from crossmodal.moderation.policy import Policy, PolicyError, parse_policy
from tests.drawn import draw_picture
from tests.moderation.world import POLICY


def write(folder: Path, name: str, text: str = POLICY, examples: str | None = None) -> Path:
    place = folder / name
    place.mkdir(parents=True)
    (place / "policy.md").write_text(text)
    if examples is not None:
        (place / "examples.csv").write_text(examples)
    return place


def test_policy_says_its_fields_sentences_and_labelled_examples() -> None:
    text = POLICY.replace(
        "severity: high",
        "severity: high\nmodalities: [text, image]\n"
        "base_rate: 0.02\nthresholds: {review: 1.5, first: 3}\nlanguages: EN",
    )
    text += "Two sentences. Both count.\n\n## Examples\n- violates: Send wolves.\n- See also.\n"
    found = parse_policy(text, "x")
    assert (found.id, found.version, found.severity) == ("wolves", "3", "high")
    assert found.modalities == ("text", "image")
    assert (found.base_rate, found.review, found.first) == (0.02, 1.5, 3.0)
    assert found.languages == ("en",)
    assert found.title == "No wolves"
    assert found.allowed == ("a chair in a room Two sentences.", "Both count.")
    assert [(e.side, e.text) for e in found.examples] == [("violates", "Send wolves.")]


def test_policy_comes_back_from_the_ledger_as_it_was() -> None:
    import json

    found = parse_policy(POLICY + "\n## Examples\n- allowed: A chair.\n", "x")
    again = Policy.of(json.loads(found.to_json()))
    assert again == found
    assert again.content_hash == found.content_hash


def test_every_change_of_a_policy_changes_its_hash() -> None:
    hashes = {
        parse_policy(POLICY.replace(*change), "x").content_hash
        for change in (
            ("", ""),
            ("version: 3", "version: 4"),
            ("field", "forest"),
            ("high", "low"),
            ("People", "We"),
        )
    }
    assert len(hashes) == 5


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("---\nid", "id"), "no front matter"),
        (("id: wolves", "id: ../../etc"), "id is '../../etc'"),
        (("id: wolves", "name: wolves"), "nobody knows the field 'name'"),
        (("id: wolves", "id: [a"), "is no YAML"),
        (("severity: high", "severity: deadly"), "none, low, medium, high, severe"),
        (("severity: high", "action: delete"), "allowed are review, hide"),
        (("severity: high", "modalities: [smell]"), "'smell' is no modality"),
        (("severity: high", "base_rate: 7"), "more than 0 and less than 1"),
        (("severity: high", "thresholds: {review: 3, first: 1}"), "exchange them"),
        (("severity: high", "thresholds: {review: high}"), "which is no number"),
        (("## Violates", "## Rules"), "says nothing that violates it"),
        (("a chair in a room", "a wolf in a field"), "under Violates and under Allowed"),
    ],
)
def test_what_is_no_policy_is_told_in_a_sentence(change: tuple[str, str], told: str) -> None:
    with pytest.raises(PolicyError, match="policy") as raised:
        parse_policy(POLICY.replace(*change, 1), "policy.md")
    assert told in str(raised.value)


def test_sentences_that_say_what_is_not_there_are_pointed_out() -> None:
    found = parse_policy(POLICY.replace("a chair in a room", "a field without wolves"), "x")
    assert "describe what is seen" in found.notices[0]


def test_one_broken_policy_does_not_keep_the_others_from_work(tmp_path: Path) -> None:
    write(tmp_path, "good")
    write(tmp_path, "empty", "")
    found = read_policies(str(tmp_path))
    assert [p.id for p in found.policies] == ["wolves"]
    assert len(found.problems) == 1
    assert "empty/policy.md has no front matter" in found.problems[0]


def test_two_policies_of_one_id_are_both_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path, "b")
    write(tmp_path, "c", POLICY.replace("id: wolves", "id: bears"))
    found = read_policies(str(tmp_path))
    assert [p.id for p in found.policies] == ["bears"]
    assert "a/policy.md and b/policy.md have the same id 'wolves'" in found.problems[0]


def test_examples_are_texts_and_pictures(tmp_path: Path) -> None:
    place = write(
        tmp_path, "a", examples="label,path,text\nviolates,,Send money.\nallowed,1.png,\n"
    )
    draw_picture(1).save(place / "1.png")
    (policy,) = read_policies(str(tmp_path)).policies
    assert [(e.side, e.shown, e.modality) for e in policy.examples] == [
        ("violates", "Send money.", "text"),
        ("allowed", "1.png", "image"),
    ]


def test_the_same_picture_under_two_names_may_not_have_two_labels(tmp_path: Path) -> None:
    place = write(tmp_path, "a", examples="label,path\nviolates,1.png\nallowed,2.png\n")
    for name in ("1.png", "2.png"):
        draw_picture(1).save(place / name)
    (problem,) = read_policies(str(tmp_path)).problems
    assert "contradict each other: '2.png' is allowed, and '1.png'" in problem


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("text\nx\n", "has to name the columns label"),
        ("label,text\nmaybe,x\n", "line 2: the label is 'maybe'"),
        ("label,text,path\nallowed,x,y\n", "line 2: an example is either a path or a text"),
        ("label,text\nallowed,\n", "and this is neither"),
        ("label,path\nallowed,gone.png\n", "gone.png cannot be read: No such file"),
        ('label,text\nallowed,"x', "is no CSV"),
        ("label,text\nallowed,x\x1b[2Jy\nviolates,x\x1b[2Jy\n", r"'x\\x1b[2Jy'"),
    ],
)
def test_what_is_wrong_with_examples_is_told_in_a_sentence(
    tmp_path: Path, table: str, told: str
) -> None:
    write(tmp_path, "a", examples=table)
    (problem,) = read_policies(str(tmp_path)).problems
    assert told in problem
    assert "\x1b" not in problem


def test_a_pipe_in_place_of_a_picture_is_not_waited_for(tmp_path: Path) -> None:
    import os

    place = write(tmp_path, "a", examples="label,path\nallowed,pipe.png\n")
    os.mkfifo(place / "pipe.png")
    assert "cannot be read" in read_policies(str(tmp_path)).problems[0]


def test_a_folder_without_policies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="holds no policy"):
        read_policies(str(tmp_path))
    with pytest.raises(PathError, match="is no folder"):
        read_policies(str(tmp_path / "nowhere"))
