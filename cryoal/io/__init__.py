"""Files to nouns and back: one format a file, recognised by content."""
