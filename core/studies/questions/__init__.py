"""Questions: one file a study, named as its key."""
