"""Tomograms with a known truth."""
