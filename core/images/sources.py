"""Sources of image sets: a folder, an archive or a table in any layout, the shipped set, GitHub.

Where a set was last read from is remembered on this machine, by its fingerprint, in a small file in the cache folder.
"""

import json
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeAlias

from core import homes
from core.images.cifake import ShippedSource, fetch_cifake, is_shipped
from core.images.files import open_files
from core.images.image_set import DataPath, DatasetError, Progress, Split
from core.images.layout import Entry, Layout, image_folder, real_fake, some, sources, unlabelled
from core.images.tables import parquet, path_tables
from core.storage.atomic import cache_dir, write_data
from core.storage.limits import is_plain_name, parse_json, read_bytes

SAMPLE = homes.SHIPPED / "sample" / "sample.zip"
# CIFAKE's test set, by the name of its folder in assets/
SHIPPED = "cifake-test"
SHIPPED_FOLDER = homes.SHIPPED / SHIPPED
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar")
# what a layout expects, as a phrase for messages -> what finds it, in the order in which they are tried
LAYOUTS: dict[str, Layout] = {
    "a metadata.csv, metadata.jsonl or other .csv with path and label": path_tables,
    ".parquet with image and label": parquet,
    "{class}/ with --fake-classes A,B": image_folder,
    "{train,test}/{REAL,FAKE}": real_fake,
    "{generator}/{0_real,1_fake}, {generator}/{train,val}/{ai,nature} or {generator}/{real,fake}": sources,
    "pictures without labels": unlabelled,
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
        self.fake = fake
        self._files = open_files(path)
        with ExitStack() as opened:
            opened.callback(self._files.close)
            for self._expects, layout in LAYOUTS.items():
                pictures = layout(self._files, fake)
                if pictures is not None:
                    break
            else:
                raise self._unknown()
            self._read_entry = pictures.read
            self._splits = dict[str, list[Entry]]()
            for split, entry in pictures.entries:
                self._splits.setdefault(split, []).append(entry)
            # in the order of the archive
            order = {listed.name: number for number, listed in enumerate(self._files.listing)}
            for entries in self._splits.values():
                entries.sort(key=lambda entry: order.get(entry.path or entry.name, 0))
            opened.pop_all()

    def entries(self, split: Split) -> list[Entry]:
        """Return the files of a split; "test" falls back to "val", then to images of no split.

        Raises:
            DatasetError: there are none.
        """
        names = ("train",) if split == "train" else ("test", "val", "")
        entries = next((self._splits[name] for name in names if name in self._splits), [])
        if not entries:
            splits = some(name or "none" for name in self._splits)
            raise DatasetError(
                f"{self.path} is read as {self._expects} and has no images in its {split} split; there is "
                f"{self._contents()} with the splits {splits}."
            )
        return entries

    def read(self, entry: Entry, limit: int) -> bytes:
        """Read a file of at most `limit` bytes; raises ImageError, PassingError or DatasetError."""
        if self._read_entry is not None:
            return self._read_entry(entry, limit)
        return self._files.read(entry.path or entry.name, limit=limit)

    def close(self) -> None:
        """Close the archive."""
        self._files.close()

    def _unknown(self) -> DatasetError:
        """Say what is there where no layout fits."""
        nested = [listed.name for listed in self._files.listing if listed.name.lower().endswith(ARCHIVES)]
        if nested:
            return DatasetError(
                f"{self.path} holds no pictures but {len(nested):,} archives ({some(nested)}), which are not opened "
                "within it; unpack them, or name one of them."
            )
        return DatasetError(
            f"{self.path} is in no known layout: expected {'; '.join(LAYOUTS)}; found {self._contents()}."
        )

    def _contents(self) -> str:
        """List for messages the first two folder levels of a set, and the files outside any folder."""
        levels = []
        for listed in self._files.listing:
            *folders, name = listed.name.split("/")
            levels.append("/".join([*folders[:2], ""]) if folders else name)
        return some(levels) or "nothing"


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


def remember(fingerprint: str, source: Source) -> None:
    """Remember where the images of a fingerprint are; what ships needs no remembering."""
    if isinstance(source, LayoutSource) and source.path != SAMPLE:
        place = json.dumps({"path": str(source.path.absolute()), "fake_classes": source.fake}).encode()
        file = cache_dir() / "places" / f"{fingerprint}.json"
        # the sets are whole without it
        with suppress(OSError):
            if not file.is_file() or read_bytes(file) != place:
                write_data(file, place)


def remembered(fingerprint: str) -> DataPath | None:
    """Return where the images of a fingerprint were last read from; None if that is not known or no longer there."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        if is_plain_name(fingerprint):
            place = parse_json(read_bytes(cache_dir() / "places" / f"{fingerprint}.json"))
            if Path(place["path"]).exists():
                return DataPath(place["path"], place["fake_classes"])
    return None
