"""Time every run, show its progress, and say what it did."""
