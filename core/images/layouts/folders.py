"""Shared code of layouts in which a folder names the class; other folders name split, source and category."""

from collections.abc import Mapping
from itertools import takewhile
from typing import NamedTuple

from core.images.image_set import DatasetError
from core.images.labels import ClassName
from core.images.layouts.files.listing import Files, Listed
from core.images.layouts.layout import SPLITS, Entry, Found, Layout, found, pictures_of, some, source_name


class Placed(NamedTuple):
    """An image with its split and class, and the folders before and after its class folder, but no split folders."""

    listed: Listed
    split: str
    label: ClassName
    before: list[str]
    after: list[str]


def folders_of_sources(expects: str, classes: Mapping[str, ClassName], *, last: bool = False) -> Layout:
    """Make a layout in which a folder names the class, and one above it the source.

    Args:
        expects: see `Layout`.
        classes: lower-case folder name -> class.
        last: no other layout with these folders is tried afterwards, so a set that mixes them is refused.
    """

    def find(files: Files, _: tuple[str, ...]) -> Found | None:
        placed = by_class_folder(files, classes, needed=expects if last else "")
        return with_sources(files, placed) if placed else None

    return Layout(expects, find)


def by_class_folder(files: Files, classes: Mapping[str, ClassName], *, needed: str = "") -> list[Placed]:
    """Find the images below class folders, in upper or lower case; empty if any image is outside such a folder.

    Args:
        files: the files of the set.
        classes: lower-case folder name -> class.
        needed: the layout's folders for the error message; "" if other layouts are tried afterwards.

    Raises:
        DatasetError: `needed` is given, and only some of the images are in class folders, or one is in folders of both
            classes.
    """
    placed, outside = [], []
    pictures = list(pictures_of(files))
    # folders that all pictures are in, whatever their split, tell nothing apart
    without = [[name for name in folders if name.lower() not in SPLITS] for _, folders in pictures]
    first, last = (choose(without, default=[]) for choose in (min, max))
    shared = sum(1 for _ in takewhile(lambda names: names[0] == names[1], zip(first, last, strict=False)))
    for (listed, folders), own in zip(pictures, without, strict=True):
        named = [n for n, name in enumerate(folders) if name.lower() in classes]
        if len({classes[name.lower()] for name in own[shared:] if name.lower() in classes}) > 1:
            if not needed:
                # a layout that is tried later says so
                return []
            raise DatasetError(
                f"{files.path}: {some([listed.name])} is in a folder that says REAL and in one that says FAKE; name "
                "the FAKE classes with --fake-classes A,B."
            )
        if not named:
            outside.append(listed.name)
            continue
        at = named[-1]
        before, after = folders[:at], folders[at + 1 :]
        split = next((SPLITS[name.lower()] for name in (*before, *after) if name.lower() in SPLITS), "")
        before, after = ([name for name in part if name.lower() not in SPLITS] for part in (before, after))
        placed.append(Placed(listed, split, classes[folders[at].lower()], before, after))
    if placed and outside and needed:
        raise DatasetError(
            f"{files.path} is read as {needed}, and {len(outside):,} pictures are in no such folder: {some(outside)}; "
            "move them out of it, or name the FAKE classes with --fake-classes A,B."
        )
    if outside:
        return []
    return _without_wrappers(placed)


def with_sources(files: Files, placed: list[Placed]) -> Found | None:
    """Make the pictures of a set: the first folder before the class is the source, further ones the category."""
    return found(
        files,
        (
            (
                one.split,
                Entry(
                    one.listed.name,
                    one.listed.size,
                    one.listed.stamp,
                    one.label,
                    source_name(one.before[0]) if one.before else "",
                    source_name("/".join([*one.before[1:], *one.after])),
                ),
            )
            for one in placed
        ),
    )  # fmt: skip


def _without_wrappers(placed: list[Placed]) -> list[Placed]:
    """Drop outermost folders that all images share, as long as some image has another folder before its class."""
    while placed and all(one.before for one in placed):
        first = placed[0].before[0]
        if any(one.before[0] != first for one in placed) or all(len(one.before) == 1 for one in placed):
            break
        placed = [one._replace(before=one.before[1:]) for one in placed]
    return placed
