"""Go only part of the way from the base to what was learned.

WiSE-FT (Wortsman and others, CVPR 2022): weights between the two forget less. Owns which step is
taken: the shortest that dev cannot tell from the best, and that forgets no more than is allowed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from crossmodal.training.material import Ints, Material
from crossmodal.training.recall import Recall, is_within_an_error, recall_of
from crossmodal.vectors.affine import Maps

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Swept:
    """Hold one step of the way from the base to what was learned."""

    share: float
    dev: Recall
    kept: Recall
    """On the pairs that are to stay as they are."""
    ranks: Ints | None = field(default=None, compare=False, repr=False)
    """Of the dev texts."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {"share": self.share, "dev": asdict(self.dev), "kept": asdict(self.kept)}


def sweep(learned: Maps, dev: Material, keep: Material | None) -> list[Swept]:
    """Return WiSE-FT's steps from the base, 0, to all of what was learned, 1."""
    steps = []
    for share in SHARES:
        maps = {side: each.towards(share) for side, each in learned.items()}
        ranks = dev.ranks(maps)
        kept = recall_of(ranks) if keep is None else keep.recall(maps)
        steps.append(Swept(share, recall_of(ranks), kept, ranks))
    return steps


def chosen(steps: list[Swept], max_forgotten: float, pictures: Ints | None = None) -> Swept:
    """Return the step to take among those that forget no more than is allowed (R@1).

    It is the shortest way that is better than the base and that dev cannot tell from the best one
    by a standard error: the less far from the base, the less is forgotten that nobody measured.
    ``pictures`` (m,) says which picture each dev text tells of; without it the best step is taken.
    """
    floor = steps[0].kept.at_1 - max_forgotten
    allowed = [step for step in steps if step.kept.at_1 >= floor]
    best = max(allowed, key=lambda step: (step.dev.total, -step.share))
    if pictures is None or best.ranks is None:
        return best
    better = [step for step in allowed if step.dev.total > steps[0].dev.total]
    shorter = [step for step in better if 0 < step.share < best.share]
    near = [s for s in shorter if _is_near(best.ranks, s.ranks, pictures)]
    return min([*near, best], key=lambda step: step.share)


def _is_near(better: Ints, ranks: Ints | None, pictures: Ints) -> bool:
    return ranks is not None and is_within_an_error(better, ranks, pictures)
