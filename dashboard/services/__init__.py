"""What all visitors share: the worker and its requests, runs and image sets, uploads and their limits."""
