"""One folder per generator or camera, with one per class in it, under any of the names in `WORDS`."""

from core.images.layouts.files.listing import Files
from core.images.layouts.folders import by_class_folder, with_sources
from core.images.layouts.layout import WORDS, Found, Layout

EXPECTS = "{generator}/{real,fake}"


def _find(files: Files, _: tuple[str, ...]) -> Found | None:
    placed = by_class_folder(files, WORDS, needed=EXPECTS)
    return with_sources(files, placed) if placed else None


LAYOUT = Layout(EXPECTS, _find)
