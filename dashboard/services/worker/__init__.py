"""The worker: one thread that owns the detectors, the requests that it takes, and how it answers them."""
