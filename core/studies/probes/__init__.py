"""The study `probes`: how often each named change flips a verdict over a whole test set."""
