"""The studies `duplicates` and `files`: copies within and between image sets, and how their files were compressed."""
