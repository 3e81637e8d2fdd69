"""A run takes the backend that was measured to be faster, once a collection and device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crossmodal.embedding import backend_choice, batch_choice
from crossmodal.embedding.backend_choice import WORTH_CHANGING, with_backends
from crossmodal.embedding.batch_choice import MIN_SOURCES, with_batch_sizes
from crossmodal.embedding.batch_size import Found
from crossmodal.embedding.options import EmbedOptions
from crossmodal.encoders.backends import names
from crossmodal.encoders.encoder import Encoder
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.errors import ModelUnsupported
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.batch_sizes import BatchSize, all_batch_sizes
from crossmodal.records import Batch, Lineup
from tests.embedding.test_batch_choice import shards_of


class World:
    """Hold a collection, and what torch and OpenVINO are said to do a second."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.folder, self.encoder = folder, encoder
        self.collection = Collection(folder / "c.duckdb")
        with self.collection.write() as con:
            self.lineup = model_versions.register_lineup(con, Lineup.of(encoder.version))
        self.encoders = Encoders(self.lineup, "cpu")
        self.per_s: dict[str, float] = {"torch": 10.0, "openvino": 20.0}
        self.refused = False
        self.measured: list[str] = []

    def of(self, encoders: Encoders, modality: str) -> Encoder:
        if self.refused and encoders.backends:
            raise ModelUnsupported("its vectors differ")
        return self.encoder.run_by(lambda pixels: pixels) if encoders.backends else self.encoder

    def find(self, encoder, items, device) -> Found:
        backend = "openvino" if encoder.has_own_threads else "torch"
        self.measured.append(backend)
        return Found(4, self.per_s[backend])

    def choose(self, num: int = MIN_SOURCES, media_type: str = "image/png", **options) -> str:
        batches = shards_of(self.folder, num, media_type)
        chosen = with_backends(
            EmbedOptions(**options), self.collection, self.encoders, batches, lambda _: None
        )
        return chosen.backend("image")

    def remembered(self) -> list[BatchSize]:
        with self.collection.read() as con:
            return all_batch_sizes(con)


@pytest.fixture
def world(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, encoder)
    monkeypatch.setattr(Encoders, "of", lambda encoders, modality: made.of(encoders, modality))
    monkeypatch.setattr(batch_choice, "find_batch_size", made.find)
    monkeypatch.setattr(backend_choice, "openvino_version", lambda: "2026.4.1")
    monkeypatch.setattr(names, "openvino_version", lambda: "2026.4.1")
    return made


def test_what_is_faster_is_taken_and_remembered(world: World) -> None:
    assert world.choose() == "openvino"
    assert world.measured == ["torch", "openvino"]
    assert world.choose() == "openvino"
    assert world.choose(200) == "openvino"
    assert world.measured == ["torch", "openvino"]
    ours, other = world.remembered()
    assert other.device == f"{ours.device}, openvino 2026.4.1"
    assert other.items_per_s == 20.0


def test_a_gain_within_the_margin_changes_nothing(world: World) -> None:
    world.per_s["openvino"] = world.per_s["torch"] * (WORTH_CHANGING - 0.01)
    assert world.choose() == "torch"
    assert world.choose() == "torch"
    assert world.measured == ["torch", "openvino"]


def test_small_runs_neither_measure_nor_wait_for_a_tower_to_be_opened(world: World) -> None:
    assert world.choose(MIN_SOURCES - 1) == "torch"
    assert world.measured == []
    world.choose()
    assert world.choose(20) == "torch"


def test_other_vectors_are_remembered_as_no_gain(world: World) -> None:
    world.refused = True
    assert world.choose() == "torch"
    assert world.choose() == "torch"
    assert world.measured == ["torch"]
    assert [size.items_per_s for size in world.remembered()] == [10.0, 0.0]


def test_vectors_that_differ_since_they_were_measured_leave_it_to_torch(world: World) -> None:
    assert world.choose() == "openvino"
    world.refused = True
    assert world.choose() == "torch"


def test_torch_by_name_and_no_openvino_measure_nothing(world: World, monkeypatch) -> None:
    assert world.choose(backend="torch") == "torch"
    monkeypatch.setattr(backend_choice, "openvino_version", lambda: "")
    assert world.choose() == "torch"
    assert world.choose(media_type="text/plain") == "torch"
    assert world.choose(runner="ray") == "torch"
    assert world.measured == []


def test_openvino_by_name_is_taken_unmeasured_or_refused_with_a_reason(world: World) -> None:
    assert world.choose(3, backend="openvino") == "openvino"
    assert world.measured == []
    with pytest.raises(ModelUnsupported, match="nodes of Ray run torch"):
        world.choose(backend="openvino", runner="ray")
    world.refused = True
    with pytest.raises(ModelUnsupported, match="its vectors differ"):
        world.choose(3, backend="openvino")


def test_each_backend_has_its_own_batch_size(world: World) -> None:
    world.choose()
    batches: list[Batch] = shards_of(world.folder, 10, "image/png")
    changed = replace(world.encoders, backends={"image": "openvino"})
    options = with_batch_sizes(
        EmbedOptions(), world.collection, changed, batches, lambda _: pytest.fail("measured")
    )
    assert options.found_batches == {"image": 4}


def test_a_real_tower_is_measured_and_embeds_the_same(
    tmp_path: Path, tiny_clip: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="crossmodal[openvino] is not installed")
    monkeypatch.setenv("CROSSMODAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(backend_choice, "WORTH_CHANGING", 0.0)
    made = World(tmp_path, encoder)
    assert made.choose() == "openvino"
    torchs, other = made.remembered()
    assert torchs.items_per_s > 0
    assert other.items_per_s > 0
    pixels = encoder.preprocess.noise(5)
    changed = replace(made.encoders, backends={"image": "openvino"})
    found = changed.of("image").encode_images(pixels).vectors
    assert (found * made.encoders.of("image").encode_images(pixels).vectors).sum(1).min() > 0.99999
