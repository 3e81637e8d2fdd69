"""Judge what a first search found once more, with models that read a query and a hit together."""
