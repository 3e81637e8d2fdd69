"""Keep compact codes of the vectors beside the collection, so that a search reads little.

The codes are a cache: DuckDB alone says which vectors there are, which codes belong to them and how
near a vector is. Losing the folder costs time, never a result. Nothing outside ``tasks.storage``
reads it.
"""
