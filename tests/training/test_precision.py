"""Training multiplies in bfloat16 where the device does that natively, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from crossmodal.models import files
from crossmodal.training.precision import mixed


@pytest.mark.parametrize(
    ("flags", "dtype"), [({"avx512_bf16"}, torch.bfloat16), ({"avx2"}, torch.float32)]
)
def test_processor_multiplies_in_what_it_has_and_weights_learn_in_float32(
    flags: set[str], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_cpu_flags", lambda: flags)
    layer = torch.nn.Linear(8, 4)
    with mixed("cpu"):
        found = layer(torch.ones(2, 8))
    assert found.dtype == dtype
    found.float().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
