"""Cut sounds into windows of time."""
