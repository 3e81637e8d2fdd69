"""Learn from pairs of pictures and captions; what is learned becomes a model version."""
