"""A run with nothing to do starts no server, and is in every history like any other."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from crossmodal.cli.idle.automations import may_wait_for_runs
from crossmodal.cli.idle.history import REVISION, history
from crossmodal.cli.idle.run import index_idle
from crossmodal.errors import CrossmodalError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import runs
from crossmodal.ledger.write.saved_searches import SavedSearch
from crossmodal.search import upkeep
from crossmodal.search.saved import save
from deployments.automations import crash_silent_runs, index_on_event
from deployments.reruns import rerun_crashed
from flows.params.base import IndexParams
from tests.api import Api
from tests.drawn import draw_picture, draw_pictures
from tests.servers import prefect_server_at
from tests.shell import Shell
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.process

USUAL_WAY = {"PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true"}
"""Prefect's default, but whoever sets it has a say in the server, which is then Prefect's."""


class World:
    """Hold a collection in step with a folder, and the home of Prefect that its run was in."""

    def __init__(self, folder: Path) -> None:
        self.pictures = folder / "pictures"
        self.home = folder / "prefect"
        self.environment = os.environ | {"PREFECT_HOME": str(self.home)}
        self.shell = Shell(folder / "photos.duckdb", self.environment)

    @property
    def params(self) -> IndexParams:
        return IndexParams(collection=str(self.shell.collection), paths=[str(self.pictures)])

    def flow_runs(self) -> list[str]:
        with closing(sqlite3.connect(self.home / "prefect.db")) as con:
            found = con.execute("SELECT id FROM flow_run ORDER BY start_time").fetchall()
        return [row[0] for row in found]

    def ledger_runs(self) -> list[runs.RunRecord]:
        with Collection(self.shell.collection).read() as con:
            return runs.list_runs(con, 100)[::-1]


@pytest.fixture(scope="module")
def indexed(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("idle") / "first")
    draw_pictures(world.pictures, 12)
    world.shell.run("index", world.pictures, "--model", tiny_clip)
    return world


@pytest.fixture
def world(indexed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a copy of its own, in whose home this process is too; the pictures are shared."""
    copy = World(tmp_path)
    shutil.copytree(indexed.home, copy.home)
    shutil.copy(indexed.shell.collection, copy.shell.collection)
    copy.pictures = indexed.pictures
    monkeypatch.setenv("PREFECT_HOME", str(copy.home))
    monkeypatch.chdir(tmp_path)
    return copy


@pytest.fixture
def own(world: World, tmp_path: Path) -> World:
    """Return a world whose pictures may be changed: as many bytes, sizes and times elsewhere."""
    folder = tmp_path / "pictures"
    shutil.copytree(world.pictures, folder)
    world.pictures = folder
    world.shell.run("index", folder)
    return world


def imported(stderr: str) -> set[str]:
    return {line.rsplit("|", 1)[-1].strip() for line in stderr.splitlines()}


def watched(world: World, **environment: str) -> Shell:
    told = {"PYTHONPROFILEIMPORTTIME": "1", **environment}
    return Shell(world.shell.collection, world.environment | told)


def test_run_without_work_imports_neither_prefect_nor_a_model_and_reports_like_any_other(
    world: World,
) -> None:
    rerun = watched(world).run("index", world.pictures, "--json")
    assert not imported(rerun.stderr) & {"prefect", "torch", "transformers", "daft"}
    usual = watched(world, **USUAL_WAY).run("index", world.pictures, "--json")
    assert "prefect" in imported(usual.stderr)
    idle_report, report = json.loads(rerun.stdout), json.loads(usual.stdout)
    assert idle_report.keys() == report.keys()
    varying = ("run_id", "wall_s", "peak_rss_bytes", "profile", "text")
    for name in report.keys() - set(varying):
        assert idle_report[name] == report[name], name
    assert idle_report["counts"] == {"unchanged": 12}
    idle, whole = world.ledger_runs()[-2:]
    same = ("flow", "params", "code_version", "model_version_id", "host", "state", "message")
    for name in same:
        assert getattr(idle, name) == getattr(whole, name), name
    assert idle.counts.keys() == whole.counts.keys()


def test_server_shows_a_run_without_work_once_as_it_was(world: World) -> None:
    before, began = world.flow_runs(), datetime.now(UTC)
    world.shell.run("index", world.pictures)
    ended = datetime.now(UTC)
    record = world.ledger_runs()[-1]
    assert world.flow_runs() == [*before, record.flow_run_id]
    with prefect_server_at(world.home) as url:
        api = Api(url)
        found = api.get(f"/flow_runs/{record.flow_run_id}")
        num_runs = api.post("/flow_runs/count", {})
        usual = api.get(f"/flow_runs/{before[0]}")
        artifact = api.get("/artifacts/index-report-photos/latest")
        states = api.get(f"/flow_run_states/?flow_run_id={record.flow_run_id}")
    assert num_runs == len(before) + 1
    assert (found["state_type"], found["state"]["name"]) == ("COMPLETED", "Completed")
    assert [state["type"] for state in states] == ["COMPLETED"]
    start, end = (datetime.fromisoformat(found[name]) for name in ("start_time", "end_time"))
    assert began < start < end < ended
    assert found["total_run_time"] == pytest.approx((end - start).total_seconds(), abs=0.01)
    for name in ("name", "flow_id", "tags", "deployment_id", "empirical_policy"):
        assert found[name] == usual[name], name
    changed = {"model": "", "collection": str(world.shell.collection)}
    assert found["parameters"] == usual["parameters"] | changed
    assert artifact["flow_run_id"] == record.flow_run_id
    assert f"## Run {record.run_id[:8]} completed" in artifact["data"]


def test_next_run_with_work_has_a_server_that_lets_the_history_stand(own: World) -> None:
    own.shell.run("index", own.pictures)
    before = own.flow_runs()
    draw_picture(99).save(own.pictures / "new.png")
    run = watched(own).run("index", own.pictures, "--json")
    assert "prefect" in imported(run.stderr)
    assert json.loads(run.stdout)["num_embedded"] == 1
    after = own.flow_runs()
    assert after[:-1] == before
    assert after == [record.flow_run_id for record in own.ledger_runs()]


def test_several_runs_without_work_at_a_time_are_each_in_both_histories(world: World) -> None:
    num_before = len(world.flow_runs())
    processes = [world.shell.start("index", world.pictures) for _ in range(3)]
    for process in processes:
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
    records = world.ledger_runs()[num_before:]
    assert {record.state for record in records} == {"completed"}
    assert len(records) == 3
    assert set(world.flow_runs()[num_before:]) == {record.flow_run_id for record in records}


def test_exit_codes_are_those_of_the_flow(own: World) -> None:
    assert "nowhere" in own.shell.run("index", own.pictures / "nowhere", expect=1).stderr
    own.shell.run("index", own.pictures, "--min-coverage", 7, expect=2)
    for path in own.pictures.iterdir():
        path.unlink()
    assert "--allow-delete" in own.shell.run("index", own.pictures, expect=1).stderr
    assert own.ledger_runs()[-1].state == "failed"


def test_deleted_changed_touched_and_new_files_are_work(own: World) -> None:
    first, second, third, *_ = sorted(own.pictures.iterdir())
    kept = first.read_bytes(), first.stat()
    first.unlink()
    assert index_idle(own.params) is None
    first.write_bytes(kept[0])
    os.utime(first, ns=(kept[1].st_atime_ns, kept[1].st_mtime_ns))
    assert index_idle(own.params) is not None
    os.utime(second, (1, 1))
    assert index_idle(own.params) is None
    own.shell.run("index", own.pictures)
    third.write_bytes(second.read_bytes() + b"\0")
    assert index_idle(own.params) is None
    own.shell.run("index", own.pictures)
    draw_picture(55).save(own.pictures / "new.png")
    assert index_idle(own.params) is None


def test_what_a_run_is_asked_for_beside_files_is_work(world: World, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\na.png,red\n")

    def is_idle(**changes: Any) -> bool:
        return index_idle(world.params.model_copy(update=changes)) is not None

    assert is_idle()
    assert not is_idle(columns=[str(table)])
    assert not is_idle(paths=[str(world.pictures), "s3://bucket/scans"])
    assert not is_idle(dtype="float32"), "another format is another model version"
    assert not is_idle(model="/nowhere/at/all"), "the flow says what is wrong, and records it"
    other = IndexParams(**world.params.model_dump(exclude_unset=True), chunk_tokens=12)
    assert index_idle(other) is None, "rules of cutting change"


def test_saved_search_that_waits_is_work(world: World) -> None:
    collection = Collection(world.shell.collection)
    search = SavedSearch(name="n", text="boat", conditions=[], modalities=[], min_strength="strong")
    save(collection, search)
    assert index_idle(world.params) is not None
    with collection.write() as con:
        con.execute("DELETE FROM known_content")
    assert index_idle(world.params) is None


def test_failing_upkeep_fails_the_run_in_both_histories(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise CrossmodalError("the disk is full")

    monkeypatch.setattr(upkeep, "calibrate_scores", fail)
    with pytest.raises(CrossmodalError, match="disk is full"):
        index_idle(world.params)
    record = world.ledger_runs()[-1]
    assert (record.state, record.message) == ("failed", "CrossmodalError: the disk is full")
    with closing(sqlite3.connect(world.home / "prefect.db")) as con:
        told = "SELECT type, message FROM flow_run r JOIN flow_run_state s ON s.id = r.state_id"
        found = con.execute(f"{told} WHERE r.id = ?", [record.flow_run_id]).fetchall()
    assert found == [("FAILED", "CrossmodalError: the disk is full")]


def _change(sql: str) -> Callable[[World, pytest.MonkeyPatch], None]:
    def change(world: World, _: pytest.MonkeyPatch) -> None:
        with closing(sqlite3.connect(world.home / "prefect.db")) as con, con:
            con.execute(sql)

    return change


def _related(**asked: Any) -> dict[str, Any]:
    related = {f"prefect.resource.{key}": value for key, value in asked.items()}
    expect = ["prefect.flow-run.Crashed"]
    return {"type": "event", "after": [], "expect": expect, "match_related": related}


def _setting(name: str, value: str) -> Callable[[World, pytest.MonkeyPatch], None]:
    return lambda world, monkeypatch: monkeypatch.setenv(name, value)


def _file(name: str, text: str) -> Callable[[World, pytest.MonkeyPatch], None]:
    return lambda world, monkeypatch: Path(name).write_text(text) and None


DOUBTS = {
    "a server is named": _setting("PREFECT_API_URL", "http://127.0.0.1:4200/api"),
    "another database": _setting("PREFECT_API_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:///x.db"),
    "another database in a file": _file("prefect.toml", '[server.database]\nname = "x"\n'),
    "another home in a file": _file(".env", "PREFECT_HOME=/elsewhere\n"),
    "other tables": _change("UPDATE alembic_version SET version_num = 'f416ea180ae1'"),
    "no run to be like": _change("DELETE FROM flow_run"),
    "somebody waits for events": _change(
        "INSERT INTO automation (name, description, trigger, actions) VALUES ('a', '', '{}', '[]')"
    ),
    "no database": lambda world, _: (world.home / "prefect.db").unlink(),
    "no database either": lambda world, _: (world.home / "prefect.db").write_bytes(b"no" * 999),
}


@pytest.mark.parametrize("why", DOUBTS)
def test_in_doubt_the_history_is_left_to_prefect(
    why: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert history("index") is not None
    DOUBTS[why](world, monkeypatch)
    assert history("index") is None
    assert index_idle(world.params) is None


def test_what_serve_leaves_on_the_server_keeps_no_run_from_the_short_way(world: World) -> None:
    left = [crash_silent_runs(), *rerun_crashed(), index_on_event(uuid4(), "photos", "/p.duckdb")]
    with closing(sqlite3.connect(world.home / "prefect.db")) as con, con:
        for automation in left:
            con.execute(
                "INSERT INTO automation (name, description, trigger, actions) "
                "VALUES (?, '', ?, '[]')",
                [automation.name, automation.trigger.model_dump_json()],
            )
    assert history("index") is not None


def _waits_for(*events: str, **more: Any) -> dict[str, Any]:
    return {"type": "event", "after": [], "expect": list(events), **more}


@pytest.mark.parametrize(
    ("trigger", "waits"),
    [
        (_waits_for("prefect.flow-run.Completed"), True),
        (_waits_for("prefect.*"), True),
        (_waits_for(), True),
        (_waits_for("crossmodal.run.completed"), True),
        ({"type": "metric"}, True),
        (_waits_for("somebody.else"), False),
        ({"type": "compound", "triggers": [_waits_for("a"), _waits_for("crossmodal.*")]}, True),
        ({"type": "compound", "triggers": [_waits_for("a"), _waits_for("b")]}, False),
        (_related(role="tag", id="prefect.tag.crossmodal"), False),
        (_related(role="tag", id="prefect.tag.collection:photos"), True),
        (_related(role="tag", id=["prefect.tag.*"]), True),
        (_related(role="flow", id="prefect.flow.abc"), True),
        (_related(role="deployment", id="prefect.deployment.abc"), False),
    ],
)
def test_automation_waits_where_it_may_see_a_run_of_the_command(
    trigger: dict[str, Any], waits: bool
) -> None:
    assert may_wait_for_runs(trigger) is waits


def test_tables_are_those_of_the_prefect_that_is_installed(indexed: World) -> None:
    with closing(sqlite3.connect(indexed.home / "prefect.db")) as con:
        assert con.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]


def test_history_that_another_holds_costs_the_picture_and_not_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("crossmodal.cli.idle.history._PATIENCE_S", 0.05)
    found = history("index")
    assert found is not None
    with closing(sqlite3.connect(found.path, isolation_level=None)) as con:
        monkeypatch.setattr("crossmodal.cli.idle.run.history", lambda flow: found)
        con.execute("BEGIN IMMEDIATE")
        report = index_idle(world.params)
    assert report is not None
    assert report["state"] == "completed"
    assert "not shown in Prefect: database is locked" in caplog.text
