"""Name models as users do, and say which serve a collection that names none.

Imports nothing heavy. The environment decides for new collections only: a collection remembers its
models, and an option that names one wins over both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from crossmodal.modalities import MODEL_FIELDS, OTHERS

STARTER = "starter"
"""The built-in image-text model; a folder of this name has to be named as ``./starter``."""
STARTER_PASSAGES = "starter-passages"
"""The built-in encoder of passages, which comes with it."""
BUILT_IN = frozenset({STARTER, STARTER_PASSAGES})

DEFAULT_MODEL = STARTER
"""The joint image-text model of a new collection unless another is asked for."""
DEFAULT_TEXT_MODEL = STARTER_PASSAGES
"""What reads the passages of a new collection whose image-text model is the built-in one."""
BETTER_MODEL = "openai/clip-vit-base-patch32"
"""What people are told to try next: small, known to everybody, and without the starter's losses."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Name a model as users do."""

    name: str
    """Hub id, ``starter``, or a local directory."""
    revision: str | None = None
    """Hub branch, tag or commit; ignored for a directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineupSpec:
    """Name which models serve which modality; None leaves it to the collection."""

    joint: ModelSpec | None = None
    """The image-text model; it reads texts too unless ``text`` is named."""
    text: ModelSpec | None = None
    others: Mapping[str, ModelSpec] = field(default_factory=dict)
    """By modality, what neither of these two serves."""

    @property
    def named(self) -> dict[str, ModelSpec]:
        """Return what is named, by modality."""
        known = {"image": self.joint, "text": self.text}
        return {m: spec for m, spec in known.items() if spec} | dict(self.others)


def with_defaults(spec: LineupSpec) -> LineupSpec:
    """Return what a new collection takes: what is named, else the environment's, else the starter.

    CROSSMODAL_MODEL, CROSSMODAL_TEXT_MODEL and CROSSMODAL_AUDIO_MODEL are the environment's.
    """
    named = _from_environment() | spec.named
    joint = named.get("image", ModelSpec(DEFAULT_MODEL))
    own = ModelSpec(DEFAULT_TEXT_MODEL) if joint.name == STARTER else None
    others = {modality: model for modality, model in named.items() if modality in OTHERS}
    return LineupSpec(joint=joint, text=named.get("text", own), others=others)


def for_passages(name: str) -> str:
    """Return which model is meant where ``name`` is to read passages."""
    return STARTER_PASSAGES if name == STARTER else name


def _from_environment() -> dict[str, ModelSpec]:
    set_to = {m: os.environ.get(f"CROSSMODAL_{f.upper()}", "") for m, f in MODEL_FIELDS.items()}
    return {modality: ModelSpec(name.strip()) for modality, name in set_to.items() if name.strip()}
