"""Find the nearest vectors, exactly or by the approximate index."""
