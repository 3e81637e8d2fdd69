"""Keep a serving store in step with a collection: Lance, PostgreSQL or Qdrant.

Owns what is sent and when a store holds what it should; refuses to be the ledger, which stays in
DuckDB. Invariant: whenever a publication ends, each row that a store holds is one that the
collection had, and the next publication goes on with the rest.
"""
