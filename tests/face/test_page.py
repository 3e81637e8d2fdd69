"""The worked example of docs/python.md runs as it stands, in a folder with nothing but photos."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.drawn import draw_pictures

pytestmark = pytest.mark.process

PAGE = ROOT / "docs" / "python.md"
AGAIN = "\nprint('again:', photos.index('photos')['num_embedded'])\n"


def test_example_of_the_page_runs(
    tmp_path: Path, tiny_clip: Path, command_environment: dict[str, str]
) -> None:
    draw_pictures(tmp_path / "photos", 12)
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:crossmodal", "-c", code + AGAIN],
        cwd=tmp_path,
        env=command_environment | {"CROSSMODAL_MODEL": str(tiny_clip)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "12 image vectors of tiny-clip@" in done.stdout
    assert "[3, 3]" in done.stdout
    assert "there is no collection at" in done.stdout
    assert "again: 0" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "photos.duckdb"]
