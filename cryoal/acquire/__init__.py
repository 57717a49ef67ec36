"""Choosing what to ask: numpy and scipy only, one file a family, found by name."""
