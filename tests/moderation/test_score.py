"""What is scored, what becomes a finding, and what is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossmodal.ledger.read.findings import Finding, findings
from crossmodal.ledger.write import reviews
from crossmodal.ledger.write.findings import FoundBy, NewFinding, add_findings
from crossmodal.ledger.write.reviews import Act
from tests.moderation.world import ALLOWED, VIOLATES, World, policy


def of(world: World, state: str | None = "open") -> list[Finding]:
    with world.collection.read() as con:
        return findings(con, state)


def uris(found: list[Finding]) -> set[str]:
    return {f.uri for f in found}


def test_what_violates_a_policy_is_found_with_its_evidence(found: World) -> None:
    open_ones = of(found)
    assert uris(open_ones) == {"/photos/57.png", "/photos/58.png", "/photos/59.png"}
    evidence = open_ones[0].evidence
    assert evidence["sentence_violates"]["shown"] == VIOLATES
    assert evidence["sentence_allowed"]["shown"] == ALLOWED
    assert evidence["model"] == found.model.label
    assert evidence["thresholds"]["by"] == "chance"
    assert open_ones[0].score > evidence["thresholds"]["review"]
    assert (open_ones[0].run_id, open_ones[0].severity) == ("run", "high")


def test_a_rerun_with_nothing_new_scores_nothing_and_asks_no_model(
    found: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_model(*_: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("crossmodal.encoders.cache.load_version", no_model)
    tally, report = found.moderate(policy(), run_id="again")
    assert (tally.num_scored, tally.num_new) == (0, 0)
    assert report["problems"] == []
    assert len(of(found)) == 3


def test_only_new_chunks_are_scored_and_by_the_same_measure(found: World) -> None:
    before = of(found)[0].evidence["thresholds"]
    found.add(0.93, 0.0)
    tally, _ = found.moderate(policy(), run_id="again")
    assert (tally.num_scored, tally.num_new) == (2, 1)
    newest = next(f for f in of(found) if f.uri == "/photos/60.png")
    assert newest.evidence["thresholds"] == before
    assert newest.run_id == "again"


def test_a_list_that_doubled_is_measured_anew_without_asking_twice(found: World) -> None:
    decided = of(found)[0].finding_id
    with found.collection.write() as con:
        reviews.decide(con, decided, "allowed", Act(actor="Ann"))
    found.add(*np.random.default_rng(2).uniform(-0.3, 0.3, 70))
    numbers = {f.finding_id for f in of(found)}
    tally, _ = found.moderate(policy(), run_id="again")
    assert tally.num_scored == 130
    assert numbers <= {f.finding_id for f in of(found)}
    with found.collection.read() as con:
        asked = [f.chunk_id for f in findings(con, None) if f.state != "withdrawn"]
    assert len(asked) == len(set(asked)) >= 3
    assert decided not in {f.finding_id for f in of(found)}


def test_a_changed_policy_takes_its_open_findings_back_and_scores_all(found: World) -> None:
    found.teach({"a bear": 0.1})
    changed = policy(**{VIOLATES: "a bear"})
    tally, _ = found.moderate(changed)
    assert tally.num_scored == 60
    assert tally.num_withdrawn == 3
    assert {f.policy_hash for f in of(found)} <= {changed.content_hash}


def test_an_example_teaches_what_the_sentences_do_not_say(world: World) -> None:
    world.add(*np.random.default_rng(1).uniform(-0.3, 0.3, 60), modality="text", kind="passage")
    texts = {f"wolf {i}": 0.9 + i / 1000 for i in range(8)} | {
        f"chair {i}": -0.2 + i / 100 for i in range(8)
    }
    world.teach(texts, role="passage")
    lines = "\n".join(
        f"- {'violates' if text.startswith('wolf') else 'allowed'}: {text}" for text in texts
    )
    taught = policy(**{"severity: high": "severity: high\nbase_rate: 0.05"})
    from crossmodal.moderation.policy import parse_policy

    text = taught.body + "\n## Examples\n" + lines
    whole = "---\nid: wolves\nbase_rate: 0.05\n---\n" + text
    world.add(0.88, modality="text", kind="passage")
    _, report = world.moderate(parse_policy(whole, "x"))
    (measure,) = report["measures"]
    assert measure["by"] == "examples"
    assert (measure["num_violates"], measure["num_allowed"]) == (8, 8)
    assert measure["recall"]["low"] < measure["recall"]["value"] <= measure["recall"]["high"]
    assert uris(of(world)) == {"/photos/60.png"}
    assert of(world)[0].evidence["example_violates"]["shown"].startswith("wolf")


def test_words_recognised_in_a_picture_count_for_policies_on_pictures(world: World) -> None:
    world.add(*np.random.default_rng(1).uniform(-0.3, 0.3, 60))
    world.add(0.0, 0.93, modality="text", kind="passage")
    on_pictures = policy(**{"severity: high": "modalities: [image]"})
    world.moderate(on_pictures)
    assert of(world) == []
    world.add(0.93, modality="text", kind="ocr", parent=0, text="wolf")
    world.moderate(on_pictures)
    (finding,) = of(world)
    assert (finding.uri, finding.evidence["kind"]) == ("/photos/62.png", "ocr")


def test_only_what_is_known_to_be_in_another_language_is_left_alone(world: World) -> None:
    world.add(*np.random.default_rng(1).uniform(-0.3, 0.3, 60), modality="text", kind="passage")
    for meta in ('{"language": "fr"}', '{"language": "en"}', "{}"):
        world.add(0.93, modality="text", kind="passage", meta=meta)
    world.moderate(policy(**{"severity: high": "languages: [en]"}))
    assert uris(of(world)) == {"/photos/61.png", "/photos/62.png"}


def test_a_policy_that_matches_everything_fills_no_queue(world: World) -> None:
    world.add(*np.random.default_rng(1).uniform(0.7, 0.95, 60))
    greedy = policy(**{"severity: high": "thresholds: {review: -50}"})
    tally, report = world.moderate(greedy)
    assert tally.num_new == 0
    assert "would flag 100% of the image chunks" in report["problems"][0]
    _, again = world.moderate(greedy)
    assert again["problems"] == report["problems"]
    assert again["num_scored"] == 0


def test_findings_of_files_that_are_gone_are_taken_back(found: World) -> None:
    with found.collection.write() as con:
        con.execute("DELETE FROM source WHERE uri = '/photos/58.png'")
    tally, _ = found.moderate(policy())
    assert tally.num_withdrawn == 1
    assert uris(of(found)) == {"/photos/57.png", "/photos/59.png"}


def test_nothing_is_hidden_unless_the_policy_says_so(found: World) -> None:
    assert not any(f.is_hidden for f in of(found))
    first = of(found)[0].finding_id
    with found.collection.write() as con:
        decided = reviews.decide(con, first, "violates", Act(actor="Ann"))
    assert not decided.is_hidden
    found.moderate(policy(**{"severity: high": "action: hide\nthresholds: {review: 2, first: 2}"}))
    assert all(f.is_hidden for f in of(found))


def test_findings_keep_to_their_place_when_a_file_is_cut_anew(found: World) -> None:
    decided, undecided, other = of(found)
    with found.collection.write() as con:
        reviews.decide(con, decided.finding_id, "allowed", Act(actor="Ann"))
    moved = [found.cut_anew(f.uri, 0.93) for f in (decided, undecided)]
    found.cut_anew(other.uri, 0.93, meta='{"page": 2}')
    with found.collection.read() as con:
        after = {f.finding_id: f for f in findings(con, state=None)}
    assert [after[f.finding_id].chunk_id for f in (decided, undecided)] == moved
    tally, _ = found.moderate(policy(), run_id="again")
    assert tally.num_scored == 3
    assert [f.uri for f in of(found) if f.run_id == "again"] == [other.uri]
    assert undecided.finding_id in {f.finding_id for f in of(found)}
    assert [f.finding_id for f in of(found, "allowed")] == [decided.finding_id]
    assert [f.finding_id for f in of(found, "withdrawn")] == [other.finding_id]


def test_one_place_is_asked_of_once_even_by_two_chunks(found: World) -> None:
    same = {"modality": "text", "kind": "passage", "text": "a wolf"}
    found.add(0.0, **same)
    with found.collection.write() as con:
        found_by = FoundBy(
            policy_id="wolves",
            policy_hash="other",
            model_version_id=1,
            modality="text",
            run_id="run",
        )
        con.execute(
            "INSERT INTO chunk (content_hash, chunker, kind, ordinal, meta, run_id, modality, "
            "parent, section, text) SELECT content_hash, chunker, kind, 1, meta, run_id, modality, "
            "parent, section, text FROM chunk WHERE text = 'a wolf'"
        )
        ids = con.execute("SELECT chunk_id FROM chunk WHERE text = 'a wolf' ORDER BY 1").fetchall()
        new = [
            NewFinding(chunk_id=i, score=3.0, is_first=True, is_hidden=False, evidence={})
            for (i,) in ids
        ]
        assert add_findings(con, found_by, new[:1]) == (1, 1)
        assert add_findings(con, found_by, new) == (0, 0)
