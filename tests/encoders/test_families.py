"""Every family of joint models: a tiny random one of its real class goes all the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossmodal.embedding.one_picture import encode_picture
from crossmodal.encoders.cache import load_encoder
from crossmodal.encoders.encoder import Encoder
from crossmodal.errors import ModelUnsupported
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from crossmodal.records import Lineup, ModelVersion
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from tests.drawn import draw_pictures
from tests.ledger.build import plan, planned, shard, vector_row
from tests.tiny_model import (
    build_tiny_altclip,
    build_tiny_chinese_clip,
    build_tiny_clap,
    build_tiny_clip,
    build_tiny_gemma,
    build_tiny_metaclip_2,
    build_tiny_pe_audio,
    build_tiny_qwen,
    build_tiny_siglip,
    build_tiny_siglip2,
    build_tiny_tipsv2,
)

FAMILIES: dict[str, Callable[[Path], Path]] = {
    "clip": build_tiny_clip,
    "siglip": build_tiny_siglip,
    "metaclip_2": build_tiny_metaclip_2,
    "altclip": build_tiny_altclip,
    "chinese_clip": build_tiny_chinese_clip,
    "siglip2": build_tiny_siglip2,
    "tipsv2": build_tiny_tipsv2,
    "clap": build_tiny_clap,
    "pe_audio": build_tiny_pe_audio,
    "embedding_gemma2": build_tiny_gemma,
    # With random weights another instruction is another text.
    "qwen3_vl": partial(build_tiny_qwen, instruction="Say what it is."),
}
NOTES = ["a boat", "a table of figures"]


@pytest.fixture(scope="module", params=FAMILIES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    build: Callable[[Path], Path] = FAMILIES[request.param]
    return build(tmp_path_factory.mktemp(request.param) / "model")


def described(folder: Path) -> Any:
    files = model_files.resolve(ModelSpec(str(folder)))
    return files, model_files.describe(files, "float32", model_files.weights_hash(files))


def embedded(encoder: Encoder, folder: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Return two or more items of each modality that an encoder serves, with their vectors."""
    found = {"text": list(zip(NOTES, encoder.encode_passages(NOTES).vectors, strict=True))}
    if "image" in encoder.modalities:
        pictures = [str(path) for path in draw_pictures(folder, 6)]
        found["image"] = [(path, encode_picture(encoder, path)) for path in pictures]
    if "audio" in encoder.modalities:
        rate, names = encoder.audio.sample_rate_hz, ["low.wav", "high.wav"]
        times = np.arange(rate) / rate
        sounds = [np.sin(2 * np.pi * hz * times).astype(np.float32) for hz in (200, 1900)]
        encoded = encoder.encode_audio(sounds)
        assert not encoded.failed
        found["audio"] = list(zip(names, encoded.vectors, strict=True))
    return found


def lineup_of(version: ModelVersion, folder: Path) -> Lineup:
    """Return the line-up in which a version serves all that it can, beside a CLIP at need."""
    if "image" in version.encoders:
        return Lineup.of(version)
    _, joint = described(build_tiny_clip(folder / "clip"))
    return Lineup.of(joint, audio=version)


def test_all_that_it_serves_is_indexed_and_found_across(built: Path, tmp_path: Path) -> None:
    files, version = described(built)
    lineup = lineup_of(version, tmp_path)
    served = [modality for modality, other in lineup.serving.items() if other == version]
    items = embedded(load_encoder(files, version, "cpu"), tmp_path / "pictures")
    collection = Collection(tmp_path / "c.duckdb")
    sources, rows = [], []
    for modality in served:
        for name, vector in items[modality]:
            sources.append(planned(name, name))
            rows.append(vector_row(sources[-1], vector, modality=modality, text="words"))
    with collection.write() as con:
        registered = model_versions.register_lineup(con, lineup)
        shard_writer.commit_shard(con, shard(registered, plan(*sources), rows))
    service = SearchService(collection)
    options = QueryOptions(collection=str(collection.path), device="cpu", mode="vector")
    by_text = service.ask(Query(text=NOTES[1]), options)
    assert {hit.modality for hit in by_text.hits} == set(served)
    if "text" in served:
        best = max(by_text.hits, key=lambda hit: hit.score)
        assert (best.uri, round(best.score, 3)) == (NOTES[1], 1.0)
    if "image" in served:
        picture = items["image"][2][0]
        by_picture = service.ask(Query(picture=picture), options)
        assert max(by_picture.hits, key=lambda hit: hit.score).uri == picture
        assert {hit.modality for hit in by_picture.hits} == set(served)
    if "audio" in served:
        sound = next(hit for hit in by_text.hits if hit.modality == "audio")
        alike = service.ask(Query(chunk_id=sound.chunk_id), options)
        assert alike.hits


def test_space_is_as_large_as_it_says_and_its_fingerprint_is_stable(built: Path) -> None:
    files, version = described(built)
    assert described(built)[1].fingerprint == version.fingerprint
    vectors = load_encoder(files, version, "cpu").encode_queries(["a boat", "a red boat at sea"])
    assert vectors.shape == (2, version.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert float(vectors[0] @ vectors[1]) < 0.999


def test_an_item_is_embedded_alike_whatever_stands_beside_it(built: Path) -> None:
    encoder = load_encoder(*described(built), "cpu")
    alone = encoder.encode_queries(["a boat"])[0]
    beside = encoder.encode_queries(["a boat", "a much longer text of many words"])[0]
    assert np.allclose(alone, beside, atol=1e-5)
    if "image" in encoder.modalities:
        shapes = [(40, 40), (90, 30), (30, 120)]
        pixels = np.stack([encoder.preprocess.apply(striped(*shape)) for shape in shapes])
        together = encoder.encode_images(pixels).vectors
        singly = np.concatenate(
            [encoder.encode_images(pixels[i : i + 1]).vectors for i in (0, 1, 2)]
        )
        assert np.allclose(singly, together, atol=1e-5)
        assert float(singly[0] @ singly[1]) < 0.999
    if "audio" in encoder.modalities:
        rng = np.random.default_rng(0)
        lengths = (encoder.audio.sample_rate_hz, encoder.audio.sample_rate_hz // 3)
        sounds = [rng.uniform(-1, 1, length).astype(np.float32) for length in lengths]
        together = encoder.encode_audio(sounds).vectors
        singly = np.concatenate([encoder.encode_audio([sound]).vectors for sound in sounds])
        assert np.allclose(singly, together, atol=1e-5)


def striped(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width).integers(0, 255, (6, 7, 3), np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


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
    ["aimv2", "pe_video", "pe_audio_video"],
)
def test_family_that_is_not_known_is_refused_by_name(tmp_path: Path, model_type: str) -> None:
    folder = build_tiny_clip(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": model_type}))
    with pytest.raises(ModelUnsupported, match=f"'{model_type}'.*metaclip_2"):
        described(folder)
