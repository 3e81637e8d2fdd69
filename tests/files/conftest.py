"""Share the fixtures of embedding."""

from tests.embedding.conftest import encoder, load, plan

__all__ = ["encoder", "load", "plan"]
