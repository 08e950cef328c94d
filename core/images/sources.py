"""Sources of image sets: a folder, an archive or a table in any layout, the shipped set, GitHub; and reading them.

Where a set was last read from is remembered on this machine, by its fingerprint, in a small file in the cache folder.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from core import homes
from core.arrays import Pixels, Positions
from core.images.cifake import ShippedSource, fetch_cifake, is_shipped
from core.images.decoding import MAX_BYTES, MAX_PIXELS, WHOLE, ImageError, PassingError, decode
from core.images.encoding import file_facts
from core.images.files import open_files
from core.images.image_set import DataPath, DatasetError, Progress, Split, categories_of
from core.images.labels import LABELS
from core.images.layout import Entry, Layout, image_folder, real_fake, some, sources, unlabelled
from core.images.preprocessing import Preprocessing
from core.images.statistics import FILE_FACTS, STATISTICS, image_statistics
from core.images.tables import parquet, path_tables
from core.storage.atomic import cache_dir, write_data
from core.storage.limits import digest_of, is_plain_name, is_text, parse_json, printable, read_bytes
from core.storage.shards import Report

SAMPLE = homes.SHIPPED / "sample" / "sample.zip"
# CIFAKE's test set, by the name of its folder in assets/
SHIPPED = "cifake-test"
SHIPPED_FOLDER = homes.SHIPPED / SHIPPED
# of a set's rows; the source only where that is known
COLUMNS = ["id", "name", "label", "category", "sha256", "is_repeat", "source", *STATISTICS, *FILE_FACTS]
# bytes of pixels of a shard
BATCH = 2**23
# pixels along each side of images that are not resized
MAX_SET_SIDE = 1024
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
                raise DatasetError(
                    f"{path} is in no known layout: expected {'; '.join(LAYOUTS)}; found {self._contents()}."
                )
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
        path = fetch_cifake(progress)
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


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The files to read into a cache, and how: a `Work` whose rows are the files.

    Attributes:
        image_set: the name of the image set.
        source: of the files.
        split, entries: the files.
        side: pixels along each side of the result.
        fit: resizes images of any size; None where all must have this side.
        skip_bad: leave out files that cannot be used instead of refusing the set.
    """

    name = "reading"
    device = "cpu"

    image_set: str
    source: Source
    split: Split
    entries: list[Entry]
    side: int
    fit: Preprocessing | None
    skip_bad: bool

    @property
    def shard_size(self) -> int:
        """Files of a shard."""
        return max(1, BATCH // max(1, self.side**2 * 3))

    def open(self, _report: Report) -> Callable[[Positions], pd.DataFrame]:
        """Return the function that reads some of the files; its errors are those of `read`."""
        # only in CIFAKE's layout, whose entries have no label, do file names give the category
        categories = categories_of([entry.name for entry in self.entries])
        return partial(self.read, categories)

    def read(self, categories: Sequence[str | None], positions: Positions) -> pd.DataFrame:
        """Read some of the files.

        Args:
            categories: of all files by their names.
            positions: intp (N,), numbers of the files.

        Returns:
            A row for each that can be used: `pixels`, the bytes of uint8 (side, side, 3), `name`, `label`, `category`,
            `source`, `sha256` and the columns of `STATISTICS` and `FILE_FACTS`. `attrs["skipped"]` lists the others, as
            "name: reason".

        Raises:
            DatasetError: a file cannot be read now, but perhaps later.
        """
        skipped = []
        images = []
        rows = []
        for number in positions:
            entry = self.entries[number]
            category = categories[number]
            if entry.label:
                category = entry.category or None
            try:
                data, image = self._decode(entry)
                facts = file_facts(data)
            except PassingError as error:
                raise DatasetError(f"{self.split}/{printable(entry.name)} {error}; try again.") from None
            except ImageError as error:
                skipped.append(f"{printable(entry.name)}: {error}")
                continue
            images.append(image)
            label = LABELS.index(entry.class_name)
            rows.append((entry.name, label, category, entry.source or None, digest_of(data), len(data), *facts))
        columns = ["name", "label", "category", "source", "sha256", "file_bytes", *FILE_FACTS]
        kinds = {"name": str, "label": np.uint8, "sha256": str, "file_bytes": np.float32, "quality": np.float32}
        table = pd.DataFrame(rows, columns=columns).astype(kinds)
        if isinstance(self.source, ShippedSource) and self.fit is None:
            # shipped, because their last bits depend on the machine
            statistics = self.source.statistics.loc[table["name"]].reset_index(drop=True)
        else:
            statistics = image_statistics(np.array(images, np.uint8).reshape(len(images), self.side, self.side, 3))
        table = statistics.assign(**table, pixels=[image.tobytes() for image in images])
        table.attrs = {"skipped": skipped}
        return table

    def _decode(self, entry: Entry) -> tuple[bytes, Pixels]:
        """Read a file: its bytes, and uint8 (side, side, 3).

        Raises:
            ImageError: it cannot be used.
        """
        if not is_text(entry.name):
            raise ImageError("has a name that is no text; rename it")
        data = self.source.read(entry, MAX_BYTES)
        if self.fit is not None:
            # a larger one would be halved
            most = WHOLE if self.fit.native else MAX_PIXELS
            return data, self.fit.fit(decode(data, most_pixels=most))
        # the header alone refuses an image that is too large
        image = decode(data, most_pixels=MAX_SET_SIDE**2)
        height, width = image.shape[:2]
        if (height, width) != (self.side, self.side):
            raise ImageError(f"is {width} x {height} pixels, not {self.side} x {self.side} as the others")
        return data, image

    def rows(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Join the rows of shards, with ids."""
        table = pd.concat(tables, ignore_index=True)
        table.attrs = {}
        hashes = table["sha256"]
        occurrence = hashes.groupby(hashes).cumcount()
        ids = f"{self.split}-" + hashes.str[:16]
        # a repeated file has the hash of the first; a count keeps the ids unique
        table["id"] = ids.where(occurrence == 0, ids + "~" + occurrence.astype(str))
        table["is_repeat"] = (occurrence > 0).to_numpy()
        table = table[COLUMNS]
        if table["source"].isna().all():
            return table.drop(columns="source")
        return table
