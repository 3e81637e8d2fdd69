"""Judge what searches find: read sets, ask, measure, compare, decide."""
