"""Layouts in which a folder names the class; other folders name split, source and category."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import NamedTuple

from core.images.image_set import DatasetError
from core.images.labels import ClassName
from core.images.layouts.files import Files, Listed
from core.images.layouts.layout import (
    SPLITS,
    WORDS,
    Entry,
    Layout,
    Splits,
    classes_of,
    collect,
    pictures_of,
    some,
    source_name,
)


class Placed(NamedTuple):
    """The images of a folder, its split and class, and the folders before and after the one that names the class."""

    images: list[Listed]
    split: str
    label: ClassName
    before: list[str]
    after: list[str]

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield the split and each picture; the first folder before the class is the source, others the category."""
        source = source_name(self.before[0]) if self.before else ""
        category = source_name("/".join([*self.before[1:], *self.after]))
        for listed in self.images:
            yield self.split, Entry(*listed, label=self.label, source=source, category=category)


def _real_fake(files: Files, _: tuple[str, ...]) -> Splits | None:
    """CIFAKE's layout: REAL and FAKE, in folders of a split or without, and with no source."""
    placed, outside = _by_class_folder(files, {"real": "REAL", "fake": "FAKE"})
    # folders that all images share are not a source; different ones mean another layout
    if len({tuple(folder.before) for folder in placed}) != 1:
        return None
    # only beside CIFAKE's own folders other pictures are no part of the set
    if outside and not all(folder.split and folder.images[0].name.split("/")[-2] == folder.label for folder in placed):
        return None

    def entry(folder: Placed, listed: Listed) -> Entry:
        *_, parent, file = listed.name.split("/")
        if parent == folder.label and not folder.after:
            # the same name wherever the set lies, and a category by CIFAKE's numbers
            return Entry(f"{parent}/{file}", listed.size, listed.stamp, path=listed.name)
        return Entry(*listed, label=folder.label, category="/".join(folder.after))

    return collect(files, ((folder.split, entry(folder, listed)) for folder in placed for listed in folder.images))


def _sources(files: Files, _: tuple[str, ...]) -> Splits | None:
    """A folder for each generator or camera, with one for each class in it: CNNDetection's, GenImage's or others'."""
    # the exact names first: "camera" is a word for REAL, and may be a source
    for names in (("0_real", "1_fake"), ("nature", "ai")):
        placed, outside = _by_class_folder(files, {name: WORDS[name] for name in names})
        if placed and not outside:
            break
    else:
        # no other layout of folders is tried, so a set that mixes them is refused
        placed, _outside = _by_class_folder(files, WORDS, needed=SOURCES.expects)
    return collect(files, (pair for folder in placed for pair in folder.entries())) if placed else None


def _image_folder(files: Files, fake: tuple[str, ...]) -> Splits | None:
    """ImageFolder: a folder a class, which is the source too, where the user states which classes are FAKE."""
    if not fake or not (pictures := pictures_of(files)):
        return None
    parts = {folder: _split_and_folders(folder) for folder in pictures}
    depths = {at for _, folders in parts.values() for at, name in enumerate(folders) if name in fake}
    if len(depths) > 1:
        raise DatasetError(
            f"{files.path} has folders named {some(fake)} at more than one depth; give the FAKE classes other names."
        )
    depth = next(iter(depths), 0)
    shallow = [listed.name for folder in pictures if len(parts[folder][1]) <= depth for listed in pictures[folder]]
    if shallow:
        raise DatasetError(
            f"{files.path} is read as {{class}}/, and {len(shallow):,} pictures are in no such folder: {some(shallow)}"
            "; move them out of it."
        )
    labels = classes_of({folders[depth] for _, folders in parts.values()}, fake, str(files.path))
    placed = [
        Placed(pictures[folder], split, labels[folders[depth]], folders[depth : depth + 1], folders[depth + 1 :])
        for folder, (split, folders) in parts.items()
    ]
    return collect(files, (pair for folder in placed for pair in folder.entries()))


def _split_and_folders(folder: str) -> tuple[str, list[str]]:
    """Return the split that part of a folder's path names, "" for none, and the other parts."""
    parts = folder.split("/") if folder else []
    split = next((SPLITS[name.lower()] for name in parts if name.lower() in SPLITS), "")
    return split, [name for name in parts if name.lower() not in SPLITS]


def _by_class_folder(
    files: Files, classes: Mapping[str, ClassName], *, needed: str = ""
) -> tuple[list[Placed], list[str]]:
    """Find the class folders, in upper or lower case, and the images outside of them.

    Args:
        files: the files of the set.
        classes: lower-case folder name -> class.
        needed: the layout's folders for the error message; "" if other layouts are tried afterwards.

    Raises:
        DatasetError: `needed` is given, and only some of the images are in class folders, or one is in folders of both
            classes.
    """
    placed, outside = [], []
    pictures = pictures_of(files)
    parts = {folder: _split_and_folders(folder) for folder in pictures}
    # folders that all pictures are in, whatever their split, do not distinguish the classes
    first, last = (choose((folders for _, folders in parts.values()), default=[]) for choose in (min, max))
    shared = sum(1 for _ in takewhile(lambda names: names[0] == names[1], zip(first, last, strict=False)))
    for folder, (split, folders) in parts.items():
        at = [position for position, name in enumerate(folders) if name.lower() in classes]
        if len({classes[folders[position].lower()] for position in at if position >= shared}) > 1:
            if not needed:
                # a layout that is tried later says so
                return [], []
            raise DatasetError(
                f"{files.path}: {some([pictures[folder][0].name])} is in a folder that says REAL and in one that says "
                "FAKE; name the FAKE classes with --fake-classes A,B."
            )
        if at:
            label = classes[folders[at[-1]].lower()]
            placed.append(Placed(pictures[folder], split, label, folders[: at[-1]], folders[at[-1] + 1 :]))
        else:
            outside += [listed.name for listed in pictures[folder]]
    if placed and outside and needed:
        raise DatasetError(
            f"{files.path} is read as {needed}, and {len(outside):,} pictures are in no such folder: {some(outside)}; "
            "move them out of it, or name the FAKE classes with --fake-classes A,B."
        )
    # outermost folders that all images share go, as long as some image has another folder before its class
    while len({folder.before[0] if folder.before else None for folder in placed}) == 1 and any(
        len(folder.before) > 1 for folder in placed
    ):
        placed = [folder._replace(before=folder.before[1:]) for folder in placed]
    return placed, outside


REAL_FAKE = Layout("{train,test}/{REAL,FAKE}", _real_fake)
SOURCES = Layout(
    "{generator}/{0_real,1_fake}, {generator}/{train,val}/{ai,nature} or {generator}/{real,fake}", _sources
)
IMAGE_FOLDER = Layout("{class}/ with --fake-classes A,B", _image_folder)
