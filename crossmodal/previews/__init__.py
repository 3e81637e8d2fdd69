"""Draw small pictures of chunks and of answers."""
