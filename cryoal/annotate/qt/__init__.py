"""The window in napari: thin, over a session that knows no Qt."""
