"""Share the pictures of the chunkers' tests."""

from tests.chunking.conftest import encode, landscape, noise

__all__ = ["encode", "landscape", "noise"]
