"""CIFAKE's layout: REAL and FAKE, in folders of a split or without, and with no source."""

from core.images.labels import ClassName
from core.images.layouts.files.listing import Files
from core.images.layouts.folders import Placed, by_class_folder
from core.images.layouts.layout import Entry, Found, Layout, found

CLASSES: dict[str, ClassName] = {"real": "REAL", "fake": "FAKE"}
EXPECTS = "{train,test}/{REAL,FAKE}"


def _find(files: Files, _: tuple[str, ...]) -> Found | None:
    placed = by_class_folder(files, CLASSES)
    # folders that all images share are not a source; different ones mean another layout
    roots = {tuple(one.before) for one in placed}
    return None if len(roots) != 1 else found(files, ((one.split, _entry(one)) for one in placed))


def _entry(one: Placed) -> Entry:
    name, size, stamp = one.listed
    *_, parent, file = name.split("/")
    if parent == one.label and not one.after:
        # named and unlabelled like the entries of `FolderSource` and `ZipSource`, so that it counts as the same set
        return Entry(f"{one.label}/{file}", size, stamp, place=name)
    return Entry(name, size, stamp, one.label, category="/".join(one.after))


LAYOUT = Layout(EXPECTS, _find)
