"""A saved search tells of new items that match it, of each of them once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from crossmodal.cli.saved import saved
from crossmodal.errors import CollectionMissing, FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.ledger.write.saved_searches import SavedSearch, saved_searches
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec, ModelSpec
from crossmodal.records import Lineup
from crossmodal.search.saved import drop, new_matches, note, save
from tests.ledger import build

NUM = 30
# A chunk that holds the part number of a question is strong, whatever the random model sees.
TICKET = SavedSearch(
    name="tickets", text="AX-4711", conditions=[], modalities=["text"], min_strength="strong"
)


class Growing:
    """Hold a collection that passages are added to, with vectors drawn at random."""

    def __init__(self, path: Path, model: Path) -> None:
        self.collection = Collection(path)
        self._lineup: Lineup = choose_lineup(
            self.collection, LineupSpec(joint=ModelSpec(str(model))), "float32"
        )
        self._draw = np.random.default_rng(5)
        with self.collection.write() as con:
            self._lineup = model_versions.register_lineup(con, self._lineup)
        self.add(*(f"words {i}" for i in range(NUM)))

    def add(self, *texts: str, folder: str = "/notes") -> None:
        rows = [build.planned(f"{folder}/{text[:20]}", text) for text in texts]
        size = self._lineup.joint.dim
        vectors = [
            build.vector_row(
                row, build.unit(*self._draw.normal(size=size)), modality="text", text=text,
                kind="passage",
            )
            for row, text in zip(rows, texts, strict=True)
        ]  # fmt: skip
        with self.collection.write() as con:
            shard = build.shard(self._lineup, build.plan(*rows), vectors)
            shard_writer.commit_shard(con, shard)

    def told(self) -> dict[str, list[str]]:
        """Do what an index run does: compare, tell, remember."""
        found = new_matches(self.collection, "cpu")
        assert [each.refusal for each in found if each.refusal] == []
        note(self.collection, found)
        return {each.search.name: sorted(hit.text for hit in each.hits) for each in found}


@pytest.fixture
def growing(tmp_path: Path, tiny_clip: Path) -> Growing:
    return Growing(tmp_path / "c.duckdb", tiny_clip)


def test_new_item_alerts_once_and_old_ones_never(growing: Growing) -> None:
    growing.add("old AX-4711")
    save(growing.collection, TICKET)
    assert growing.told() == {}
    growing.add("new AX-4711", "nothing of the kind")
    assert growing.told() == {"tickets": ["new AX-4711"]}
    assert growing.told() == {}
    growing.add("another AX-4711")
    assert growing.told() == {"tickets": ["another AX-4711"]}
    with growing.collection.read() as con:
        [kept] = saved_searches(con)
    assert kept.num_told == 2
    assert kept.told_at is not None


def test_copy_of_a_known_file_is_not_new(growing: Growing) -> None:
    growing.add("first AX-4711")
    save(growing.collection, TICKET)
    growing.add("first AX-4711", folder="/elsewhere")
    assert growing.told() == {}


def test_each_search_is_told_of_what_came_after_it(growing: Growing) -> None:
    save(growing.collection, TICKET)
    growing.add("new AX-4711")
    save(growing.collection, replace(TICKET, name="later"))
    assert growing.told() == {"tickets": ["new AX-4711"]}
    growing.add("last AX-4711")
    assert growing.told() == {"later": ["last AX-4711"], "tickets": ["last AX-4711"]}


def test_conditions_limit_what_alerts(growing: Growing) -> None:
    save(growing.collection, replace(TICKET, conditions=["path=/in/*", "language!=de"]))
    save(growing.collection, replace(TICKET, name="by path", conditions=["path=/in/*"]))
    growing.add("out AX-4711", folder="/out")
    growing.add("in AX-4711", folder="/in")
    assert growing.told()["by path"] == ["in AX-4711"]


def test_without_anything_new_no_model_is_loaded(
    growing: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(growing.collection, TICKET)

    def fail(*_: object) -> None:
        raise AssertionError("a model was asked")

    monkeypatch.setattr("crossmodal.search.service.encode_texts", fail)
    assert growing.told() == {}


def test_search_that_cannot_be_compared_waits_and_keeps_nobody_up(growing: Growing) -> None:
    save(growing.collection, TICKET)
    with growing.collection.write() as con:
        con.execute(
            "INSERT INTO saved_search SELECT 'broken', text, ['colour=red'], modalities, "
            "min_strength, told_seq, 0, now(), NULL FROM saved_search"
        )
    growing.add("new AX-4711")
    found = {each.search.name: each for each in new_matches(growing.collection, "cpu")}
    note(growing.collection, list(found.values()))
    assert "colour" in found["broken"].refusal
    assert [hit.text for hit in found["tickets"].hits] == ["new AX-4711"]
    assert set(growing_due(growing)) == {"broken"}


def growing_due(growing: Growing) -> list[str]:
    return [each.search.name for each in new_matches(growing.collection, "cpu")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": " "}, "needs a name"),
        ({"name": "n" * 101}, "needs a name"),
        ({"text": "?!"}, "nothing is asked"),
        ({"text": "w" * 1001}, "too long"),
        ({"conditions": ["colour=red"]}, "colour"),
    ],
)
def test_what_cannot_be_searched_is_not_saved(
    growing: Growing, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(FilterError, match=said):
        save(growing.collection, replace(TICKET, **changes))
    with growing.collection.read() as con:
        assert saved_searches(con) == []


def test_unknown_names_and_collections_are_refused(growing: Growing, tmp_path: Path) -> None:
    save(growing.collection, TICKET)
    with pytest.raises(FilterError, match="there is tickets"):
        drop(growing.collection, "boats")
    with pytest.raises(CollectionMissing):
        save(Collection(tmp_path / "none.duckdb"), TICKET)
    assert not (tmp_path / "none.duckdb").exists()


def test_commands_save_list_and_drop(growing: Growing) -> None:
    app = typer.Typer()
    app.add_typer(saved)
    at = ["-c", str(growing.collection.path)]

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["saved", *arguments, *at], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    [kept] = json.loads(run("save", "boats", "a boat", "--where", "path=*.png", "--json"))
    assert (kept["text"], kept["conditions"], kept["min_strength"]) == (
        "a boat",
        ["path=*.png"],
        "likely",
    )
    assert "never" in run("list")
    assert json.loads(run("drop", "boats", "--json")) == []
    wrong = CliRunner().invoke(app, ["saved", "save", "x", "y", "--modality", "smell", *at])
    assert (wrong.exit_code, "smell" in wrong.output) == (2, True)
