"""Search images, documents, audio, video and tables by meaning; DuckDB keeps the vectors."""
