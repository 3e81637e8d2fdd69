"""The moderate flow against a real server, a real collection and a random CLIP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossmodal.encoders import cache
from crossmodal.errors import CollectionMissing, ModelUnsupported, RunError
from crossmodal.ledger.collection import Collection
from flows.index import index
from flows.moderate import moderate
from tests.drawn import draw_picture, draw_pictures
from tests.tiny_rerankers import build_shield

pytestmark = pytest.mark.usefixtures("prefect")

TEXT = """---
id: discs
version: 1
thresholds: {review: -50, first: 50}
---
# Discs
## Violates
- a disc
## Allowed
- a bar
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    place = tmp_path / "policies" / "discs"
    place.mkdir(parents=True)
    (place / "policy.md").write_text(TEXT)
    (place / "examples.csv").write_text("label,path\nviolates,1.png\n")
    draw_picture(77).save(place / "1.png")
    return place.parent


def run(collection: Path, policies: Path) -> dict[str, Any]:
    return moderate(collection=str(collection), policies=str(policies))


def test_moderation_encodes_a_policy_once_and_a_rerun_does_no_forward_pass(
    tmp_path: Path, pictures: Path, policies: Path, tiny_clip: Path, monkeypatch: Any
) -> None:
    collection = tmp_path / "collection.duckdb"
    index(collection=str(collection), paths=[str(pictures)], model=str(tiny_clip))
    passes: list[int] = []
    real = cache.load_version

    def counted(*given: Any) -> Any:
        passes.append(1)
        return real(*given)

    monkeypatch.setattr(cache, "load_version", counted)
    report = run(collection, policies)
    assert report["num_new"] == report["num_scored"] == 12
    assert "discs" in report["text"]
    assert len(passes) == 1
    again = run(collection, policies)
    assert (again["num_new"], again["num_scored"], len(passes)) == (0, 0, 1)
    draw_pictures(pictures, 2, prefix="more")
    index(collection=str(collection), paths=[str(pictures)])
    passes.clear()
    more = run(collection, policies)
    assert (more["num_scored"], passes) == (0, [])  # the two are copies of known pictures
    draw_picture(500).save(pictures / "new.png")
    index(collection=str(collection), paths=[str(pictures)])
    passes.clear()
    assert run(collection, policies)["num_scored"] == 1
    assert passes == []
    with Collection(collection).read() as con:
        counts = con.execute(
            "SELECT counts FROM run WHERE flow = 'moderate' ORDER BY started_at DESC LIMIT 1"
        ).fetchall()[0][0]
    assert json.loads(counts)["num_new"] == 1

    broken = policies / "broken"
    broken.mkdir()
    (broken / "policy.md").write_text("Nothing.")
    with pytest.raises(RunError, match="no front matter") as raised:
        run(collection, policies)
    assert raised.value.report["num_policies"] == 1


def test_a_collection_that_is_not_there_is_not_made(tmp_path: Path, policies: Path) -> None:
    with pytest.raises(CollectionMissing):
        run(tmp_path / "none.duckdb", policies)
    assert not (tmp_path / "none.duckdb").exists()


def test_a_judge_seconds_what_was_found_and_a_model_that_is_none_starts_no_run(
    tmp_path: Path, pictures: Path, policies: Path, tiny_clip: Path
) -> None:
    collection = tmp_path / "collection.duckdb"
    index(collection=str(collection), paths=[str(pictures)], model=str(tiny_clip))
    with pytest.raises(ModelUnsupported, match="judges no policy here"):
        moderate(collection=str(collection), policies=str(policies), judge=str(tiny_clip))
    judge = build_shield(tmp_path / "shield")
    asked = {"collection": str(collection), "policies": str(policies), "judge": str(judge)}
    report = moderate(**asked)
    assert report["num_judged"] == report["num_new"] == 12
    assert moderate(**asked)["num_judged"] == 0
    with Collection(collection).read() as con:
        flows = con.execute("SELECT count(*) FROM run WHERE flow = 'moderate'").fetchall()
    assert flows == [(2,)]
