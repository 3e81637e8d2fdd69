"""Turn token vectors into one vector as sentence-transformers does: pooling, then the modules.

Owns the arithmetic of the modules that ``models.sentence_modules`` reads; everything is computed
in float32, in whatever format the model before it computes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodal.errors import ModelUnavailable
from crossmodal.models.folder import MODULE_WEIGHTS, ModelFiles
from crossmodal.models.sentence_modules import Step
from crossmodal.models.text_preprocess import TextPreprocess

if TYPE_CHECKING:
    import torch

_EPS = 1e-5


class SentenceHead:
    """Hold what follows a model's last hidden states; safe to share between threads.

    Raises:
        ModelUnavailable: the weights of a module are damaged, or of another shape than it says.
    """

    def __init__(self, files: ModelFiles, settings: TextPreprocess, device: str) -> None:
        self._modes = settings.pooling.split("+")
        self._steps = [_step(files.directory, step, device) for step in settings.steps]

    def __call__(self, hidden_NTD: torch.Tensor, mask_NT: torch.Tensor) -> torch.Tensor:
        """Return (n, dim) float32 vectors of texts; the mask says which tokens are a text's."""
        import torch

        vectors_ND = torch.cat([pool(hidden_NTD, mask_NT, mode) for mode in self._modes], dim=1)
        for step in self._steps:
            vectors_ND = step(vectors_ND)
        return vectors_ND


def pool(hidden_NTD: torch.Tensor, mask_NT: torch.Tensor, mode: str) -> torch.Tensor:
    """Return (n, dim) float32 vectors over the unmasked tokens; ``mode`` is one of POOLINGS.

    Padding may stand on either side. A text without any token gets a vector of zeros.
    """
    hidden_NTD = hidden_NTD.float()
    mask_NT1 = mask_NT.bool().unsqueeze(-1)
    if mode in ("mean", "mean_sqrt_len_tokens"):
        total_ND = hidden_NTD.masked_fill(~mask_NT1, 0).sum(dim=1)
        num_N1 = mask_NT1.sum(dim=1).clamp(min=1)
        return total_ND / (num_N1 if mode == "mean" else num_N1.float().sqrt())
    if mode == "weightedmean":  # by place: 1 for the first token, 2 for the second
        places_NT1 = mask_NT1.cumsum(dim=1)
        total_ND = (hidden_NTD * places_NT1).masked_fill(~mask_NT1, 0).sum(dim=1)
        return total_ND / places_NT1.masked_fill(~mask_NT1, 0).sum(dim=1).clamp(min=1)
    if mode == "max":
        return hidden_NTD.masked_fill(~mask_NT1, float("-inf")).amax(dim=1)
    place_N = _first(mask_NT) if mode == "cls" else _last(mask_NT)
    rows_N = place_N.new_tensor(range(len(place_N)))
    return hidden_NTD[rows_N, place_N]


def _first(mask_NT: torch.Tensor) -> torch.Tensor:
    return mask_NT.long().argmax(dim=1)


def _last(mask_NT: torch.Tensor) -> torch.Tensor:
    return mask_NT.shape[1] - 1 - mask_NT.flip(1).long().argmax(dim=1)


def _step(directory: Path, step: Step, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    functional = torch.nn.functional
    if step.kind == "Normalize":
        return lambda vectors_ND: functional.normalize(vectors_ND, dim=-1)
    tensors = _read(directory / step.folder / MODULE_WEIGHTS, step.shapes, device)
    if step.kind == "LayerNorm":
        weight_D, bias_D = tensors["norm.weight"], tensors["norm.bias"]
        return lambda v_ND: functional.layer_norm(v_ND, v_ND.shape[1:], weight_D, bias_D, _EPS)
    activation = getattr(torch.nn, step.activation)()

    def dense(vectors_ND: torch.Tensor) -> torch.Tensor:
        linear_ND = functional.linear(
            vectors_ND, tensors["linear.weight"], tensors.get("linear.bias")
        )
        out_ND: torch.Tensor = activation(linear_ND)
        if not step.has_residual:
            return out_ND
        if "residual.weight" in tensors:
            vectors_ND = functional.linear(vectors_ND, tensors["residual.weight"])
        return out_ND + vectors_ND

    return dense


def _read(path: Path, shapes: dict[str, tuple[int, ...]], device: str) -> dict[str, Any]:
    """Return the tensors of a module by name, float32."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in shapes}
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(f"{path} cannot be loaded: {error}") from error
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise ModelUnavailable(
                f"{path} has {name} of shape {tuple(tensors[name].shape)}, and its config.json "
                f"promises {shape}"
            )
    return {name: tensor.float().to(device) for name, tensor in tensors.items()}
