"""Turn what the ledger holds into words and text tables."""
