"""A share of the queries is answered by another version, always the same ones, and compared."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from crossmodal.cli.models import ab
from crossmodal.errors import ModelMismatch
from crossmodal.evaluation.intervals import apart
from crossmodal.evaluation.trial_result import trial_result
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.status import status
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.judgements import Judgement
from crossmodal.ledger.write.trials import Trial, trial_of
from crossmodal.models import promotion_log, trial
from crossmodal.models.promotion import promote, rollback
from crossmodal.models.retire import collect, retire_one
from crossmodal.records import Lineup
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.views.status import status_tables
from tests.evaluation.conftest import Album, album, other_clip
from tests.ledger import build
from tests.ledger.build import commit, planned

__all__ = ["album", "other_clip"]

WORDS = [f"a drawing of {number} discs" for number in range(400)]


@pytest.fixture
def three(tmp_path: Path) -> Collection:
    """Return a collection with three whole versions, the first of them live."""
    collection = Collection(tmp_path / "c.duckdb", lock_timeout_s=60)
    with collection.write() as con:
        for name in ("first", "second", "third"):
            version = build.version(name)
            if name == "first":
                version = model_versions.register_lineup(con, Lineup.of(version)).joint
            else:
                version = model_versions.register(con, version)
            commit(con, version, *(planned(f"/p/{i}", str(i)) for i in range(8)))
    return collection


@pytest.fixture
def own(tmp_path: Path, album: Album) -> Collection:
    copy = tmp_path / "album.duckdb"
    copy.write_bytes(album.collection.read_bytes())
    return Collection(copy)


def some(on: Trial) -> list[str]:
    """Return three queries of each side, mixed."""
    sides = [[text for text in WORDS if on.takes(text) == side][:3] for side in (True, False)]
    return [text for pair in zip(*sides, strict=True) for text in pair]


def asked(collection: Collection, text: str, **changes: Any) -> Any:
    options = QueryOptions(**{"collection": str(collection.path), "trial": True, **changes})
    return SearchService(collection).ask(Query(text=text), options)


def test_the_same_queries_go_to_the_other_version_every_time(own: Collection) -> None:
    on = trial.begin(own, "2", 0.5)
    texts = some(on)
    first = [asked(own, text) for text in texts]
    assert {found.model for found in first} == {on.live, on.challenger}
    assert [found.model for found in first] == [
        on.challenger if on.takes(text) else on.live for text in texts
    ]
    assert [asked(own, f"  {text} ").model for text in texts] == [found.model for found in first]
    told = [" ".join(found.notices) for found in first]
    assert all(
        found.model in each and "A/B" in each for found, each in zip(first, told, strict=True)
    )


def test_many_queries_at_once_are_answered_as_one_by_one(own: Collection) -> None:
    texts = some(trial.begin(own, "2", 0.5))
    options = QueryOptions(collection=str(own.path), trial=True)
    together = list(SearchService(own).ask_many([Query(text=text) for text in texts], options))
    apart_ = [asked(own, text) for text in texts]
    assert [found.query for found in together] == texts
    assert [found.model for found in together] == [found.model for found in apart_]
    assert [[h.uri for h in f.hits] for f in together] == [[h.uri for h in f.hits] for f in apart_]


def test_who_names_a_version_or_judges_one_is_in_no_trial(own: Collection) -> None:
    on = trial.begin(own, "2", 0.9)
    assert {asked(own, text, trial=False).model for text in some(on)} == {on.live}
    assert {asked(own, text, model="1").model for text in some(on)} == {on.live}


def test_shares_hold_over_many_queries(three: Collection) -> None:
    on = trial.begin(three, "second", 0.2)
    taken = np.mean([on.takes(f"query {number}") for number in range(5000)])
    assert abs(taken - 0.2) < 0.02


def test_a_trial_is_logged_and_keeps_its_version(three: Collection) -> None:
    trial.begin(three, "second", 0.2, "looks better")
    kept = collect(three, 0).kept
    assert (
        next(why for label, why in kept.items() if label.startswith("second")) == "in an A/B trial"
    )
    with pytest.raises(ModelMismatch, match="in an A/B trial"):
        retire_one(three, "second")
    trial.end(three, "enough")
    with three.read() as con:
        lines = promotion_log.log_lines(con)
        assert trial_of(con) is None
        assert promotion_log.standing(con) is None
    assert [(line.action, line.why) for line in lines] == [
        ("trial ended", "enough"),
        ("trial", "looks better"),
    ]
    assert not any(label.startswith("second") for label in collect(three, 0).kept)


def test_command_begins_tells_and_ends_a_trial(
    three: Collection, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(**given: Any) -> dict[str, Any]:
        chosen: dict[str, Any] = {"version": "", "share": 0.2, "why": "", "off": False}
        others = {"allow_partial": False, "collection": str(three.path), "as_json": True}
        ab(**(chosen | others | given))
        return dict(json.loads(capsys.readouterr().out))

    assert told() == {"trial": None, "is_on": False, "result": None}
    begun = told(version="second", share=0.3)
    assert (begun["trial"]["share"], begun["is_on"]) == (0.3, True)
    assert begun["result"]["verdict"].startswith("too few for a verdict")
    with three.read() as con:
        shown = "\n".join(table.to_text() for table in status_tables(status(con, three)))
    assert "answers 30% of the queries" in " ".join(shown.split())
    assert told(off=True)["is_on"] is False
    with pytest.raises(typer.BadParameter, match="--off to end it"):
        told(version="second", off=True)


@pytest.mark.parametrize("change", ["promote", "rollback"])
def test_a_trial_ends_with_the_line_up_it_was_begun_beside(three: Collection, change: str) -> None:
    with three.write() as con:
        promote(con, {"image": "third"})
    trial.begin(three, "second", 0.2)
    with three.write() as con:
        if change == "promote":
            promote(con, {"image": "second"})
        else:
            rollback(con)
        assert trial_of(con) is None
        actions = [line.action for line in promotion_log.log_lines(con)]
    assert actions == [change, "trial ended", "trial", "promote"]


@pytest.mark.parametrize(
    ("spec", "share", "told"),
    [
        ("second", 0.0, "above 0 and below 1"),
        ("second", 1.0, "above 0 and below 1"),
        ("second", float("nan"), "above 0 and below 1"),
        ("nobody", 0.2, "no model version 'nobody'"),
        ("first", 0.2, "is live"),
    ],
)
def test_what_is_no_trial_is_refused(three: Collection, spec: str, share: float, told: str) -> None:
    with pytest.raises(ModelMismatch, match=told):
        trial.begin(three, spec, share)
    with pytest.raises(ModelMismatch, match="no trial is on"):
        trial.end(three)


def test_a_version_that_lacks_vectors_is_refused_and_a_second_trial_too(three: Collection) -> None:
    with three.write() as con:
        fourth = model_versions.register(con, build.version("fourth"))
        commit(con, fourth, planned("/p/0", "0"))
    with pytest.raises(ModelMismatch, match="finish it with"):
        trial.begin(three, "fourth", 0.2)
    trial.begin(three, "second", 0.2)
    with pytest.raises(ModelMismatch, match="a trial is on"):
        trial.begin(three, "third", 0.2)


def judged(on: Trial, num: int, fit: dict[bool, float], seed: int = 0) -> list[Judgement]:
    """Return what people say of five hits of so many queries, by who answered them.

    Both sides draw the same numbers: every trial divides the queries anew, and two sides that fit
    alike shall not be told apart by chance.
    """
    rngs = {taken: np.random.default_rng(seed) for taken in fit}
    said = []
    for number in range(num):
        taken = on.takes(f"query {number}")
        said += [
            Judgement(
                query_kind="text",
                query=f"query {number}",
                chunk_id=rank,
                fits=bool(rngs[taken].random() < fit[taken]),
                model=on.challenger if taken else on.live,
                rank=rank,
                uri=f"/p/{rank}",
                judged_at=datetime.now(UTC) + timedelta(seconds=1),
            )
            for rank in range(1, 6)
        ]
    return said


def test_judgements_tell_which_version_is_better(three: Collection) -> None:
    on = trial.begin(three, "second", 0.5)
    better = trial_result(on, judged(on, 200, {False: 0.4, True: 0.7}))
    assert better.change is not None
    assert better.change.low > 0
    assert better.verdict == f"{on.challenger} is better"
    assert better.live.num_queries + better.challenger.num_queries == 200
    worse = trial_result(on, judged(on, 200, {False: 0.7, True: 0.4}))
    assert worse.verdict == f"{on.live} is better"
    same = trial_result(on, judged(on, 200, {False: 0.5, True: 0.5}))
    assert same.verdict.startswith("not told apart")


def test_answers_from_a_part_of_the_line_up_count_for_the_version_in_it(three: Collection) -> None:
    with three.write() as con:
        reader = replace(build.version("reader"), encoders={"text": "text"})
        live = model_versions.live(con)
        assert live is not None
        register = model_versions.register_lineup
        register(con, Lineup.of(live.joint, reader))
        promote(con, {"text": "reader"}, allow_partial=True)
    on = trial.begin(three, "second", 0.5)
    assert "reader" not in on.live + on.challenger
    said = judged(on, 200, {False: 0.4, True: 0.7})
    both = [replace(each, model=f"{each.model} + reader@1/float32") for each in said]
    assert trial_result(on, both) == trial_result(on, said)
    alike = [replace(each, model="reader@1/float32") for each in said]
    assert trial_result(on, alike).verdict.startswith("too few for a verdict")


def test_few_judgements_are_no_verdict_and_others_do_not_count(three: Collection) -> None:
    on = trial.begin(three, "second", 0.5)
    assert trial_result(on, []).verdict.startswith("too few for a verdict")
    few = trial_result(on, judged(on, 40, {False: 0.1, True: 0.9}))
    assert few.verdict.startswith("too few for a verdict")
    said = judged(on, 200, {False: 0.4, True: 0.7})
    other = {on.live: on.challenger, on.challenger: on.live}
    swapped = [replace(each, model=other[each.model]) for each in said]
    before = [replace(each, judged_at=datetime(2020, 1, 1, tzinfo=UTC)) for each in said]
    for others in (swapped, before):
        assert trial_result(on, others).challenger.num_judged == 0


def test_the_interval_of_a_difference_covers_it() -> None:
    rng, covered = np.random.default_rng(4), 0
    for trial_number in range(200):
        old, new = rng.binomial(5, 0.5, 60) / 5, rng.binomial(5, 0.6, 40) / 5
        found = apart(new, old, seed=trial_number)
        covered += found.low <= 0.1 <= found.high
    assert 0.91 <= covered / 200 <= 0.99
