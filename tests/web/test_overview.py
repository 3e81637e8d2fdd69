"""The collection as a whole: its map, its models, its runs, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from starlette.testclient import TestClient

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.maps import MapPoints, write_map
from crossmodal.models.lineage import register_parent
from crossmodal.web.api import overview
from crossmodal.web.app import make_app
from tests.ledger import build
from tests.web.conftest import HOME, Site

HOSTILE = "<img src=x onerror=alert(1)>"


def draw_map(collection: Path) -> list[int]:
    """Keep a map of all chunks in two clusters, one on either side, and return the chunks."""
    with duckdb.connect(str(collection)) as con:
        [(version,)] = con.execute("SELECT min(id) FROM model_version").fetchall()
        ids = np.array(
            [n for (n,) in con.execute("SELECT chunk_id FROM chunk ORDER BY 1").fetchall()]
        )
        clusters = (np.arange(len(ids)) % 2).astype(np.int32)
        rng = np.random.default_rng(2)
        places = rng.normal(0, 1, (len(ids), 2)) + clusters[:, None] * [9, -4]
        points = MapPoints(ids, places.astype(np.float32), clusters, np.ones(len(ids), bool))
        write_map(con, version, points, {0: "boats, harbour", 1: HOSTILE})
    return [int(each) for each in ids]


def add_versions(collection: Path) -> None:
    """Register what was trained from the live version, and a space derived from that."""
    with Collection(collection).write() as con:
        live = model_versions.live(con)
        assert live is not None
        root = live.joint.id or 0
        trained = model_versions.register(con, build.version(HOSTILE))
        spaced = model_versions.register(con, build.version("a space"))
        how = {"kind": "training", "run": "abcdef123", "depth": "head", "data_digest": "d" * 64}
        secret = {"metrics": {"base": 1}, "path": "s3://key:secret@bucket/x"}
        register_parent(con, trained.id or 0, root, how | secret)
        register_parent(con, spaced.id or 0, trained.id or 0, {"kind": "space", "space": "pca"})


@pytest.fixture
def mapped(own_site: Site) -> Iterator[tuple[TestClient, list[int]]]:
    ids = draw_map(own_site.collection)
    with TestClient(make_app(own_site.settings), base_url=HOME) as client:
        yield client, ids


def test_map_has_every_chunk_within_the_sheet_and_names_its_clusters(
    mapped: tuple[TestClient, list[int]],
) -> None:
    client, ids = mapped
    found = client.get("/api/v1/map").json()
    assert found["num_chunks"] == len(ids)
    assert [chunk for chunk, *_ in found["points"]] == ids
    assert all(0 <= x <= 1 and 0 <= y <= 1 for _, x, y, _ in found["points"])
    assert {each["name"] for each in found["clusters"]} == {"boats, harbour", HOSTILE}
    assert sum(each["num_chunks"] for each in found["clusters"]) == len(ids)
    # What lies low on paper lies low on the page, where y grows downwards.
    low = [y for _, _, y, cluster in found["points"] if cluster == 1]
    high = [y for _, _, y, cluster in found["points"] if cluster == 0]
    assert np.median(low) > np.median(high)


def test_large_maps_are_thinned_out_evenly(
    mapped: tuple[TestClient, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, ids = mapped
    monkeypatch.setattr(overview, "MAX_POINTS", 5)
    found = client.get("/api/v1/map").json()
    assert [p[0] for p in found["points"]] == [
        ids[i] for i in np.linspace(0, len(ids) - 1, 5).astype(int)
    ]
    assert found["num_chunks"] == len(ids)


def test_without_a_map_the_answer_says_how_to_draw_one(client: TestClient) -> None:
    answer = client.get("/api/v1/map")
    assert (answer.status_code, answer.json()["error"]) == (404, "no_map")
    assert "crossmodal map" in answer.json()["hint"]


def test_models_tell_what_they_serve_and_hold(client: TestClient) -> None:
    [model] = client.get("/api/v1/models").json()
    assert set(model["serves"]) == {"image", "text"}
    assert model["vector_bytes"] == sum(model["vectors"].values()) * model["dim"] * 4
    assert model["figures"] == []


def test_runs_come_newest_first_and_as_many_as_asked_for(client: TestClient) -> None:
    [run] = client.get("/api/v1/runs", params={"k": 5}).json()
    assert (run["flow"], run["state"], run["message"]) == ("index", "completed", "")
    assert run["num_embedded"] > 30
    assert run["wall_s"] > 0
    assert client.get("/api/v1/runs", params={"k": 101}).status_code == 422


def test_lineage_tells_what_made_what_and_who_serves(own_site: Site) -> None:
    add_versions(own_site.collection)
    with TestClient(make_app(own_site.settings), base_url=HOME) as client:
        answer = client.get("/api/v1/lineage")
    found = answer.json()
    root, trained, spaced = found["nodes"]
    assert [(n["level"], n["place"], n["kind"]) for n in found["nodes"]] == [
        (0, 0, "model"),
        (1, 0, "training"),
        (2, 0, "space"),
    ]
    assert set(root["serves"]) == {"image", "text"}
    assert trained["serves"] == spaced["serves"] == []
    assert [(e["parent"], e["child"], e["kind"], e["run"]) for e in found["edges"]] == [
        (root["id"], trained["id"], "training", "abcdef123"),
        (trained["id"], spaced["id"], "space", ""),
    ]
    assert found["edges"][0]["how"] == {"depth": "head", "data_digest": "d" * 12}
    assert "secret" not in answer.text
