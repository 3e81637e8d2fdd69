"""Say how each step works: one package a stage, its ``task.py`` the door to Prefect."""
