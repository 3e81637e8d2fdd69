"""Declare what a person may set on each flow."""
