"""Reach the bytes of sources, wherever they lie, and try again when that fails in passing."""
