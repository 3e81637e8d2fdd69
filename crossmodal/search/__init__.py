"""Answer queries: encode, search, show."""
