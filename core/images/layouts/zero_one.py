"""The layout of CNNDetection: 0_real and 1_fake, below a split, a generator or a category."""

from core.images.labels import ClassName
from core.images.layouts.files.listing import Files
from core.images.layouts.folders import by_class_folder, with_sources
from core.images.layouts.layout import Found, Layout

CLASSES: dict[str, ClassName] = {"0_real": "REAL", "1_fake": "FAKE"}
EXPECTS = "{generator}/{0_real,1_fake}"


def _find(files: Files, _: tuple[str, ...]) -> Found | None:
    placed = by_class_folder(files, CLASSES)
    return with_sources(files, placed) if placed else None


LAYOUT = Layout(EXPECTS, _find)
