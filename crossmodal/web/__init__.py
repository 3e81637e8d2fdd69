"""Serve one collection over HTTP: the search page and its JSON API."""
