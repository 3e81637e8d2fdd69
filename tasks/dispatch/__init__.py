"""Hand partitions of a backfill to deployment runs, on whatever machines serve them."""
