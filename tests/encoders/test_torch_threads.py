"""Large trainings take every core, what is timed takes one, and both leave torch as it was."""

from __future__ import annotations

import pytest
import torch

from crossmodal.encoders import forward, torch_threads
from crossmodal.encoders.forward import num_passes
from crossmodal.encoders.torch_threads import all_threads, one_thread, shared_s, working_on


def test_threads_are_as_before_afterwards_also_where_something_fails() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
        with all_threads():
            assert torch.get_num_threads() == num_passes("cpu")
        assert torch.get_num_threads() == 1
    with pytest.raises(ValueError, match="on the way"), one_thread():
        raise ValueError("on the way")
    assert torch.get_num_threads() == before


def test_cores_are_those_of_the_start_also_where_they_are_counted_within_one_thread() -> None:
    before = torch.get_num_threads()
    forward._num_cores.cache_clear()
    with one_thread():
        assert num_passes("cpu") == before


@pytest.mark.parametrize(
    ("num_cores", "seconds", "said"),
    [(1, 90.0, "a free core of this machine"), (2, 50.0, "2 free cores of this machine")],
)
def test_shared_work_takes_less_than_on_one_core_and_more_than_its_part(
    monkeypatch: pytest.MonkeyPatch, num_cores: int, seconds: float, said: str
) -> None:
    monkeypatch.setattr(torch_threads, "num_passes", lambda device: num_cores)
    assert shared_s(90.0, "cpu") == pytest.approx(seconds)
    assert working_on("cpu") == said


def test_work_of_a_gpu_is_not_shared_by_cores() -> None:
    assert shared_s(90.0, "cuda") == 90.0
    assert working_on("cuda") == "this cuda"
