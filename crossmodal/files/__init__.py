"""Read the bytes of local and remote sources, and retry transient failures."""
