"""Read which modules of sentence-transformers a folder chains behind its transformer.

Owns modules.json: the pooling, and the steps that its vectors go through after it. Refuses to load
weights, and every module, activation or setting that it does not know: a step that is left out
gives vectors of another space, and code of a folder is never run. The modules compute what those of
the library do: https://sbert.net/docs/package_reference/sentence_transformer/modules.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models.folder import (
    MODULE_WEIGHTS,
    ModelFiles,
    is_inside,
    module_kind,
    read_list,
    read_object,
)

ACTIVATIONS = (
    "Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid", "LeakyReLU", "ELU", "Mish",
)  # fmt: skip
"""Names in torch.nn of what may follow a Dense; each with its default settings."""
_KNOWN = ("Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout")
_ACTIVATION = re.compile(rf"torch\.nn\.(?:modules\.\w+\.)?({'|'.join(ACTIVATIONS)})")
_WHOLE = "sentence_embedding"
# In the order in which the library puts them one after the other.
_OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
POOLINGS = tuple(_OLD_POOLINGS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Describe one module behind the pooling."""

    kind: str
    """Dense, LayerNorm or Normalize."""
    folder: str = ""
    """Where its weights lie, within the model's folder; empty where it has none."""
    num_in: int = 0
    num_out: int = 0
    """Dimensions that it takes and gives; 0 where it gives what it takes."""
    activation: str = "Identity"
    has_bias: bool = False
    has_residual: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of its weights by name."""
        if self.kind == "LayerNorm":
            return {"norm.weight": (self.num_in,), "norm.bias": (self.num_in,)}
        if self.kind != "Dense":
            return {}
        found: dict[str, tuple[int, ...]] = {"linear.weight": (self.num_out, self.num_in)}
        if self.has_bias:
            found["linear.bias"] = (self.num_out,)
        if self.has_residual and self.num_in != self.num_out:
            found["residual.weight"] = (self.num_out, self.num_in)
        return found


@dataclass(frozen=True, slots=True)
class Modules:
    """Hold how token vectors become one vector."""

    poolings: tuple[str, ...]
    """Some of POOLINGS; what they give stands one after the other."""
    steps: tuple[Step, ...] = ()

    @property
    def pooling(self) -> str:
        """Return the poolings as one word."""
        # A mean over the square root of the length differs from the mean by its length only, which
        # tells where something other than bringing it to length 1 comes after it.
        if self.poolings == ("mean_sqrt_len_tokens",) and not self.steps:
            return "mean"
        return "+".join(self.poolings)


def sentence_modules(files: ModelFiles, has_prompt: bool) -> Modules:
    """Return a folder's modules; without modules.json the mean over the tokens.

    Raises:
        ModelUnavailable: a file of a module is missing.
        ModelUnsupported: a module, or a setting of one, is not known.
    """
    given = read_list(files.directory, "modules.json")
    kinds = [module_kind(module) for module in given]
    if unknown := sorted(set(kinds) - set(_KNOWN)):
        raise ModelUnsupported(
            f"{files.name} has the modules {', '.join(unknown)}, which are not known here; known "
            f"are {', '.join(_KNOWN)}"
        )
    place = kinds.index("Pooling") if "Pooling" in kinds else len(kinds)
    if {*kinds[:place]} - {"Transformer", "Normalize"} or "Pooling" in kinds[place + 1 :]:
        raise ModelUnsupported(
            f"{files.name} has an odd modules.json: {', '.join(kinds)}, where the pooling comes "
            "once, behind the transformer, and the rest behind it"
        )
    for module in given[:place]:
        if module_kind(module) == "Normalize":
            _step(files, module)  # of a text's vector, which is not there yet: it does nothing
    poolings = _poolings(files, given[place], has_prompt) if place < len(kinds) else ("mean",)
    found = (_step(files, module) for module in given[place + 1 :])
    steps = [step for step in found if step]
    while steps and steps[-1].kind == "Normalize":
        steps.pop()  # what comes last is brought to length 1 in any case
    return Modules(poolings, tuple(steps))


def num_dimensions(name: str, hidden: int, poolings: int, steps: Sequence[Step]) -> int:
    """Return how many dimensions vectors have behind all steps; ``hidden`` is a token's.

    Raises:
        ModelUnsupported: a step takes other vectors than the one before it gives.
    """
    dim = hidden * poolings
    for step in steps:
        if step.num_in not in (0, dim):
            raise ModelUnsupported(
                f"{name}: {step.folder} takes {step.num_in} dimensions, and is given {dim}"
            )
        dim = step.num_out or dim
    return dim


def _step(files: ModelFiles, module: dict[str, Any]) -> Step | None:
    kind = module_kind(module)
    if kind == "Dropout":  # does nothing but in training
        return None
    if kind == "Normalize":
        config = read_object(files.directory / _folder(files, module, ""), "config.json")
        _refuse_names(files, kind, config)
        return Step(kind="Normalize")
    folder, config = _configured(files, module)
    _refuse_names(files, folder, config)
    _need_weights(files, folder)
    try:
        if kind == "LayerNorm":
            dim = _positive(config["dimension"])
            return Step(kind=kind, folder=folder, num_in=dim, num_out=dim)
        return Step(
            kind=kind,
            folder=folder,
            num_in=_positive(config["in_features"]),
            num_out=_positive(config["out_features"]),
            activation=_activation(files, folder, config),
            has_bias=bool(config.get("bias", True)),
            has_residual=bool(config.get("use_residual", False)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelUnsupported(
            f"{files.directory / folder / 'config.json'} makes no sense: {error!r}"
        ) from error


def _positive(value: Any) -> int:
    if int(value) < 1:
        raise ValueError(f"{value} is not above zero")
    return int(value)


def _activation(files: ModelFiles, folder: str, config: dict[str, Any]) -> str:
    named = config.get("activation_function", "torch.nn.Tanh")
    found = _ACTIVATION.fullmatch(str(named))
    if not found:
        raise ModelUnsupported(
            f"{files.name}: {folder} has the activation {named}, which is not known here; known "
            f"are those of torch.nn named {', '.join(ACTIVATIONS)}"
        )
    return found[1]


def _refuse_names(files: ModelFiles, folder: str, config: dict[str, Any]) -> None:
    """Refuse a module that reads or writes something other than the text's one vector."""
    names = {config.get(f"module_{end}_name") for end in ("input", "output")}
    if others := names - {None, _WHOLE}:
        raise ModelUnsupported(
            f"{files.name}: {folder} takes or gives {', '.join(sorted(map(str, others)))}; only "
            f"{_WHOLE} is known here"
        )


def _need_weights(files: ModelFiles, folder: str) -> None:
    if (files.directory / folder / MODULE_WEIGHTS).is_file():
        return
    if (files.directory / folder / "pytorch_model.bin").is_file():
        raise ModelUnsupported(
            f"{files.name}: {folder} has no {MODULE_WEIGHTS}; weights that are pickles "
            "(pytorch_model.bin) can run code as they are read and are not taken: write the model "
            "anew by save_pretrained of sentence-transformers"
        )
    raise ModelUnavailable(
        f"{files.directory / folder} has no {MODULE_WEIGHTS}: copy the model's subfolders there too"
    )


def _configured(files: ModelFiles, module: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a module's folder and its settings."""
    folder = _folder(files, module)
    config = read_object(files.directory / folder, "config.json")
    if not config:
        raise ModelUnavailable(
            f"{files.directory / folder} has no config.json: copy the model's subfolders there too"
        )
    return folder, config


def _folder(files: ModelFiles, module: dict[str, Any], *others: str) -> str:
    folder = str(module.get("path", ""))
    if not is_inside(folder) and folder not in others:
        raise ModelUnsupported(
            f"{files.name} has an odd modules.json: {module_kind(module)} in {folder!r}"
        )
    return folder


def _poolings(files: ModelFiles, module: dict[str, Any], has_prompt: bool) -> tuple[str, ...]:
    _, config = _configured(files, module)
    if has_prompt and config.get("include_prompt") is False:
        raise ModelUnsupported(f"{files.name} leaves its prompt out of the pooling, unknown here")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _OLD_POOLINGS.items() if config.get(key)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes or any(mode not in POOLINGS for mode in modes):
        raise ModelUnsupported(f"{files.name} pools by {modes!r}; known are {', '.join(POOLINGS)}")
    return tuple(modes)
