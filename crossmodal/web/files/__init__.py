"""Serve the bytes of sources and previews of them."""
