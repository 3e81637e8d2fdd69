"""A run says which code it ran."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from crossmodal.runs import code_version

ROOT = Path(__file__).parents[2]


def test_checkout_is_named_by_its_commit_and_a_package_by_its_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    asked = ["git", "-C", str(tmp_path), "rev-parse", "HEAD"]
    commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout[:12]
    found = code_version.code_version.__wrapped__
    monkeypatch.setattr(code_version, "_ROOT", tmp_path)
    assert found() == f"{version('crossmodal')}+g{commit}"
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(code_version, "_ROOT", tmp_path / "lib")
    assert found() == version("crossmodal")
