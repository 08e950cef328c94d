"""What two or more pages share, with its JavaScript and CSS beside it."""
