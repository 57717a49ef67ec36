"""The folder on disk, the order of the verbs, and measurements against a truth."""
