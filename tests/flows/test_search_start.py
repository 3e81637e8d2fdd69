"""A search for a text loads neither torch nor transformers, once both were compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.index import index

pytestmark = [pytest.mark.usefixtures("prefect"), pytest.mark.process]

_SEARCH = """
import sys
from crossmodal.cli.main import main
sys.argv = ["crossmodal", "search", "a red square", "-c", {collection!r}, "--here", "--json"]
try:
    main()
finally:
    heavy = {{"torch", "transformers", "scipy"}} & set(sys.modules)
    print(sorted(heavy), file=sys.stderr)
"""


def test_search_for_a_text_does_not_import_torch(
    pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    collection = tmp_path / "c.duckdb"
    index(collection=str(collection), paths=[str(pictures)], model=str(tiny_clip), dtype="float32")
    cache = tmp_path / "cache"
    first, _ = searched(collection, cache)
    again, heavy = searched(collection, cache)
    assert heavy == "[]"
    assert [hit["uri"] for hit in again] == [hit["uri"] for hit in first]
    assert [hit["score"] for hit in again] == pytest.approx(
        [hit["score"] for hit in first], abs=1e-3
    )


def searched(collection: Path, cache: Path) -> tuple[list[dict[str, Any]], str]:
    """Return the hits of a fresh process, and which of the heavy modules it had."""
    done = subprocess.run(
        [sys.executable, "-c", _SEARCH.format(collection=str(collection))],
        capture_output=True,
        text=True,
        env=os.environ | {"CROSSMODAL_CACHE": str(cache)},
        check=True,
    )
    (answer,) = json.loads(done.stdout)
    return answer["hits"], done.stderr.strip().splitlines()[-1]
