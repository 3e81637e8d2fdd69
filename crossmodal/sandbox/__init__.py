"""Run parsers of hostile files in child processes with limits."""
