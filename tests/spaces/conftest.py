"""Share the album of the evaluation's tests."""

from tests.evaluation.conftest import album, other_clip

__all__ = ["album", "other_clip"]
