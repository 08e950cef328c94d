"""Studies: one question asked of a whole run, answered once and kept beside it."""
