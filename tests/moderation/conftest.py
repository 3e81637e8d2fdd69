"""A collection made by hand, with findings in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.moderation.world import World, make_world, policy


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return an empty collection that knows a model and what its policies say."""
    return make_world(tmp_path / "made.duckdb")


@pytest.fixture
def found(world: World) -> World:
    """Return a collection of sixty chunks in which three violate the policy."""
    world.add(*np.random.default_rng(1).uniform(-0.3, 0.3, 57), 0.9, 0.92, 0.94)
    world.moderate(policy())
    return world
