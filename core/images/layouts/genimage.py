"""GenImage's layout: ai and nature, below a split, below a generator."""

from core.images.labels import ClassName
from core.images.layouts.files.listing import Files
from core.images.layouts.folders import by_class_folder, with_sources
from core.images.layouts.layout import Found, Layout

CLASSES: dict[str, ClassName] = {"nature": "REAL", "ai": "FAKE"}
EXPECTS = "{generator}/{train,val}/{ai,nature}"


def _find(files: Files, _: tuple[str, ...]) -> Found | None:
    placed = by_class_folder(files, CLASSES)
    return with_sources(files, placed) if placed else None


LAYOUT = Layout(EXPECTS, _find)
