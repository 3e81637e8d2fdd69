"""Where workers find the flows: in the project, whatever the current directory holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint

from crossmodal.cli import flows as entrypoints
from crossmodal.cli import project
from deployments.declared import PREFECT_FILE

ENTRYPOINTS = [
    entry["entrypoint"] for entry in yaml.safe_load(PREFECT_FILE.read_text())["deployments"]
]


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_every_deployed_flow_is_found_by_the_packages_own_name(entrypoint: str) -> None:
    assert entrypoint.startswith("crossmodal.cli.flows.")
    assert load_flow_from_entrypoint(entrypoint).fn.__module__.startswith("flows.")


def test_flow_that_is_not_there_is_missing_like_any_attribute() -> None:
    with pytest.raises(AttributeError, match="no flow juggle"):
        _ = entrypoints.juggle


def test_folders_of_our_names_in_the_current_directory_are_left_alone(tmp_path: Path) -> None:
    for name in ("flows", "tasks", "deployments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not ours')")
    # As a worker starts a run: -m and -c put the current directory first.
    asked = "from crossmodal.cli import flows; print(flows.report_status.fn.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "flows.status", done.stderr


def test_project_is_put_first_once() -> None:
    before = list(sys.path)
    try:
        project.put_first()
        once = list(sys.path)
        assert once[0] == str(project.folder())
        project.put_first()
        assert sys.path == once
    finally:
        sys.path[:] = before
