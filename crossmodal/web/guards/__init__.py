"""Decide which requests are let in: tokens, rates, headers, uploads."""
