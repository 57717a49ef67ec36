"""Arrays from particles: cutting, normalising, checking, storing, splitting, augmenting."""
