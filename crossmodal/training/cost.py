"""Tell what a training would take on this machine, from one small step of it."""

from __future__ import annotations

import numpy as np

from crossmodal.encoders.torch_threads import one_thread, shared_s, work_clock, working_on
from crossmodal.training.spec import Prepared, TowerSpec
from crossmodal.training.towers import TextTower
from crossmodal.views.human import human_bytes, human_seconds

_NUM_TRIED = 4
_STATES = 4
"""Weights, gradients and the two means of AdamW."""
_FORWARD_SHARE = 1 / 3
"""Of a step; backward takes two."""


def cost_of(tower: TextTower, prepared: Prepared, spec: TowerSpec) -> str:
    """Return in words how long it would take, in how much memory, and what to do about it."""
    num = sum(parameter.numel() for _, parameter in tower.moving())
    with one_thread():
        step_s = _step_s(tower, prepared)
    tried_s = shared_s(step_s, tower.device)
    seen = len(prepared.train.images) + _FORWARD_SHARE * len(prepared.dev.images)
    total_s = tried_s * seen * spec.epochs
    return (
        f"training all {num / 1e6:,.0f} million weights on {len(prepared.train.images):,} pictures "
        f"would take {human_seconds(total_s)} for {spec.epochs} epochs on "
        f"{working_on(tower.device)} ({tried_s:.2f} s a picture), "
        f"{human_bytes(4 * num * _STATES)} of memory beside the batch, and as much on disk after "
        "each epoch: say --consent to begin, or take --depth text or lora"
    )


def _step_s(tower: TextTower, prepared: Prepared) -> float:
    """Return the seconds that a picture and its caption take, forth and back, of one core."""
    places = np.arange(min(_NUM_TRIED, len(prepared.train.words)))
    words = [prepared.train.words[place] for place in places]
    pictures = prepared.train.picture_of[places]
    tower.images(prepared.train, pictures[:1])  # what is loaded once
    clock = work_clock(tower.device)
    started_s = clock()
    loss = (tower.texts(words) * tower.images(prepared.train, pictures)).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    taken_s = clock() - started_s
    tower.model.zero_grad()
    return taken_s / len(places)
