"""Write the ledger: shards, runs, quarantine, model versions, backfills."""
