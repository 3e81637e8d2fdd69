"""Read the ledger: chunks, hits, status, what is pending."""
