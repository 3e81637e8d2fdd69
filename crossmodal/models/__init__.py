"""Say what a model is: its files, kind, version, line-up and promotion."""
