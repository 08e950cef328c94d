"""Reading an image set in whichever layout it is."""

from pathlib import Path

from core.images.image_set import DatasetError, Split
from core.images.labels import CLASSES
from core.images.layouts.files.archives import open_files
from core.images.layouts.files.listing import Files
from core.images.layouts.layout import Entry, Found, Layout, is_picture, some
from core.images.layouts.registry import layouts


class LayoutSource:
    """The pictures of a set whose layout is recognised from its listing.

    Args:
        path: a folder, archive or table.
        fake: names of FAKE classes, where the set does not say which they are.

    Raises:
        DatasetError: no layout fits; the sentence says what was expected and what was found.
    """

    def __init__(self, path: Path, fake: tuple[str, ...] = ()) -> None:
        self.path = path
        self.files: Files = open_files(path)
        try:
            self.layout, self.found = _recognise(self.files, fake)
        except BaseException:
            self.files.close()
            raise

    def entries(self, split: Split) -> list[Entry]:
        entries = self.found.of(split)
        if not entries:
            splits = some(name or "none" for name in self.found.splits)
            raise DatasetError(
                f"{self.path} is read as {self.layout.expects} and has no {split} images; its splits: {splits}."
            )
        for label in CLASSES:
            if not any(entry.class_name == label for entry in entries):
                raise DatasetError(
                    f"{self.path} is read as {self.layout.expects} and has no {label} images in its {split} split; "
                    f"both classes are needed, and there is {tops(self.files)}."
                )
        return entries

    def read(self, split: Split, entry: Entry) -> bytes:  # noqa: ARG002 - the signature of all sources
        return self.found.read(entry)

    def close(self) -> None:
        self.files.close()


def _recognise(files: Files, fake: tuple[str, ...]) -> tuple[Layout, Found]:
    known = layouts()
    for layout in known:
        if found := layout.find(files, fake):
            return layout, found
    raise DatasetError(
        f"{files.path} is in no layout that is known: expected {'; '.join(layout.expects for layout in known)}; found "
        f"{tops(files)}."
    )


def tops(files: Files) -> str:
    """Describe a set for messages: its first two folder levels, and the files outside any folder."""
    folders = {"/".join([*name.split("/")[:-1][:2], ""]) for name, _, _ in files.listing() if "/" in name}
    loose = [name for name, _, _ in files.listing() if "/" not in name]
    pictures = sum(map(is_picture, loose))
    said = [some(folders)] if folders else []
    if pictures:
        said.append(f"{pictures:,} pictures in no folder")
    if others := len(loose) - pictures:
        said.append(f"{others:,} other files ({some(name for name in loose if not is_picture(name))})")
    return " and ".join(said) or "nothing"
