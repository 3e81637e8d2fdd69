"""Keep the ledger: one DuckDB file of sources, chunks, vectors, runs and quarantine."""
