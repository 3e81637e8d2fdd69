"""A run is told to OpenLineage as it begins and as it ends, without a secret and without a risk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.runs import openlineage
from crossmodal.runs.openlineage import dataset_of, is_asked_for
from crossmodal.runs.options import RunOptions
from crossmodal.runs.run import Run, recorded

pytest.importorskip("openlineage.client", reason="crossmodal[lineage] is not installed")

SECRET = "s3://key:hush@bucket/photos?X-Amz-Signature=hush"


@pytest.fixture(autouse=True)
def _nothing_set() -> Iterator[None]:
    """Take variables away, also those that the client itself sets as it reads the others."""
    kept = {name: os.environ.pop(name) for name in _names()}
    yield
    for name in _names():
        del os.environ[name]
    os.environ.update(kept)


def _names() -> list[str]:
    return [name for name in os.environ if name.upper().startswith("OPENLINEAGE")]


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let events go into a file, and return it."""
    file = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    for name, value in transport.items():
        monkeypatch.setenv(f"OPENLINEAGE__TRANSPORT__{name.upper()}", str(value).lower())
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(file))
    return file


def worked(path: Path, error: BaseException | None = None) -> Run:
    run = Run(Collection(path), "index", RunOptions(quiet=True))
    with recorded(run, {"paths": [str(path.parent / "photos"), SECRET]}):
        run.counts = {"num_embedded": 7}
        if error:
            raise error
    return run


def told(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_run_is_told_as_it_begins_and_as_it_completes(events: Path, tmp_path: Path) -> None:
    run = worked(tmp_path / "c.duckdb")
    begun, done = told(events)
    assert [begun["eventType"], done["eventType"]] == ["START", "COMPLETE"]
    assert {event["run"]["runId"] for event in (begun, done)} == {str(uuid.UUID(run.id))}
    assert (done["job"]["namespace"], done["job"]["name"]) == ("crossmodal", "c.index")
    assert [(each["namespace"], each["name"]) for each in done["inputs"]] == [
        ("file", str(tmp_path / "photos")),
        ("s3://bucket", "photos"),
    ]
    [written] = done["outputs"]
    assert (written["namespace"], written["name"]) == ("file", str(tmp_path / "c.duckdb"))
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 7
    assert "hush" not in events.read_text()
    assert "sourceCodeLocation" not in events.read_text()


@pytest.mark.parametrize(
    ("error", "state"), [(ValueError("no disk"), "FAIL"), (KeyboardInterrupt(), "ABORT")]
)
def test_a_run_that_ends_otherwise_says_so(
    events: Path, tmp_path: Path, error: BaseException, state: str
) -> None:
    with pytest.raises(type(error)):
        worked(tmp_path / "c.duckdb", error)
    _, ended = told(events)
    assert ended["eventType"] == state
    assert type(error).__name__ in ended["run"]["facets"]["errorMessage"]["message"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "no address at all"])
def test_a_place_that_is_away_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, caplog: Any
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", address)
    began = time.monotonic()
    worked(tmp_path / "c.duckdb")
    assert time.monotonic() - began < 30
    assert "dropped" in caplog.text


def test_nothing_is_imported_or_told_unless_asked_for(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WORKED, str(tmp_path / "c.duckdb")]
    subprocess.run(command, check=True, timeout=120)


_WORKED = """
import sys
from crossmodal.ledger.collection import Collection
from crossmodal.runs.options import RunOptions
from crossmodal.runs.run import Run, recorded

with recorded(Run(Collection(sys.argv[1]), "index", RunOptions(quiet=True)), {}):
    pass
assert not any(name.startswith("openlineage") for name in sys.modules)
"""


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OPENLINEAGE_URL": "http://x"}, True),
        ({"OPENLINEAGE_CONFIG": "x.yml"}, True),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "console"}, True),
        ({"OPENLINEAGE_URL": "http://x", "OPENLINEAGE_DISABLED": "true"}, False),
    ],
)
def test_standard_variables_say_whether_it_is_on(environment: dict[str, str], asked: bool) -> None:
    assert is_asked_for(environment) is asked


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (SECRET, ("s3://bucket", "photos")),
        ("https://user:hush@host/a/b.jpg?token=hush", ("https://host", "a/b.jpg")),
        ("/photos/2024", ("file", "/photos/2024")),
    ],
)
def test_data_is_named_as_openlineage_names_it(path: str, named: tuple[str, str]) -> None:
    assert dataset_of(path) == named
    assert openlineage.STATES.keys() == {"completed", "failed", "interrupted"}
