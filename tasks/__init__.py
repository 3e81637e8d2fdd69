"""Hold the stages of the flows: one file a stage, the only code with Prefect tasks."""
