"""The study `clusters`: which images a detector treats alike, and what sets them apart."""
