"""Decoding goes on while the model works, and the model begins before decoding ends."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tasks.embedding import forward
from tasks.embedding.cutting import Cutter
from tasks.embedding.encoders import Encoders
from tasks.embedding.options import EmbedOptions
from tasks.embedding.query import embed_shard
from tasks.records import Lineup, Span
from tests.pictures import draw_pictures

NUM_PICTURES = 96
DECODE_S = 0.01
FORWARD_S = 0.08


@pytest.fixture
def spans(encoder, plan, tmp_path: Path, monkeypatch) -> list[Span]:
    """Return the spans of a shard whose decoding and whose forward passes take their time."""
    cut = Cutter.cut

    def slow_cut(self, item, data):
        time.sleep(DECODE_S)
        return cut(self, item, data)

    monkeypatch.setattr(Cutter, "cut", slow_cut)
    encoder._model.vision_model.register_forward_pre_hook(lambda *_: time.sleep(FORWARD_S))
    found: list[Span] = []
    monkeypatch.setattr(Encoders, "of", lambda self, modality: encoder)
    planned = plan(draw_pictures(tmp_path, NUM_PICTURES))
    encoders = Encoders(Lineup.of(encoder.version), "cpu")
    embed_shard(planned, encoders, EmbedOptions(), found.append, lambda _: None)
    return found


def of(spans: list[Span], operator: str) -> list[tuple[float, float]]:
    return sorted(
        (span.started_s, span.started_s + span.wall_s)
        for span in spans
        if span.operator == operator
    )


def test_decoding_goes_on_while_the_model_works(spans: list[Span]) -> None:
    overlapping_s = sum(
        max(0.0, min(d_stop, f_stop) - max(d_start, f_start))
        for d_start, d_stop in of(spans, "decode")
        for f_start, f_stop in of(spans, "forward")
    )
    assert overlapping_s > 0.2 * sum(stop - start for start, stop in of(spans, "forward"))


def test_the_model_begins_long_before_decoding_ends(spans: list[Span]) -> None:
    decodes, (first_forward, *_) = of(spans, "decode"), of(spans, "forward")
    still_to_come = [start for start, _ in decodes if start > first_forward[0]]
    assert len(still_to_come) >= len(decodes) / 4


def test_forward_passes_of_the_processor_run_side_by_side(encoder) -> None:
    if forward.num_passes("cpu") == 1:
        pytest.skip("one core: nothing runs beside it")
    meeting = threading.Barrier(2, timeout=60)

    def meet(*_) -> None:
        meeting.wait()

    encoder._model.vision_model.register_forward_pre_hook(meet)
    pixels = np.zeros((1, 32, 32, 3), np.uint8)

    def encode() -> None:
        with forward.on_one_core():
            encoder.encode_images(pixels)

    threads = [threading.Thread(target=encode) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert not meeting.broken
    assert not any(thread.is_alive() for thread in threads)


def test_an_accelerator_takes_one_pass_and_the_batch_that_was_asked_for() -> None:
    assert forward.num_passes("cuda") == 1
    assert forward.batch_rows("cuda", 64) == 64
    assert forward.batch_rows("cpu", 4) == 4


def test_passes_that_share_the_cores_give_the_vectors_of_one_that_has_them_all(encoder) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (8, 32, 32, 3), np.uint8)
    alone = encoder.encode_images(pixels).vectors
    with forward.on_one_core():
        sharing = encoder.encode_images(pixels).vectors
    assert np.allclose(alone, sharing, atol=1e-6)
