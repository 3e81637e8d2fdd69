from __future__ import annotations

import itertools
import time

import pytest
import torch

from crossmodal.embedding import batch_size
from crossmodal.embedding.batch_size import (
    batch_rule,
    device_name,
    double,
    find_batch_size,
)
from crossmodal.embedding.modalities.image import HANDLING
from crossmodal.encoders.forward import BatchTooLarge

PICTURES = HANDLING.one_shape
CUDA_FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def watch_passes(encoder, limit: int) -> list[int]:
    """Let passes over more images than ``limit`` run out of memory; return the sizes that came."""
    sizes: list[int] = []

    def hook(_module, args, kwargs):
        sizes.append(len(kwargs.get("pixel_values", args[0] if args else None)))
        if sizes[-1] > limit:
            raise CUDA_FULL

    encoder._model.vision_model.register_forward_pre_hook(hook, with_kwargs=True)
    return sizes


def seconds_of(*per_item: float):
    """Return what passes take whose sizes, doubling from 1, cost so many seconds an item."""
    costs = {2**power: cost for power, cost in enumerate(per_item)}
    return lambda num_items: num_items * costs[num_items]


@pytest.mark.parametrize(
    ("per_item", "best"),
    [
        ((1.0, 0.8, 0.7, 0.7, 0.9), 4),
        ((1.0, 0.99, 0.98, 0.97), 1),
        ((1.0, 0.8, 0.81, 0.6, 0.7, 0.7), 8),
        ((1.0, 0.5, 0.25, 0.12, 0.06, 0.03), 32),
    ],
    ids=["smaller of equals", "nothing gained", "one unlucky size", "up to the largest"],
)
def test_the_smallest_size_that_no_larger_one_clearly_beats_is_found(per_item, best) -> None:
    assert double(seconds_of(*per_item), largest=32, rule=8).num_items == best


def test_a_search_that_runs_out_of_time_keeps_to_the_rule() -> None:
    found = double(seconds_of(1.0, 0.9), largest=32, rule=8, clock=itertools.count(0, 0.5).__next__)
    assert found.num_items == 8


def test_a_size_above_the_rule_that_was_timed_stays_when_time_runs_out() -> None:
    found = double(seconds_of(1.0, 0.9), largest=32, rule=1, clock=itertools.count(0, 0.5).__next__)
    assert found.num_items == 2


def test_sizes_that_do_not_fit_are_never_the_answer() -> None:
    def pass_s(num_items: int) -> float:
        raise BatchTooLarge(f"{num_items} do not fit")

    assert double(pass_s, largest=32, rule=8).num_items == 1


def test_a_batch_that_does_not_fit_in_memory_ends_the_search(encoder) -> None:
    sizes = watch_passes(encoder, limit=2)
    found = find_batch_size(encoder, PICTURES, "cpu")
    assert found.num_items <= 2
    assert sorted(set(sizes)) == [1, 2, 4], "the batch was halved, or the search went on"


def test_batches_are_halved_again_after_a_search(encoder) -> None:
    watch_passes(encoder, limit=2)
    find_batch_size(encoder, PICTURES, "cpu")
    pixels = torch.zeros(4, *encoder.image_size, 3, dtype=torch.uint8).numpy()
    assert not encoder.encode_images(pixels).failed


def test_a_search_over_a_small_model_takes_no_time_to_speak_of(encoder) -> None:
    began = time.monotonic()
    found = find_batch_size(encoder, PICTURES, "cpu")
    assert time.monotonic() - began < batch_size._LIMIT_S
    assert 1 <= found.num_items <= batch_size._CPU_LARGEST
    assert found.items_per_s > 0


def test_a_named_number_is_the_most_that_a_pass_takes() -> None:
    assert batch_rule("cuda", 64) == 64
    assert batch_rule("cpu", 4) == 4
    assert batch_rule("cpu", 64) == batch_rule("cpu") == 8
    assert batch_rule("cuda") == 32


def test_a_processor_is_known_by_its_name_and_its_cores(encoder) -> None:
    assert device_name("cpu").endswith(" cores")
    assert device_name("mps") != device_name("cpu")
    assert PICTURES.name(encoder) == "32x32"
