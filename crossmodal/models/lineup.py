"""Choose the line-up that a run embeds with, without loading any weights.

Asked for nothing, a collection goes on with its live line-up and the models' files are not even
looked at, so that a run with nothing to do needs no model. A number format left at ``auto`` is the
one that the collection already has of these weights, whatever machine the run is on.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import ModelUnsupported
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.modalities import OTHERS
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles
from crossmodal.models.kinds import TAKES_CLIPS
from crossmodal.models.options import (
    BETTER_MODEL,
    STARTER,
    LineupSpec,
    ModelSpec,
    for_passages,
    with_defaults,
)
from crossmodal.records import Lineup, ModelVersion


def choose_lineup(collection: Collection, spec: LineupSpec, dtype: str) -> Lineup:
    """Return the line-up of a spec, each version with its id where the collection knows it.

    What a spec leaves open is as in the live line-up; a joint model that is named reads the texts
    too unless an encoder for texts is named or live beside it. Derived spaces are not embedded
    into: the models that they begin with are, and the spaces are filled from those vectors.

    Raises:
        ModelUnavailable, ModelUnsupported: the spec names no model that can serve its modality.
    """
    known, live = _known(collection)
    chooser = _Chooser(collection, known, dtype)
    if live is None:
        return chooser.new(with_defaults(spec))
    return chooser.beside(live.embedding, spec)


def advice(collection: Collection, spec: LineupSpec) -> str:
    """Return a line for people whose new collection takes the starter unasked; else nothing."""
    chosen = with_defaults(spec).joint
    if spec.joint or chosen != ModelSpec(STARTER) or _known(collection)[1]:
        return ""
    return (
        f"no model was named, so the built-in {STARTER} serves; for better answers build another "
        f"beside it: crossmodal backfill PATH... --model {BETTER_MODEL}, then "
        f"crossmodal promote {BETTER_MODEL}"
    )


def require_clips(lineup: Lineup, rules: ChunkRules) -> None:
    """Say early that films cannot be cut into clips for a line-up; reads no files.

    Raises:
        ModelUnsupported: its model for pictures takes one at a time.
    """
    version = lineup.joint
    if rules.clips and version.encoders["image"] not in TAKES_CLIPS:
        raise ModelUnsupported(
            f"films are to be cut into clips (--clips), but {version.name} takes one frame at a "
            "time: name a model that takes clips, of type embedding_gemma2 or qwen3_vl, or cut "
            "into frames: --no-clips"
        )


@dataclass(frozen=True, slots=True)
class _Chooser:
    collection: Collection
    known: list[ModelVersion]
    dtype: str

    def new(self, spec: LineupSpec) -> Lineup:
        """Return the line-up of a collection that has none."""
        assert spec.joint is not None
        return Lineup.of(
            self._version(spec.joint, "image"),
            self._version(spec.text, "text") if spec.text else None,
            **{modality: self._version(named, modality) for modality, named in spec.others.items()},
        )

    def beside(self, live: Lineup, spec: LineupSpec) -> Lineup:
        """Return the line-up of a spec in a collection that has a live one."""
        joint = self._named_or_live(spec.joint, live.joint, "image")
        # What the joint model serves beside pictures goes with it.
        apart = {m: version for m, version in live.serving.items() if version != live.joint}
        text, others = apart.get("text"), [m for m in OTHERS if m in spec.others or m in apart]
        return Lineup.of(
            joint,
            self._named_or_live(spec.text, text, "text") if spec.text or text else None,
            **{m: self._named_or_live(spec.others.get(m), apart.get(m), m) for m in others},
        )

    def _named_or_live(
        self, named: ModelSpec | None, live: ModelVersion | None, modality: str
    ) -> ModelVersion:
        if named is None:
            assert live is not None
            if self.dtype in ("auto", live.dtype):
                return live
            named = ModelSpec(live.name, live.revision)
        return self._version(named, modality)

    def _version(self, spec: ModelSpec, modality: str) -> ModelVersion:
        if modality == "text":
            spec = ModelSpec(for_passages(spec.name), spec.revision)
        derived = next((v for v in self.known if v.derived and v.name == spec.name), None)
        if derived is not None:
            return derived.root
        files = model_files.resolve(spec)
        weights = self._weights_hash(files)
        described = model_files.describe(files, self._dtype(files, weights), weights)
        if modality not in described.encoders:
            served = " and ".join(sorted(described.encoders))
            raise ModelUnsupported(
                f"{described.label} embeds {served}, but is named to serve {modality}: name "
                f"another model for {modality}"
            )
        same = (v for v in self.known if v.fingerprint == described.fingerprint)
        return next(same, described)

    def _weights_hash(self, files: ModelFiles) -> str:
        """Return the hash of the weights, from the ledger where they have not changed since."""
        if self.collection.exists:
            with self.collection.read() as con:
                cached = model_versions.cached_weights_hash(con, model_files.stat_key(files))
            if cached:
                return cached
        return model_files.weights_hash(files)

    def _dtype(self, files: ModelFiles, weights: str) -> str:
        if self.dtype != "auto":
            return self.dtype
        preprocessing = model_files.preprocessing(files).fingerprint
        for version in reversed(self.known):
            if (version.weights_hash, version.preprocessing) == (weights, preprocessing):
                return version.dtype
        return model_files.choose_dtype("auto", "auto")


def _known(collection: Collection) -> tuple[list[ModelVersion], Lineup | None]:
    if not collection.exists:
        return [], None
    with collection.read() as con:
        return model_versions.all_versions(con), model_versions.live(con)
