"""Every family of image-text models: a tiny random one of its real class goes all the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossmodal.embedding.one_picture import encode_picture
from crossmodal.encoders.cache import load_encoder
from crossmodal.errors import ModelUnsupported
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from crossmodal.records import Lineup
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from tests.drawn import draw_pictures
from tests.ledger.build import plan, planned, shard, vector_row
from tests.tiny_model import (
    build_tiny_altclip,
    build_tiny_chinese_clip,
    build_tiny_clip,
    build_tiny_metaclip_2,
    build_tiny_siglip,
)

FAMILIES: dict[str, Callable[[Path], Path]] = {
    "clip": build_tiny_clip,
    "siglip": build_tiny_siglip,
    "metaclip_2": build_tiny_metaclip_2,
    "altclip": build_tiny_altclip,
    "chinese_clip": build_tiny_chinese_clip,
}


@pytest.fixture(scope="module", params=FAMILIES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    build: Callable[[Path], Path] = FAMILIES[request.param]
    return build(tmp_path_factory.mktemp(request.param) / "model")


def described(folder: Path) -> Any:
    files = model_files.resolve(ModelSpec(str(folder)))
    return files, model_files.describe(files, "float32", model_files.weights_hash(files))


def test_pictures_and_texts_are_indexed_and_found_across(built: Path, tmp_path: Path) -> None:
    files, version = described(built)
    encoder = load_encoder(files, version, "cpu")
    pictures = draw_pictures(tmp_path / "pictures", 6)
    rows = [planned(str(path), str(path)) for path in pictures]
    vectors = [encode_picture(encoder, str(path)) for path in pictures]
    notes = [planned(f"/notes/{n}.txt", f"note {n}") for n in range(2)]
    passages = encoder.encode_passages(["a boat", "a table of figures"]).vectors
    embedded = [vector_row(row, v) for row, v in zip(rows, vectors, strict=True)]
    embedded += [
        vector_row(row, v, modality="text", text="words")
        for row, v in zip(notes, passages, strict=True)
    ]
    collection = Collection(tmp_path / "c.duckdb")
    with collection.write() as con:
        lineup = model_versions.register_lineup(con, Lineup.of(version))
        shard_writer.commit_shard(con, shard(lineup, plan(*rows, *notes), embedded))
    service = SearchService(collection)
    options = QueryOptions(collection=str(collection.path), device="cpu", mode="vector")
    by_picture = service.ask(Query(picture=str(pictures[2])), options)
    assert by_picture.hits[0].uri == str(pictures[2])
    by_text = service.ask(Query(text="a table of figures"), options)
    assert {hit.modality for hit in by_text.hits} == {"image", "text"}
    best = max(by_text.hits, key=lambda hit: hit.score)
    assert (best.uri, round(best.score, 3)) == ("/notes/1.txt", 1.0)


def test_space_is_as_large_as_it_says_and_its_fingerprint_is_stable(built: Path) -> None:
    files, version = described(built)
    assert described(built)[1].fingerprint == version.fingerprint
    vectors = load_encoder(files, version, "cpu").encode_queries(["a boat", "a red boat at sea"])
    assert vectors.shape == (2, version.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert float(vectors[0] @ vectors[1]) < 0.999


def test_text_is_embedded_alike_whatever_stands_beside_it(built: Path) -> None:
    encoder = load_encoder(*described(built), "cpu")
    alone = encoder.encode_queries(["a boat"])[0]
    beside = encoder.encode_queries(["a boat", "a much longer text of many words"])[0]
    assert np.allclose(alone, beside, atol=1e-5)


def test_code_in_the_folder_is_never_run(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with-code"
    shutil.copytree(built, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("import pathlib; pathlib.Path(__file__ + '.ran').touch()\n")
    before = load_encoder(*described(built), "cpu").encode_queries(["a boat"])
    after = load_encoder(*described(folder), "cpu").encode_queries(["a boat"])
    assert np.array_equal(before, after)
    assert not list(folder.glob("*.ran"))


@pytest.mark.parametrize(
    "model_type",
    ["siglip2", "aimv2", "tipsv2", "pe_audio", "pe_video", "qwen3_vl", "embedding_gemma2"],
)
def test_family_that_is_not_known_is_refused_by_name(tmp_path: Path, model_type: str) -> None:
    folder = build_tiny_clip(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": model_type}))
    with pytest.raises(ModelUnsupported, match=f"'{model_type}'.*metaclip_2"):
        described(folder)
