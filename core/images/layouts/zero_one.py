"""The layout of CNNDetection: 0_real and 1_fake, below a split, a generator or a category."""

from core.images.layouts.folders import folders_of_sources

LAYOUT = folders_of_sources("{generator}/{0_real,1_fake}", {"0_real": "REAL", "1_fake": "FAKE"})
