from __future__ import annotations

from dataclasses import replace

from crossmodal.records import Lineup, VectorList
from crossmodal.search.lists import lists_for_text
from tests.ledger.build import version

JOINT = version()
SENTENCES = replace(version("sentences"), encoders={"text": "sentence"})
CLAP = replace(version("clap"), encoders={"audio": "audio", "text": "text"})


def named(lists: list[VectorList]) -> list[tuple[str, str]]:
    return [(found.version.name, found.modality) for found in lists]


def test_a_text_meets_each_passage_in_one_list_only() -> None:
    lists = list(Lineup.of(JOINT, SENTENCES, audio=CLAP).all_lists)
    assert ("tiny", "text") in named(lists)
    assert named(lists_for_text(lists)) == [
        ("tiny", "image"),
        ("sentences", "text"),
        ("clap", "audio"),
    ]


def test_a_joint_model_that_reads_all_texts_is_asked_for_them() -> None:
    lists = list(Lineup.of(JOINT).all_lists)
    assert named(lists_for_text(lists)) == [("tiny", "image"), ("tiny", "text")]


def test_short_texts_alone_can_still_be_asked_for() -> None:
    short = [VectorList(JOINT, "text")]
    assert lists_for_text(short) == short
