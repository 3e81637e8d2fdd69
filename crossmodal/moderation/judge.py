"""Let a second model give its view of pictures that a policy found; people decide all the same.

Owns the judge, which is a ShieldGemma 2 of transformers' own class named by directory or hub id,
and what it is asked. Its probability stands beside the finding's evidence: it moves nothing in the
queue and decides nothing. Invariant: a finding is judged once by the same weights and settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossmodal.encoders.rerankers.late_pages import without_special
from crossmodal.encoders.rerankers.running import LoadedReranker, load_processor, load_weights
from crossmodal.errors import ModelUnsupported, RerankFailed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.chunks import find_chunk
from crossmodal.ledger.read.findings import Finding, unjudged
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.findings import note_evidence
from crossmodal.ledger.write.policies import kept_policy
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles, digest
from crossmodal.models.text_preprocess import readable
from crossmodal.search.rerank_sides import side_of_hit

if TYPE_CHECKING:
    from PIL.Image import Image

ARCHITECTURE = "ShieldGemma2ForImageClassification"
SIDE_PX = 896
"""What its image tower sees."""
_ASKED = "{title}: The image shall not show any of these: {violates}."
_A_TURN = 20


class PolicyJudge(LoadedReranker):
    """Say of a picture how likely it violates a policy, in words."""

    def __init__(self, files: ModelFiles, model: Any, device: str) -> None:
        super().__init__(files, model, device)
        self._processor = load_processor(files, "AutoProcessor")
        if not getattr(self._processor, "chat_template", None):
            raise ModelUnsupported(f"{files.name} has no chat template to ask it a question with")

    def violates(self, asked: str, picture: Image) -> float:
        """Return the probability, 0 to 1, that an RGB picture violates the policy.

        Raises:
            RerankFailed: the model gave what is no number, or ran out of memory.
        """
        plain = without_special(self._processor.tokenizer, readable(asked))
        inputs = self._processor(
            images=[picture], custom_policies={"asked": plain}, policies=["asked"],
            return_tensors="pt",
        )  # fmt: skip
        # The first of the two is of the answer "Yes": it violates the policy.
        return float(self._finite(self._run(inputs).probabilities[:, 0])[0])


@dataclass(frozen=True, slots=True)
class Judged:
    """Say what a judge did."""

    num: int = 0
    problems: tuple[str, ...] = ()


def judge_files(name: str) -> ModelFiles:
    """Find a judge's files; raises as ``models.files.of_architecture`` does."""
    advice = "such as google/shieldgemma-2-4b-it; leave --judge out to do without"
    return model_files.of_architecture(name, ARCHITECTURE, "judges no policy here", advice)


def load_judge(files: ModelFiles, device: str) -> PolicyJudge:
    """Return the judge of a folder.

    Raises:
        ModelUnsupported: its inputs cannot be prepared, or it cannot be asked.
        ModelUnavailable: its files are damaged.
    """
    model, place = load_weights(files, lambda t: getattr(t, ARCHITECTURE), device)
    return PolicyJudge(files, model, place)


def second(collection: Collection, files: ModelFiles, device: str) -> Judged:
    """Judge the open findings in pictures that this judge has not seen; without any, load nothing.

    Twenty at a time are committed, so that a run that is killed goes on from there.

    Raises:
        ModelUnsupported, ModelUnavailable: as ``load_judge``.
    """
    identity = _identity(collection, files)
    judge, num, problems = None, 0, []
    while due := _due(collection, identity):
        judge = judge or load_judge(files, device)
        said = [_judgement(judge, identity, *each) for each in due]
        with collection.write() as con:
            note_evidence(
                con,
                {
                    found.finding_id: found.evidence | {"judge": one}
                    for (found, *_), one in zip(due, said, strict=True)
                },
            )
        num += sum(each["violates"] is not None for each in said)
        problems += [each["refusal"] for each in said if each["refusal"]]
    return Judged(num, tuple(dict.fromkeys(problems)))


_Due = tuple[Finding, str, Any]
"""The finding, what is asked, and the chunk that is to be seen."""


def _due(collection: Collection, identity: str) -> Sequence[_Due]:
    with collection.read() as con:
        return [
            (found, _asked(kept_policy(con, found.policy_id, found.policy_hash)),
             find_chunk(con, found.chunk_id))
            for found in unjudged(con, identity, _A_TURN)
        ]  # fmt: skip


def _asked(policy: dict[str, Any]) -> str:
    title = policy.get("title") or policy.get("id", "")
    return _ASKED.format(title=title, violates="; ".join(policy.get("violates", ())))


def _judgement(
    judge: PolicyJudge, identity: str, found: Finding, asked: str, known: Any
) -> dict[str, Any]:
    """Return what stands in the evidence: a probability, or why there is none."""
    said = {"model": judge.label, "identity": identity, "violates": None, "refusal": ""}
    side = side_of_hit(known.hit, SIDE_PX) if known else None
    if side is None or side.picture is None:
        return said | {"refusal": f"finding {found.finding_id}: its picture cannot be shown"}
    try:
        return said | {"violates": round(judge.violates(asked, side.picture), 4)}
    except RerankFailed as error:
        return said | {"refusal": f"finding {found.finding_id}: {error}"}


def _identity(collection: Collection, files: ModelFiles) -> str:
    """Return what decides a judgement, in hex; the hash of the weights is remembered."""
    key = model_files.stat_key(files)
    with collection.read() as con:
        weights = model_versions.cached_weights_hash(con, key)
    if not weights:
        weights = model_files.weights_hash(files)
        with collection.write() as con:
            model_versions.remember_weights_hash(con, key, weights)
    settings = {p.name: p.read_text("utf-8") for p in sorted(files.directory.glob("*.json"))}
    return digest({"weights": weights, "asked": _ASKED, **settings})[:16]
