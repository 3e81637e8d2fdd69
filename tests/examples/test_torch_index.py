"""Which build of torch the Makefile takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / ".ci" / "torch_index.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("torch_index", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_gpu_it_is_the_cpu_build(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(script, "answers", lambda url: True)
    assert script.choose("", "linux", tmp_path)[0] == "https://download.pytorch.org/whl/cpu"


def test_where_that_index_does_not_answer_pips_own_has_to_do(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(script, "PYTORCH", "http://127.0.0.1:9")
    index, reason = script.choose("", "linux", tmp_path)
    assert index == ""
    assert "TORCH_INDEX" in reason


@pytest.mark.parametrize("sign", ["dev/nvidia0", "proc/driver/nvidia/version"])
def test_gpu_that_the_driver_shows_keeps_cuda(
    script: ModuleType, tmp_path: Path, sign: str
) -> None:
    (tmp_path / sign).parent.mkdir(parents=True)
    (tmp_path / sign).touch()
    index, reason = script.choose("", "linux", tmp_path)
    assert index == ""
    assert "GPU" in reason


def test_gpu_that_only_its_tool_shows_keeps_cuda(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: some card'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert script.choose("", "linux", tmp_path)[0] == ""


def test_person_has_the_last_word(script: ModuleType, tmp_path: Path) -> None:
    chosen = {name: script.choose(name, "linux", tmp_path)[0] for name in ("cu130", "none")}
    assert chosen == {"cu130": "https://download.pytorch.org/whl/cu130", "none": ""}
    assert script.choose("https://x/simple", "linux", tmp_path)[0] == "https://x/simple"


def test_other_systems_take_what_there_is(script: ModuleType, tmp_path: Path) -> None:
    assert script.choose("", "darwin", tmp_path)[0] == ""
