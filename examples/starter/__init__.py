"""Build, widen and measure the built-in model: see ``build_starter.py``."""
