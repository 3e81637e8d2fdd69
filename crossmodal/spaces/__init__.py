"""Make spaces from spaces: vectors that are computed from stored ones, without a forward pass."""
