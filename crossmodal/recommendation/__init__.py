"""Recommend: from what is liked and disliked to what else would be."""
