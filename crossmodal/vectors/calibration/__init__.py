"""Make the scores of different lists comparable: probes, hub terms, tables, merit."""
