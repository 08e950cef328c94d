"""A layout recognises itself from a listing of files, and gives split, class and source of each picture.

Here are those in which a folder names the class; other folders name split, source and category.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from core.images.files import Files, Listed
from core.images.image_set import DatasetError
from core.images.labels import UNLABELLED, ClassName
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
# names of folders that say nothing of a source
CONTAINERS = {"image", "images", "img", "imgs", "picture", "pictures", "data", "dataset", "datasets", "files"}
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


class Folder(NamedTuple):
    """A folder with pictures.

    Attributes:
        pictures: its files.
        split: that its path names, "" for none.
        before: the other folders of its path, of which the first is the source; only those before the one that names
            the class, where one does.
        label: its class.
        after: the folders after the one that names the class.
    """

    pictures: list[Listed]
    split: str
    before: list[str]
    label: str = ""
    after: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """The names of the pictures."""
        return [listed.name for listed in self.pictures]


def real_fake(files: Files, _: tuple[str, ...]) -> Pictures | None:
    """CIFAKE's layout: REAL and FAKE, in folders of a split or without, and with no source."""
    folders, outside, mixed = _class_folders(files, {"real": "REAL", "fake": "FAKE"})
    # folders that all images share are not a source; different ones mean another layout
    if mixed or len({tuple(folder.before) for folder in folders}) != 1:
        return None
    # only beside CIFAKE's own folders other pictures are no part of the set
    if outside and not all(
        folder.split and folder.pictures[0].name.split("/")[-2] == folder.label for folder in folders
    ):
        return None
    entries = []
    for folder in folders:
        for listed in folder.pictures:
            parent, file = listed.name.split("/")[-2:]
            entry = Entry(*listed, label=folder.label, category="/".join(folder.after))
            if parent == folder.label and not folder.after:
                # the same name wherever the set lies, and a category by CIFAKE's numbers
                entry = Entry(f"{parent}/{file}", listed.size, listed.stamp, path=listed.name)
            entries.append((folder.split, entry))
    return Pictures(entries)


def sources(files: Files, _: tuple[str, ...]) -> Pictures | None:
    """A folder for each generator or camera, with one for each class in it: CNNDetection's, GenImage's or others'."""
    # the exact names first: "camera" is a word for REAL, and may be a source
    for names in (("0_real", "1_fake"), ("nature", "ai"), CLASS_BY_NAME):
        folders, outside, mixed = _class_folders(files, {name: CLASS_BY_NAME[name] for name in names})
        if folders and not outside and not mixed:
            return _pictures(folders)
    # no other layout is tried, so a set that mixes them is refused
    if mixed:
        raise DatasetError(
            f"{files.path}: {some(mixed[:1])} is in a folder that says REAL and in one that says FAKE; name the FAKE "
            "classes with --fake-classes A,B."
        )
    if folders:
        raise DatasetError(
            f"{files.path} has folders of REAL and FAKE, and {len(outside):,} pictures are in no such folder: "
            f"{some(outside)}; move them out of it, or name the FAKE classes with --fake-classes A,B."
        )
    return None


def image_folder(files: Files, fake: tuple[str, ...]) -> Pictures | None:
    """ImageFolder: a folder a class, which is the source too, where the user states which classes are FAKE."""
    folders = _folders(files)
    if not fake or not folders:
        return None
    depths: set[int] = set()
    for folder in folders:
        depths.update(depth for depth, name in enumerate(folder.before) if name in fake)
    if len(depths) > 1:
        raise DatasetError(
            f"{files.path} has folders named {some(fake)} at more than one depth; give the FAKE classes other names."
        )
    depth = next(iter(depths), 0)
    shallow = []
    for folder in folders:
        if len(folder.before) <= depth:
            shallow += folder.names
    if shallow:
        raise DatasetError(
            f"{files.path} is read as {{class}}/, and {len(shallow):,} pictures are in no such folder: {some(shallow)}"
            "; move them out of it."
        )
    labels = classes_of({folder.before[depth] for folder in folders}, fake, str(files.path))
    return _pictures(
        folder._replace(label=labels[folder.before[depth]], before=folder.before[depth:]) for folder in folders
    )


def unlabelled(files: Files, _: tuple[str, ...]) -> Pictures | None:
    """Pictures of which nothing says what they are; the outermost folder that they do not share is the source."""
    folders = _folders(files)
    if not folders:
        return None
    shared = _count_shared(folders)
    return _pictures(folder._replace(label=UNLABELLED, before=folder.before[shared:]) for folder in folders)


def _pictures(folders: Iterable[Folder]) -> Pictures:
    """Return the pictures of folders: the first folder before the class is the source, others the category."""
    entries = []
    for folder in folders:
        source = source_name("".join(folder.before[:1]))
        category = source_name("/".join([*folder.before[1:], *folder.after]))
        for listed in folder.pictures:
            entry = Entry(*listed, label=folder.label, source=source, category=category)
            entries.append((folder.split, entry))
    return Pictures(entries)


def _folders(files: Files) -> list[Folder]:
    """Return the folders that hold pictures, with no class."""
    pictures: dict[str, list[Listed]] = {}
    for listed in files.listing:
        if is_picture(listed.name):
            pictures.setdefault(listed.name.rpartition("/")[0], []).append(listed)
    folders = []
    for path, inside in pictures.items():
        names = []
        splits = []
        for name in filter(None, path.split("/")):
            if name.lower() in SPLITS:
                splits.append(SPLITS[name.lower()])
            else:
                names.append(name)
        folders.append(Folder(inside, "".join(splits[:1]), names))
    return folders


def _class_folders(files: Files, classes: Mapping[str, ClassName]) -> tuple[list[Folder], list[str], list[str]]:
    """Find the folders whose path names a class, in upper or lower case.

    Args:
        files: the files of the set.
        classes: lower-case folder name -> class.

    Returns:
        The folders, the names of pictures outside of them, and the names of pictures in folders of both classes.
    """
    folders = _folders(files)
    # folders that all pictures are in, whatever their split, do not distinguish the classes
    shared = _count_shared(folders)
    result = []
    outside = []
    mixed = []
    for folder in folders:
        labels = [classes.get(name.lower()) for name in folder.before]
        at = [position for position, label in enumerate(labels) if label]
        if len({*labels[shared:]} - {None}) > 1:
            mixed += folder.names
        elif at:
            before = folder.before[: at[-1]]
            after = folder.before[at[-1] + 1 :]
            result.append(folder._replace(before=before, label=str(labels[at[-1]]), after=after))
        else:
            outside += folder.names
    # outermost folders that all images share go, but for one that may be the name of the only generator
    longest = max((folder.before for folder in result), key=len, default=[])
    is_source = bool(longest) and longest[-1].lower() not in CONTAINERS
    cut = min(_count_shared(result), len(longest) - is_source)
    return [folder._replace(before=folder.before[cut:]) for folder in result], outside, mixed


def _count_shared(folders: list[Folder]) -> int:
    """Count the outermost folders that are in the paths of all."""
    return len(os.path.commonprefix([folder.before for folder in folders]))  # noqa: RUF071 - of lists, whole names
