"""A layout recognises itself from a listing of files, and gives split, class and source of each picture."""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from core.images.files import Files
from core.images.image_set import DatasetError
from core.images.labels import ClassName
from core.storage.limits import printable

# folders and values that name a split; "val" serves as test where there is no test
SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "val", "valid": "val",
    "validation": "val",
}  # fmt: skip
# folder names and labels that tell the class; of any others, the user must name the FAKE ones
CLASS_BY_NAME: dict[str, ClassName] = {
    **dict.fromkeys(("real", "0_real", "nature", "natural", "authentic", "photo", "photos", "camera"), "REAL"),
    **dict.fromkeys(("fake", "1_fake", "ai", "generated", "synthetic", "ai_generated", "ai-generated"), "FAKE"),
}
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".jfif", ".heic", ".heif", ".avif")
# names that a message lists, and characters of a source
NAMED = 6
MAX_SOURCE = 80


class Entry(NamedTuple):
    """A picture of a set.

    Attributes:
        name: unique in its split; `REAL/...` or `FAKE/...` where `label` is "".
        size, stamp: its file's size in bytes, and a time or checksum that changes with its content.
        label: its class, or `UNLABELLED`; "" where the name begins with it.
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
        """REAL, FAKE or `UNLABELLED`."""
        return self.label or self.name.partition("/")[0]


class Pictures(NamedTuple):
    """The pictures of a set.

    Attributes:
        entries: "train", "test", "val", or "" for no split, and a picture of it.
        read: reads the bytes of an entry, up to a number of them; None where each is a file of its own.
    """

    entries: Iterable[tuple[str, Entry]]
    read: Callable[[Entry, int], bytes] | None = None


# (files, FAKE classes that the user named) -> the pictures; None if the set is not in this layout. Raises DatasetError
# for a set in this layout that cannot be used
Layout = Callable[[Files, tuple[str, ...]], Pictures | None]


def is_picture(name: str) -> bool:
    """Check whether a file is a picture by its name."""
    return name.lower().endswith(PICTURES)


def source_name(value: str) -> str:
    """Return the name of a source as it is shown."""
    return printable(value)[:MAX_SOURCE].strip()


def classes_of(names: Collection[str], fake: tuple[str, ...], where: str) -> dict[str, ClassName]:
    """Map each class name to REAL or FAKE: by the given FAKE classes, or by `CLASS_BY_NAME` if there are none.

    Raises:
        DatasetError: a given FAKE class is not in `names`, or a name is not in `CLASS_BY_NAME`.
    """
    missing = sorted(set(fake) - set(names))
    if missing:
        raise DatasetError(
            f"{where} has no class {some(missing)}, which --fake-classes names; its classes are {some(names)}."
        )
    if fake:
        return {name: "FAKE" if name in fake else "REAL" for name in names}
    unclear = sorted(name for name in names if name.lower() not in CLASS_BY_NAME)
    if unclear:
        raise DatasetError(
            f"{where} has the classes {some(names)}, and {some(unclear)} does not say whether it is REAL or FAKE; name "
            "those that are FAKE with --fake-classes A,B."
        )
    return {name: CLASS_BY_NAME[name.lower()] for name in names}


def some(names: Iterable[str]) -> str:
    """List the first names, and how many more there are."""
    given = sorted(set(names))
    listed = ", ".join(printable(name) or '""' for name in given[:NAMED])
    if len(given) > NAMED:
        listed += f" and {len(given) - NAMED:,} more"
    return listed
