"""A layout recognises itself from a listing of files, and gives split, class and source of each picture."""

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from core.images.image_set import DatasetError, Split
from core.images.labels import ClassName
from core.images.layouts.files import Files, Listed
from core.storage import harmless, printable

# folders and values that name a split; "val" serves as test where there is no test
SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "val", "valid": "val",
    "validation": "val",
}  # fmt: skip
# folder names and labels that tell the class; of any others, the user must name the FAKE ones
WORDS: dict[str, ClassName] = {
    **dict.fromkeys(("real", "0_real", "nature", "natural", "authentic", "photo", "photos", "camera"), "REAL"),
    **dict.fromkeys(("fake", "1_fake", "ai", "generated", "synthetic", "ai_generated", "ai-generated"), "FAKE"),
}
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".jfif", ".heic", ".heif", ".avif")
NAMED = 6
MAX_SOURCE = 80


class Entry(NamedTuple):
    """A picture of a set.

    Attributes:
        name: unique in its split; `REAL/...` or `FAKE/...` where `label` is "".
        size, stamp: its file's size in bytes, and a time or checksum that changes with its content.
        label: its class; "" where the name begins with it.
        source: the generator or camera that it comes from; "" where that is not known.
        category: what it shows; "" where that is not known.
        path: file or table row that it is read from; "" if it is read by `name`.
    """

    name: str
    size: int
    stamp: int
    label: str = ""
    source: str = ""
    category: str = ""
    path: str = ""

    @property
    def class_name(self) -> str:
        """REAL or FAKE."""
        return self.label or self.name.partition("/")[0]


@dataclass(frozen=True, eq=False)
class Splits:
    """The pictures of a set by split.

    Attributes:
        entries: "train", "test", "val", or "" for none -> its pictures.
        read: reads the file of one.
    """

    entries: dict[str, list[Entry]]
    read: Callable[[Entry], bytes]

    def of(self, split: Split) -> list[Entry]:
        """Return the images of a split; "test" falls back to "val", then to images of no split."""
        if split == "train":
            return self.entries.get("train", [])
        return next((self.entries[name] for name in ("test", "val", "") if self.entries.get(name)), [])


class Layout(NamedTuple):
    """A way in which image sets are laid out.

    Attributes:
        expects: its folders or columns, as a phrase for messages.
        find: takes the files and the FAKE classes that the user named; returns the images, or None if the set is not
            in this layout. Raises DatasetError for a set in this layout that cannot be used.
    """

    expects: str
    find: Callable[[Files, tuple[str, ...]], Splits | None]


def is_picture(name: str) -> bool:
    """Check whether a file is a picture by its name."""
    return name.lower().endswith(PICTURES)


def pictures_of(files: Files) -> dict[str, list[Listed]]:
    """Return the pictures in each folder, "" for those in none."""
    pictures: dict[str, list[Listed]] = {}
    for listed in files.listing:
        if is_picture(listed.name):
            pictures.setdefault(listed.name.rpartition("/")[0], []).append(listed)
    return pictures


def collect(files: Files, pairs: Iterable[tuple[str, Entry]]) -> Splits:
    """Collect (split, picture) pairs whose files are read by their names, in the order of the listing."""
    entries: dict[str, list[Entry]] = {}
    for split, entry in pairs:
        entries.setdefault(split, []).append(entry)
    order = {listed.name: number for number, listed in enumerate(files.listing)}
    for of_split in entries.values():
        of_split.sort(key=lambda entry: order.get(entry.path or entry.name, 0))
    return Splits(entries, lambda entry: files.read(entry.path or entry.name))


def source_name(value: object) -> str:
    """Return the name of a source as it is shown."""
    name = harmless("" if value is None else str(value)).strip()
    if len(name) <= MAX_SOURCE:
        return name
    # names that differ only further on stay apart
    return f"{name[: MAX_SOURCE - 9]}~{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def classes_of(names: Collection[str], fake: tuple[str, ...], where: str) -> dict[str, ClassName]:
    """Map each class name to REAL or FAKE: by the given FAKE classes, or by `WORDS` if there are none.

    Raises:
        DatasetError: a given FAKE class is not in `names`, or a name is not in `WORDS`.
    """
    if fake:
        if missing := sorted(set(fake) - set(names)):
            raise DatasetError(
                f"{where} has no class {some(missing)}, which --fake-classes names; its classes are {some(names)}."
            )
        return {name: "FAKE" if name in fake else "REAL" for name in names}
    if unclear := sorted(name for name in names if name.lower() not in WORDS):
        raise DatasetError(
            f"{where} has the classes {some(names)}, and {some(unclear)} does not say whether it is REAL or FAKE; name "
            "those that are FAKE with --fake-classes A,B."
        )
    return {name: WORDS[name.lower()] for name in names}


def some(names: Iterable[str]) -> str:
    """List the first names, and how many more there are."""
    given = sorted(set(names))
    more = f" and {len(given) - NAMED:,} more" if len(given) > NAMED else ""
    return ", ".join(printable(name) or '""' for name in given[:NAMED]) + more
