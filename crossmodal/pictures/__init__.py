"""Decode pictures to upright RGB pixels."""
