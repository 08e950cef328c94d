"""GenImage's layout: ai and nature, below a split, below a generator."""

from core.images.layouts.folders import folders_of_sources

LAYOUT = folders_of_sources("{generator}/{train,val}/{ai,nature}", {"nature": "REAL", "ai": "FAKE"})
