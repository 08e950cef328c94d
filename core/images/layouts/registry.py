"""The layouts, in the order in which they are tried, and the first that fits a set."""

from core.images.image_set import DatasetError
from core.images.layouts import folders, parquet, tables
from core.images.layouts.files import Files
from core.images.layouts.layout import Layout, Splits, is_picture, some

LAYOUTS: dict[str, Layout] = {
    "metadata": tables.METADATA,
    "parquet": parquet.PARQUET,
    "paths": tables.PATHS,
    "image_folder": folders.IMAGE_FOLDER,
    "real_fake": folders.REAL_FAKE,
    "zero_one": folders.ZERO_ONE,
    "genimage": folders.AI_NATURE,
    "generator_label": folders.GENERATOR_LABEL,
}


def recognise(files: Files, fake: tuple[str, ...] = ()) -> tuple[Layout, Splits]:
    """Find the layout of an image set, and its pictures.

    Args:
        files: the files of the set.
        fake: names of FAKE classes, where the set does not say which they are.

    Raises:
        DatasetError: no layout fits; the sentence says what was expected and what is there.
    """
    for layout in LAYOUTS.values():
        if splits := layout.find(files, fake):
            return layout, splits
    expected = "; ".join(layout.expects for layout in LAYOUTS.values())
    raise DatasetError(f"{files.path} is in no known layout: expected {expected}; found {contents_of(files)}.")


def contents_of(files: Files) -> str:
    """Describe a set for messages: its first two folder levels, and the files outside any folder."""
    names = [listed.name for listed in files.listing]
    folders = {"/".join([*name.split("/")[:-1][:2], ""]) for name in names if "/" in name}
    loose = [name for name in names if "/" not in name]
    pictures, others = (sum(is_picture(name) == wanted for name in loose) for wanted in (True, False))
    parts = [some(folders)] if folders else []
    if pictures:
        parts.append(f"{pictures:,} pictures in no folder")
    if others:
        parts.append(f"{others:,} other files ({some(name for name in loose if not is_picture(name))})")
    return " and ".join(parts) or "nothing"
