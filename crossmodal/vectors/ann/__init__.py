"""Keep compact codes of the vectors beside the collection, so that a search reads little.

The codes are a cache: DuckDB alone says which vectors there are and which codes belong to them, and
every score is made of bytes that were checked. Losing the folder costs time, never a result.
Nothing outside ``crossmodal.vectors`` reads it.
"""
