"""Cut sources into chunks: one module a modality, and a registry by media type."""
