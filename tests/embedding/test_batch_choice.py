from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossmodal.embedding import batch_choice, batch_size
from crossmodal.embedding.batch_choice import MIN_SOURCES, with_batch_sizes
from crossmodal.embedding.options import EmbedOptions
from crossmodal.encoders.encoder import Encoder
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.batch_sizes import BatchSize, all_batch_sizes, remember
from crossmodal.records import PLAN_SCHEMA, Batch, Lineup, Span
from tests.ledger.build import in_charge_of


class World:
    """Hold a collection with one registered model, and what was seen of its forward passes."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.folder = folder
        self.collection = Collection(folder / "c.duckdb")
        with self.collection.write() as con:
            lineup = model_versions.register_lineup(con, Lineup.of(encoder.version))
        self.encoders = Loaded(lineup, encoder)
        self.spans: list[Span] = []
        self.num_passes = 0
        encoder._model.vision_model.register_forward_pre_hook(self._count)

    def choose(
        self, num_sources: int = MIN_SOURCES, media_type: str = "image/png", **options
    ) -> EmbedOptions:
        """Return the options of a run over so many sources, in two shards."""
        batches = shards_of(self.folder, num_sources, media_type)
        return with_batch_sizes(
            EmbedOptions(**options), self.collection, self.encoders, batches, self.spans.append
        )

    def remembered(self) -> list[BatchSize]:
        with self.collection.read() as con:
            return all_batch_sizes(con)

    def _count(self, *_) -> None:
        self.num_passes += 1


class Loaded(Encoders):
    """Lend one encoder that is already loaded."""

    def __init__(self, lineup: Lineup, encoder: Encoder) -> None:
        super().__init__(lineup, "cpu")
        object.__setattr__(self, "encoder", encoder)

    def of(self, modality: str) -> Encoder:
        return self.encoder


def shards_of(folder: Path, num_sources: int, media_type: str) -> list[Batch]:
    """Return a plan of so many sources, in two shards."""
    planned_rows = [planned(number, media_type) for number in range(num_sources)]
    rows = pa.Table.from_pylist(planned_rows, schema=PLAN_SCHEMA)
    shards = folder / "shards.parquet"
    pq.write_table(rows, shards, row_group_size=max(-(-num_sources // 2), 1))
    return [Batch(shards, 0, 1)]


def planned(number: int, media_type: str) -> dict[str, object]:
    text = dict.fromkeys(("action", "reason", "content_hash", "previous_uri"), "")
    place = {"uri": f"/{number}", "root": "/", "size_bytes": 1, "mtime_ns": 0}
    noted = in_charge_of(media_type)
    return {**text, **place, "media_type": media_type, **noted, "embed": True}


@pytest.fixture
def world(tmp_path: Path, encoder: Encoder) -> World:
    return World(tmp_path, encoder)


def test_a_found_batch_size_is_remembered_and_not_searched_again(world: World) -> None:
    first = world.choose()
    assert world.num_passes > 0
    assert [span.stage for span in world.spans] == ["find batch size"]
    world.num_passes = 0
    assert world.choose().found_batches == first.found_batches
    assert world.num_passes == 0
    [kept] = world.remembered()
    assert {"image": kept.num_items} == first.found_batches
    assert (kept.modality, kept.shape) == ("image", "32x32")


def test_a_small_run_does_not_search_but_uses_what_is_remembered(world: World) -> None:
    assert world.choose(MIN_SOURCES - 1).found_batches == {}
    assert world.num_passes == 0
    found = world.choose().found_batches
    assert world.choose(3).found_batches == found


def test_another_device_finds_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.choose()
    monkeypatch.setattr(batch_choice, "device_name", lambda _: "another processor, 64 cores")
    world.num_passes = 0
    world.choose()
    assert world.num_passes > 0
    assert {kept.device for kept in world.remembered()} == {
        batch_size.device_name("cpu"),
        "another processor, 64 cores",
    }


def test_a_named_number_is_neither_searched_for_nor_replaced(world: World) -> None:
    options = world.choose(batch_size=5)
    assert (options.batch_size, options.found_batches) == (5, {})
    assert world.num_passes == 0
    assert world.remembered() == []


def test_passages_and_runs_on_ray_keep_to_the_rule(world: World) -> None:
    assert world.choose(media_type="text/plain").found_batches == {}
    assert world.choose(runner="ray").found_batches == {}
    assert world.num_passes == 0


def test_what_was_remembered_is_searched_for_again_once_it_is_deleted(world: World) -> None:
    world.choose()
    with world.collection.write() as con:
        con.execute("DELETE FROM batch_size")
    world.num_passes = 0
    world.choose()
    assert world.num_passes > 0


def test_what_is_found_later_takes_the_place_of_what_was_found_before(world: World) -> None:
    world.choose()
    [kept] = world.remembered()
    later = BatchSize(
        model_version_id=kept.model_version_id,
        modality=kept.modality,
        device=kept.device,
        shape=kept.shape,
        num_items=77,
        items_per_s=1.5,
    )
    with world.collection.write() as con:
        remember(con, later)
    assert world.remembered() == [later]
    assert world.choose(3).found_batches == {"image": 77}
