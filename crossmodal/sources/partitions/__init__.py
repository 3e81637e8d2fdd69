"""Divide a plan into the partitions of a backfill."""
