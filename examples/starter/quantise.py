"""Quantise the towers: GPTQ with a step for each input column, left to an entropy coder.

Owns the arithmetic. GPTQ (Frantar et al. 2022, arXiv:2210.17323) rounds one column after another
and pushes the error onto those still to come. Here the step of column i is ``c * U_ii`` (U: the
upper Cholesky factor of the inverse input covariance), so that every column adds the same error to
the output; the integers stay int8 and the zip container codes them at about their entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

BLOCK = 128
LARGEST = 127
Members = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Hold the covariance ``[in, in]`` and the mean ``[in]`` of what goes into a linear layer."""

    covariance: Tensor
    mean: Tensor


@dataclass(slots=True)
class Watch:
    """Gather the inputs of linear layers while a model runs; the first token may weigh more."""

    sums: dict[str, list[Any]] = field(default_factory=dict)
    hooks: list[Any] = field(default_factory=list)

    def add(self, module: nn.Module, key: str, first: float = 1.0) -> None:
        """Watch ``module`` under ``key``; ``first`` is the weight of the first token."""
        self.hooks.append(module.register_forward_pre_hook(self._hook(key, first)))

    def _hook(self, key: str, first: float) -> Callable[[nn.Module, Any], None]:
        def hook(_: nn.Module, inputs: Any) -> None:
            x = inputs[0].detach().float()
            weight = torch.ones(x.shape[1])
            weight[0] = first
            flat = (x * weight.sqrt()[None, :, None]).flatten(0, 1)
            size = x.shape[-1]
            sums = self.sums.setdefault(key, [torch.zeros(size, size), torch.zeros(size), 0.0])
            sums[0].addmm_(flat.T, flat)
            sums[1] += (x * weight[None, :, None]).sum((0, 1))
            sums[2] += float(weight.sum() * x.shape[0])

        return hook

    def done(self) -> dict[str, Inputs]:
        """Stop watching; return what each layer was given."""
        for hook in self.hooks:
            hook.remove()
        return {
            key: Inputs(second / n - torch.outer(first / n, first / n), first / n)
            for key, (second, first, n) in self.sums.items()
        }


@dataclass(frozen=True, slots=True)
class Factor:
    """Hold the order in which columns are rounded, and U, both of one input covariance."""

    order: Tensor
    upper: Tensor


def factor(covariance: Tensor, shrink: float, damping: float = 1e-3) -> Factor:
    """Return the factor of a covariance, shrunk towards its diagonal, which is damped."""
    diagonal = covariance.diagonal().clone()
    shrunk = covariance * (1 - shrink)
    shrunk.diagonal().copy_(diagonal + damping * diagonal.mean())
    order = torch.argsort(diagonal, descending=True)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(shrunk[order][:, order]))
    return Factor(order, torch.linalg.cholesky(inverse, upper=True))


def rounded(matrix: Tensor, by: Factor, c: float, *, bounded: bool) -> tuple[Tensor, Tensor]:
    """Return integers ``[out, in]`` int8 and steps ``[in]`` with matrix ~ integers * steps.

    ``bounded`` keeps a step within what its column needs: no clipped outlier, and no step above
    1.5 standard deviations in a column that is hardly used.
    """
    # Transposed: a column of the matrix is then a row, and lies together in memory.
    rest, upper = matrix.T[by.order].contiguous(), by.upper
    steps = c * upper.diagonal()
    if bounded:
        steps = torch.minimum(torch.maximum(steps, rest.abs().amax(1) / 120), 1.5 * rest.std(1))
    steps = steps.half().float().clamp_min(6e-8)
    integers = torch.empty_like(rest)
    for start in range(0, len(rest), BLOCK):
        stop = min(start + BLOCK, len(rest))
        error = _round_block(rest, integers, (upper, steps), slice(start, stop))
        rest[stop:].addmm_(upper[start:stop, stop:].T, error, alpha=-1)
    back = torch.argsort(by.order)
    return integers[back].T.to(torch.int8), steps[back]


def _round_block(rest: Tensor, integers: Tensor, how: tuple[Tensor, Tensor], at: slice) -> Tensor:
    """Round the columns ``at``; return the error that each leaves, for the columns behind."""
    block, upper, steps = rest[at].clone(), how[0][at, at], how[1][at]
    error = torch.empty_like(block)
    for k in range(len(block)):
        whole = torch.round(block[k] / steps[k]).clamp_(-LARGEST, LARGEST)
        integers[at.start + k] = whole
        error[k] = (block[k] - whole * steps[k]) / upper[k, k]
        block[k + 1 :].addr_(upper[k, k + 1 :], error[k], alpha=-1)
    return error


def constant(matrices: list[tuple[Tensor, Factor, float]], bits: float) -> float:
    """Return the c at which these (matrix, factor, output energy) cost ``bits`` a weight.

    The cost is the entropy of a rounded Gaussian, column by column:
    0.5 log2(1 + 17.08 (std / step)^2).
    """
    spread = [
        ((matrix.std(0)[by.order] / by.upper.diagonal() / energy).log2(), len(matrix))
        for matrix, by, energy in matrices
    ]
    total = sum(rows * len(column) for column, rows in spread)
    low, high = -12.0, 2.0
    for _ in range(40):
        c = (low + high) / 2
        cost = [rows * float(_entropy(column - c).sum()) for column, rows in spread]
        low, high = (c, high) if sum(cost) / total > bits else (low, c)
    return float(2**c)


def _entropy(ratio: Tensor) -> Tensor:
    return 0.5 * torch.log2(1 + 17.08 * 4**ratio)


def energy(matrix: Tensor, inputs: Inputs) -> float:
    """Return the root of the mean variance of a layer's outputs."""
    variance = ((matrix @ inputs.covariance) * matrix).sum(1).clamp_min(0).mean()
    return float(variance.sqrt())


def packed(key: str, integers: Tensor, steps: Tensor) -> Members:
    """Return the three members of a matrix; columns by spread, so that zip codes them well."""
    q = integers.numpy().astype(np.int8)
    order = np.argsort(-q.astype(np.float32).std(0), kind="stable").astype(np.uint16)
    return {
        f"{key}.q": np.ascontiguousarray(q.T[order]),
        f"{key}.o": order,
        f"{key}.s": steps.numpy().astype(np.float16),
    }


def by_row(key: str, tensor: Tensor, bits: int = 8) -> Members:
    """Return the two members of a tensor that is rounded with one step for each row."""
    largest = 2 ** (bits - 1) - 1
    steps = (tensor.flatten(1).abs().amax(1) / largest).clamp_min(1e-7).half()
    wide = steps.float().reshape(-1, *[1] * (tensor.ndim - 1))
    integers = torch.round(tensor / wide).clamp(-largest, largest)
    return {f"{key}.r": integers.to(torch.int8).numpy(), f"{key}.t": steps.numpy()}


def rest_of(weights: dict[str, Tensor], done: Members, prefix: str = "") -> Members:
    """Return all that is no linear layer: matrices int8 by row, vectors float16."""
    members: Members = {}
    for name, value in weights.items():
        key = prefix + name
        if key in done or f"{key}.q" in done or "position_ids" in key:
            continue
        members |= by_row(key, value) if value.ndim > 1 else {key: value.half().numpy()}
    return members
