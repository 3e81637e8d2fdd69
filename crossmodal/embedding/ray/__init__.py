"""Run the query of a shard on a Ray cluster."""
