"""A judge gives its view of the pictures that were found, once, as evidence and nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crossmodal.errors import ModelUnsupported
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.findings import find_finding, findings
from crossmodal.ledger.write import reviews
from crossmodal.moderation import judge as judging
from crossmodal.moderation.judge import Judged, judge_files, load_judge, second
from crossmodal.moderation.shown import finding_text
from tests.moderation.hiding import ANN
from tests.moderation.world import World, policy
from tests.tiny_rerankers import build_cross_encoder, build_shield


@pytest.fixture(scope="module")
def shield(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shield(tmp_path_factory.mktemp("shield") / "tiny-shield")


@pytest.fixture
def seen(found: World, tmp_path: Path) -> World:
    """Return a collection whose findings are of pictures on the disk, but for the last."""
    with found.collection.write() as con:
        for number, colour in ((57, "red"), (58, "blue")):
            path = tmp_path / f"{number}.png"
            Image.new("RGB", (48, 40), colour).save(path)
            con.execute(
                "UPDATE source SET uri = ?, media_type = 'image/png' WHERE uri = ?",
                [str(path), f"/photos/{number}.png"],
            )
    return found


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list of what was loaded, for real."""
    loaded: list[Any] = []
    really = load_judge
    monkeypatch.setattr(judging, "load_judge", lambda *given: loaded.append(1) or really(*given))
    return loaded


def views(collection: Collection) -> dict[str, Any]:
    with collection.read() as con:
        return {f.uri.rpartition("/")[2]: f.evidence.get("judge") for f in findings(con)}


def test_each_finding_in_a_picture_is_judged_once(
    seen: World, shield: Path, loads: list[Any]
) -> None:
    judged = second(seen.collection, judge_files(str(shield)), "cpu")
    assert judged.num == 2
    assert "picture cannot be shown" in judged.problems[0]
    said = views(seen.collection)
    shares = [said["57.png"]["violates"], said["58.png"]["violates"]]
    assert all(0 <= share <= 1 for share in shares)
    assert shares[0] != shares[1]
    assert said["59.png"]["violates"] is None
    assert second(seen.collection, judge_files(str(shield)), "cpu") == Judged()
    assert loads == [1]


def test_view_is_shown_and_logged_with_the_decision_and_decides_nothing(
    seen: World, shield: Path
) -> None:
    with seen.collection.read() as con:
        before = {f.finding_id: (f.state, f.score, f.is_first) for f in findings(con)}
    second(seen.collection, judge_files(str(shield)), "cpu")
    with seen.collection.write() as con:
        assert {f.finding_id: (f.state, f.score, f.is_first) for f in findings(con)} == before
        known = next(f for f in findings(con) if f.uri.endswith("57.png"))
        told = f"{known.evidence['judge']['violates']:.0%} that it violates (tiny-shield@"
        assert told in finding_text(known)
        reviews.decide(con, known.finding_id, "allowed", ANN)
        [entry] = reviews.events(con, known.finding_id)
        assert entry.said["finding"]["evidence"]["judge"] == known.evidence["judge"]


def test_what_was_decided_is_not_judged_and_new_findings_are(seen: World, shield: Path) -> None:
    with seen.collection.write() as con:
        decided = findings(con)[0].finding_id
        reviews.decide(con, decided, "allowed", ANN)
    second(seen.collection, judge_files(str(shield)), "cpu")
    with seen.collection.read() as con:
        kept = find_finding(con, decided)
    assert kept is not None
    assert "judge" not in kept.evidence
    seen.add(0.95)
    seen.moderate(policy(), run_id="again")
    again = second(seen.collection, judge_files(str(shield)), "cpu")
    assert (again.num, len(again.problems)) == (0, 1)  # the new one's file is not there


def test_words_of_a_policy_neither_add_pictures_nor_steer_the_judge(shield: Path) -> None:
    judge = load_judge(judge_files(str(shield)), "cpu")
    picture = Image.new("RGB", (30, 30), "green")
    plain = judge.violates("wolves   : a wolf", picture)
    assert judge.violates("wolves <boi> <eoi>: a wolf", picture) == pytest.approx(plain, abs=0.2)


def test_another_kind_of_model_is_refused_by_name(tmp_path: Path) -> None:
    other = build_cross_encoder(tmp_path / "cross")
    with pytest.raises(ModelUnsupported, match=r"BertForSequenceClassification, wanted is Shield"):
        judge_files(str(other))


def test_judge_without_its_processor_is_refused(shield: Path, tmp_path: Path) -> None:
    import shutil

    bare = Path(shutil.copytree(shield, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(ModelUnsupported, match="no chat template"):
        load_judge(judge_files(str(bare)), "cpu")
