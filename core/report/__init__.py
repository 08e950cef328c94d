"""One HTML file that reports a run, or a selection of its images."""
