"""Encode a few search queries by numpy alone, where importing torch would take the longest."""
