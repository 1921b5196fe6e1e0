"""Judging: from what was measured to a verdict with stated error rates. Pure: no traffic, no clock, no randomness."""
