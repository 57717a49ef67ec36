"""Where a person answers: a session without Qt, and what shows it."""
