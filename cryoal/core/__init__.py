"""Nouns, conventions, the registry and the one error type; numpy, scipy and pandas only."""
