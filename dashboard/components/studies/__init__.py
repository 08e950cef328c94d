"""Studies on a page: reading one, its findings in words, its limits, and its files."""
