"""Turn chunks into vectors: find, load and run a model; the Daft query of a shard."""
