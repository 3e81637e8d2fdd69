"""Say how a model computes: load it, run it, normalise its vectors."""
