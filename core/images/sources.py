"""Where the files of an image set come from: a folder, an archive or a table in any layout, the shipped set, GitHub."""

from pathlib import Path
from typing import TypeAlias

from core.images.cifake import ShippedSource, fetch_cifake, is_shipped
from core.images.image_set import DatasetError, Progress, Split
from core.images.labels import CLASSES
from core.images.layouts import folders, tables
from core.images.layouts.files import Files, open_files
from core.images.layouts.layout import Entry, Layout, Splits, is_picture, some

SAMPLE = Path(__file__).parents[2] / "assets" / "sample" / "sample.zip"
# CIFAKE's test set, by the name of its folder in assets/
SHIPPED = "cifake-test"
SHIPPED_FOLDER = SAMPLE.parents[1] / SHIPPED
# in the order in which they are tried
LAYOUTS: dict[str, Layout] = {
    "metadata": tables.METADATA,
    "parquet": tables.PARQUET,
    "paths": tables.PATHS,
    "image_folder": folders.IMAGE_FOLDER,
    "real_fake": folders.REAL_FAKE,
    "sources": folders.SOURCES,
}


class LayoutSource:
    """A folder, archive or table, whose layout is the first that fits its listing.

    Args:
        path: of it.
        fake: names of FAKE classes, where the set does not say which they are.

    Raises:
        DatasetError: no layout fits; the sentence says what was expected and what is there.
    """

    def __init__(self, path: Path, fake: tuple[str, ...] = ()) -> None:
        self.path = path
        self._files = open_files(path)
        try:
            self._layout, self._splits = self._recognise(fake)
        except BaseException:
            self._files.close()
            raise

    def _recognise(self, fake: tuple[str, ...]) -> tuple[Layout, Splits]:
        for layout in LAYOUTS.values():
            if splits := layout.find(self._files, fake):
                return layout, splits
        expected = "; ".join(layout.expects for layout in LAYOUTS.values())
        raise DatasetError(
            f"{self.path} is in no known layout: expected {expected}; found {_contents_of(self._files)}."
        )

    def entries(self, split: Split) -> list[Entry]:
        """Return the files of a split; raises DatasetError where there are none, or none of one class."""
        entries, read_as = self._splits.of(split), f"{self.path} is read as {self._layout.expects} and has no"
        if not entries:
            splits = some(name or "none" for name in self._splits.entries)
            raise DatasetError(f"{read_as} {split} images; its splits: {splits}.")
        for label in CLASSES:
            if not any(entry.class_name == label for entry in entries):
                raise DatasetError(
                    f"{read_as} {label} images in its {split} split; both classes are needed, and there is "
                    f"{_contents_of(self._files)}."
                )
        return entries

    def read(self, entry: Entry) -> bytes:
        """Read a file; raises ImageError, or what its table raises."""
        return self._splits.read(entry)

    def close(self) -> None:
        """Close the archive."""
        self._files.close()


Source: TypeAlias = LayoutSource | ShippedSource


def open_source(data: str | Path, progress: Progress | None = None) -> Source:
    """Open an image set; `data` as for `core.images.loading.load_image_set`, raises DatasetError."""
    special = {"sample": SAMPLE, SHIPPED: SHIPPED_FOLDER}
    try:
        path = special.get(str(data)) or Path(data).expanduser()
    except RuntimeError:
        raise DatasetError(f"{data} names an unknown user; write out the whole path.") from None
    if str(data) == "github":
        path = fetch_cifake(downloading=progress, checking=progress)
    if path == SHIPPED_FOLDER or is_shipped(path):
        return ShippedSource(path)
    return LayoutSource(path, getattr(data, "fake_classes", ()))


def _contents_of(files: Files) -> str:
    """Describe a set for messages: its first two folder levels, and the files outside any folder."""
    names = [listed.name for listed in files.listing]
    levels = {"/".join([*name.split("/")[:-1][:2], ""]) for name in names if "/" in name}
    pictures = [name for name in names if "/" not in name and is_picture(name)]
    others = [name for name in names if "/" not in name and not is_picture(name)]
    parts = [some(levels)] if levels else []
    parts += [f"{len(pictures):,} pictures in no folder"] if pictures else []
    parts += [f"{len(others):,} other files ({some(others)})"] if others else []
    return " and ".join(parts) or "nothing"
