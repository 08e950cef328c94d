"""One folder per generator or camera, with one per class in it, under any of the names in `WORDS`."""

from core.images.layouts.folders import folders_of_sources
from core.images.layouts.layout import WORDS

LAYOUT = folders_of_sources("{generator}/{real,fake}", WORDS, last=True)
