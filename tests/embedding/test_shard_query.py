from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from crossmodal.embedding import operators
from crossmodal.embedding.one_picture import encode_picture
from crossmodal.embedding.options import EmbedOptions
from crossmodal.embedding.shard_query import EmbeddedShard, embed_shard
from crossmodal.encoders.encoder import Encoder
from crossmodal.encoders.forward import num_passes
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.errors import CrossmodalError, PathError
from crossmodal.pictures.colour_histogram import colours_of
from crossmodal.records import CHUNK_SCHEMA, Lineup, Span, VectorList, vector_schema
from tests.drawn import draw_pictures
from tests.progress import Heard


class Watch:
    """Keep what a shard's query reports."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.progress = Heard()

    def num_items(self, operator: str) -> int:
        return sum(span.num_items for span in self.spans if span.operator == operator)


class Loaded(Encoders):
    """Lend one encoder that is already loaded, whatever is asked for."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(Lineup.of(encoder.version))
        object.__setattr__(self, "encoder", encoder)

    def of(self, modality: str) -> Encoder:
        return self.encoder


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def embed(encoder, watch):
    """Return a function that embeds a planned shard under watch."""

    def run(planned, **options):
        return embed_shard(
            planned,
            Loaded(encoder),
            EmbedOptions(**options),
            watch.spans.append,
            watch.progress,
        )

    return run


def pictures(embedded: EmbeddedShard, encoder: Encoder) -> pa.Table:
    return embedded.vectors[VectorList(encoder.version, "image")]


def test_every_row_comes_back_in_order_with_the_vector_of_its_picture(
    embed, encoder, plan, tmp_path: Path, watch: Watch
) -> None:
    paths = draw_pictures(tmp_path, 75)
    embedded = embed(plan(paths), batch_size=16)
    assert embedded.cut.schema == CHUNK_SCHEMA
    assert embedded.cut["uri"].to_pylist() == [str(path) for path in paths]
    assert embedded.num_vectors == 75
    expected = np.stack([encode_picture(encoder, str(path)) for path in paths])
    assert np.allclose(
        np.array(pictures(embedded, encoder)["vector"].to_pylist()), expected, atol=1e-5
    )
    assert sum(watch.progress.amounts) == 75, "a picture is one chunk, however large"
    assert set(watch.progress.begun) == set(watch.progress.ended) == set(map(str, paths))


def test_one_item_is_one_item_through_each_operator(embed, plan, tmp_path: Path, watch) -> None:
    embed(plan(draw_pictures(tmp_path, 1)))
    assert [span.operator for span in watch.spans] == ["read", "decode", "forward"]
    assert {span.stage for span in watch.spans} == {"embed"}
    assert [watch.num_items(name) for name in ("read", "decode", "forward")] == [1, 1, 1]
    assert all(span.num_bytes > 0 and span.wall_s > 0 for span in watch.spans)


def test_bad_files_cost_only_themselves(embed, plan, tmp_path: Path, watch: Watch) -> None:
    paths = draw_pictures(tmp_path, 20)
    paths[3].write_bytes(b"")
    paths[7].write_bytes(b"this is no picture at all")
    paths[12].write_bytes(paths[12].read_bytes()[:200])
    planned = plan(paths)
    paths[15].write_bytes(paths[16].read_bytes())
    paths[18].unlink()
    embedded = embed(planned).cut.to_pylist()
    refused = {n: (row["stage"], row["reason"]) for n, row in enumerate(embedded) if row["reason"]}
    assert refused == {
        3: ("decode", "empty"),
        7: ("decode", "unidentified_format"),
        12: ("decode", "truncated"),
        15: ("read", "changed_while_indexing"),
        18: ("read", "missing"),
    }
    assert [n for n, row in enumerate(embedded) if row["transient"]] == [15, 18]
    assert all(embedded[n]["detail"] for n in refused)
    assert watch.num_items("forward") == 15
    assert sum(watch.progress.amounts) == planned.num_rows
    assert set(watch.progress.begun) <= set(watch.progress.ended)


def test_shard_without_a_single_good_file_needs_no_forward_pass(
    embed, encoder, plan, tmp_path: Path, watch: Watch
) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(5)]
    for path in paths:
        path.write_bytes(b"no picture")
    embedded = embed(plan(paths))
    assert embedded.num_vectors == 0
    assert pictures(embedded, encoder).num_rows == 0
    assert watch.num_items("forward") == 0


def test_empty_shard_gives_an_empty_table(embed, encoder, plan) -> None:
    embedded = embed(plan([]))
    assert embedded.cut.num_rows == 0
    assert embedded.cut.schema == CHUNK_SCHEMA
    assert pictures(embedded, encoder).schema == vector_schema(encoder.version.dim)


def test_source_that_a_shard_names_twice_is_refused_by_name(embed, plan, tmp_path: Path) -> None:
    [path] = draw_pictures(tmp_path, 1)
    table = plan([path])
    with pytest.raises(CrossmodalError, match=f"such as {path} \\(2 times\\)"):
        embed(pa.concat_tables([table, table]))


def test_batches_are_not_larger_than_asked_for(embed, plan, tmp_path: Path, watch: Watch) -> None:
    embed(plan(draw_pictures(tmp_path, 40)), batch_size=4)
    assert max(span.num_items for span in watch.spans if span.operator == "forward") <= 4


def test_passes_take_as_many_as_suit_the_device(embed, plan, tmp_path: Path, encoder) -> None:
    sizes: list[int] = []

    def note(_module, _args, kwargs) -> None:
        sizes.append(len(kwargs["pixel_values"]))

    encoder._model.vision_model.register_forward_pre_hook(note, with_kwargs=True)
    planned = plan(draw_pictures(tmp_path, 40))
    embed(planned, found_batches={"image": 3})
    assert max(sizes) == 3
    sizes.clear()
    embed(planned, found_batches={"image": 3}, batch_size=2)
    assert max(sizes) == 2, "the number that was named did not win"


def test_a_few_pictures_are_decoded_by_more_than_one_core(embed, plan, tmp_path, watch) -> None:
    if num_passes("cpu") == 1:
        pytest.skip("one core")
    embed(plan(draw_pictures(tmp_path, 8)))
    decoded = [span.num_items for span in watch.spans if span.operator == "decode"]
    assert sum(decoded) == 8
    assert max(decoded) <= 8 // num_passes("cpu")


def test_large_files_are_read_where_they_are_decoded(
    embed, plan, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(operators, "LARGE_FILE_BYTES", 10)
    paths = draw_pictures(tmp_path, 6)
    planned = plan(paths)
    paths[2].unlink()
    embedded = embed(planned).cut.to_pylist()
    assert [row["reason"] for row in embedded] == [None, None, "missing", None, None, None]


def test_limits_of_the_options_hold(embed, plan, tmp_path: Path) -> None:
    paths = draw_pictures(tmp_path, 3)
    paths[1].write_bytes(b"x" * 50_000)
    Image.new("RGB", (400, 400)).save(paths[2], "GIF")
    embedded = embed(plan(paths), max_file_bytes=40_000, max_megapixels=0.1).cut.to_pylist()
    assert [row["reason"] for row in embedded] == [None, "too_large", "too_many_pixels"]


def test_row_names_its_chunk(embed, plan, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (300, 200)).save(path)
    row = embed(plan([path], media_type="image/jpeg")).cut.to_pylist()[0]
    assert (row["chunker"], row["kind"], row["ordinal"]) == ("whole_image/1", "image", 0)
    facts = json.loads(row["meta"])
    assert facts.pop("quality")["bright_end"] == 0
    assert facts.pop("colours") == colours_of(Image.new("RGB", (1, 1)))
    assert facts == {"width": 300, "height": 200, "format": "JPEG"}


def test_item_that_the_model_cannot_embed_is_refused_by_stage_embed(
    embed, encoder, plan, tmp_path: Path
) -> None:
    def spoil(_module, _args, output):
        output[0] = float("inf")
        return output

    encoder._model.visual_projection.register_forward_hook(spoil)
    embedded = embed(plan(draw_pictures(tmp_path, 3))).cut.to_pylist()
    assert [row["reason"] for row in embedded] == ["not_finite", None, None]
    assert embedded[0]["stage"] == "embed"


def test_error_in_the_model_ends_the_query(embed, encoder, plan, tmp_path: Path) -> None:
    def fail(*_):
        raise RuntimeError("shapes cannot be multiplied")

    encoder._model.vision_model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes"):
        embed(plan(draw_pictures(tmp_path, 3)))


def test_query_picture_that_cannot_be_used_says_why(encoder, tmp_path: Path) -> None:
    with pytest.raises(PathError, match="there is no such file"):
        encode_picture(encoder, str(tmp_path / "none.jpg"))
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(PathError, match="no image format begins with"):
        encode_picture(encoder, str(tmp_path / "text.jpg"))
