"""Decoding goes on while the model works, and the model begins before decoding ends."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from crossmodal.embedding.cut import Cutter
from crossmodal.embedding.options import EmbedOptions
from crossmodal.embedding.shard_query import embed_shard
from crossmodal.encoders import forward
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.records import Lineup
from tests.drawn import draw_pictures
from tests.progress import Heard

NUM_PICTURES = 96
WAIT_S = 5.0


@dataclass
class Watched:
    """Know how many sources were decoded, and what happened while the model was kept waiting."""

    num_decoded: int = 0
    num_decoded_before_first_pass: int | None = None
    decoding_went_on: bool = False

    def begin_pass(self) -> None:
        """Keep a pass waiting until a source is decoded beside it; once that was seen, no more."""
        before = self.num_decoded
        if self.num_decoded_before_first_pass is None:
            self.num_decoded_before_first_pass = before
        give_up_s = time.monotonic() + WAIT_S
        while not self.decoding_went_on and time.monotonic() < give_up_s:
            self.decoding_went_on = self.num_decoded > before
            time.sleep(0.002)


@pytest.fixture
def watched(encoder, plan, tmp_path: Path, monkeypatch) -> Watched:
    """Return what was seen of a shard's decoding and forward passes."""
    seen, cut = Watched(), Cutter.cut

    def counted_cut(self, item, data):
        time.sleep(0.01)
        seen.num_decoded += 1
        return cut(self, item, data)

    monkeypatch.setattr(Cutter, "cut", counted_cut)
    encoder._model.vision_model.register_forward_pre_hook(lambda *_: seen.begin_pass())
    monkeypatch.setattr(Encoders, "of", lambda self, modality: encoder)
    planned = plan(draw_pictures(tmp_path, NUM_PICTURES))
    encoders = Encoders(Lineup.of(encoder.version), "cpu")
    embed_shard(planned, encoders, EmbedOptions(), lambda _: None, Heard())
    assert seen.num_decoded == NUM_PICTURES
    return seen


def test_decoding_goes_on_while_the_model_works(watched: Watched) -> None:
    assert watched.decoding_went_on


def test_the_model_begins_before_decoding_ends(watched: Watched) -> None:
    assert watched.num_decoded_before_first_pass is not None
    assert watched.num_decoded_before_first_pass < NUM_PICTURES


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


def test_an_accelerator_takes_one_pass_at_a_time() -> None:
    assert forward.num_passes("cuda") == 1


def test_passes_that_share_the_cores_give_the_vectors_of_one_that_has_them_all(encoder) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (8, 32, 32, 3), np.uint8)
    alone = encoder.encode_images(pixels).vectors
    with forward.on_one_core():
        sharing = encoder.encode_images(pixels).vectors
    assert np.allclose(alone, sharing, atol=1e-6)
