"""Decide what a run has to do to each source."""
