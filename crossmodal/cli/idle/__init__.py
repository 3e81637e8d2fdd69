"""Index where nothing is new without starting Prefect, whose history has the run all the same."""
