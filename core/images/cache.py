"""The cache of image sets: every file is decoded once, and from then on memory-mapped."""

import io
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from core.arrays import Pixels, Positions, Record
from core.images.cifake import ShippedSource
from core.images.decoding import MAX_BYTES, MAX_PIXELS, ImageError, PassingError, decode
from core.images.encoding import file_facts
from core.images.image_set import DatasetError, ImageSet, Progress, Split, categories_of, fingerprint_of
from core.images.labels import LABELS
from core.images.layout import Entry
from core.images.parts import WHOLE
from core.images.preprocessing import Preprocessing
from core.images.sources import Source, open_source
from core.images.statistics import FILE_FACTS, STATISTICS, image_statistics
from core.storage.atomic import read_folder, read_manifest, read_sealed, write_folder
from core.storage.limits import ContractError, digest_of, is_text, printable
from core.storage.shards import Engine, Report, compute_shards

KIND = "image cache"
PIXELS = "images.pixels"
ROWS = "rows.parquet"
# of a set's rows; the source only where that is known
COLUMNS = ["id", "name", "label", "category", "sha256", "is_repeat", "source", *STATISTICS, *FILE_FACTS]
# bytes of pixels that are hashed whenever a cache is opened
SMALL = 2**29
# bytes of pixels of a shard
BATCH = 2**23
# pixels along each side of images that are not resized
MAX_SET_SIDE = 1024


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The files to read into a cache, and how: a `Work` whose rows are the files.

    Attributes:
        image_set: the name of the image set.
        data: where the files are, as for `open_source`.
        source: that, opened in this process; other processes open it again.
        split, entries: the files.
        side: pixels along each side of the result.
        fit: resizes images of any size; None where all must have this side.
        skip_bad: leave out files that cannot be used instead of refusing the set.
    """

    name = "reading"
    device = "cpu"

    image_set: str
    data: str | Path
    source: Source | None
    split: Split
    entries: list[Entry]
    side: int
    fit: Preprocessing | None
    skip_bad: bool

    def __getstate__(self) -> Record:
        return vars(self) | {"source": None}

    @property
    def shard_size(self) -> int:
        """Files of a shard."""
        return max(1, BATCH // max(1, self.side**2 * 3))

    def open(self, _report: Report) -> Callable[[Positions], pd.DataFrame]:
        """Return the function that reads some of the files; its errors are those of `read`."""
        # only in CIFAKE's layout, whose entries have no label, do file names give the category
        categories = categories_of([entry.name for entry in self.entries])
        return partial(self.read, self.source or open_source(self.data), categories)

    def read(self, source: Source, categories: Sequence[str | None], positions: Positions) -> pd.DataFrame:
        """Read some of the files.

        Args:
            source: of the files.
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
                data, image = self._decode(source, entry)
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
        if isinstance(source, ShippedSource) and self.fit is None:
            # shipped, because their last bits depend on the machine
            statistics = source.statistics.loc[table["name"]].reset_index(drop=True)
        else:
            statistics = image_statistics(np.array(images, np.uint8).reshape(len(images), self.side, self.side, 3))
        table = statistics.assign(**table, pixels=[image.tobytes() for image in images])
        table.attrs = {"skipped": skipped}
        return table

    def _decode(self, source: Source, entry: Entry) -> tuple[bytes, Pixels]:
        """Read a file: its bytes, and uint8 (side, side, 3).

        Raises:
            ImageError: it cannot be used.
        """
        if not is_text(entry.name):
            raise ImageError("has a name that is no text; rename it")
        data = source.read(entry, MAX_BYTES)
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


def fill_cache(cache: Path, reading: Reading, *, engine: Engine, progress: Progress | None) -> ImageSet:
    """Read a set's files into its cache, in shards.

    Finished shards stay in a folder beside it until all are there, so that reading resumes where a process was killed.

    Args:
        cache: the folder of the cache.
        reading: the files.
        engine: what reads the shards.
        progress: called with (files done, files).

    Raises:
        DatasetError: the cache cannot be written, or as `check_usable`.
    """
    part = cache.with_suffix(".part")

    def report(done: int, total: int, _text: str) -> None:
        if progress:
            progress(done, total)

    numbers = np.arange(len(reading.entries))
    read_shards = partial(
        compute_shards, reading, numbers, reading.shard_size, part, whole=True, engine=engine, progress=report
    )

    def write_pixels(file: Path) -> None:
        # not mapped: on a disk that is full, writing to a map kills the process
        with file.open("wb") as opened:
            # now that the folder holds all shards, in order
            for _, table in read_shards():
                opened.writelines(table["pixels"])

    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.with_suffix(".lock")):
            with suppress(ContractError, OSError):
                # another process was faster
                return open_cache(cache)
            if cache.exists():
                # what is damaged is read from the files
                shutil.rmtree(part, ignore_errors=True)
            # in any order
            shards = {number: table.drop(columns="pixels") for number, table in read_shards()}
            tables = [shards[number] for number in sorted(shards)]
            skipped = [name for table in tables for name in table.attrs["skipped"]]
            check_usable(skipped, sum(map(len, tables)), reading.split, skip_bad=reading.skip_bad)
            rows = reading.rows(tables)
            manifest = {
                "name": reading.image_set,
                "split": reading.split,
                "side": reading.side,
                "skipped": skipped,
                "fingerprint": fingerprint_of(reading.split, rows),
                "images": len(rows),
            }
            write_folder(
                cache,
                kind=KIND,
                manifest=manifest,
                files={PIXELS: write_pixels, ROWS: partial(rows.to_parquet, index=False)},
                replace=True,
            )
            shutil.rmtree(part, ignore_errors=True)
            return open_cache(cache)
    except OSError as error:
        raise DatasetError(
            f"{cache.parent} could not be written ({error.strerror}); check that its disk has room and is writable."
        ) from None


def open_cache(cache: Path) -> ImageSet:
    """Map a cache; of a large one's pixels only the size is checked, because a sha256 would have to read them all.

    Raises:
        ContractError, OSError: there is none, or it is damaged.
    """
    about = read_manifest(cache, KIND)
    shape = (about["images"], about["side"], about["side"], 3)
    size = int(np.prod(shape))
    if size <= SMALL:
        read_folder(cache, KIND)
    if (cache / PIXELS).stat().st_size != size:
        raise ContractError(f"{cache / PIXELS} has another size than was written")
    rows = pd.read_parquet(io.BytesIO(read_sealed(cache, ROWS, about, kind=KIND)))
    pixels = np.memmap(cache / PIXELS, np.uint8, "r", shape=shape)
    return ImageSet(about["name"], about["split"], pixels, rows, about["fingerprint"], tuple(about["skipped"]))


def check_usable(skipped: Sequence[str], images: int, split: Split, *, skip_bad: bool) -> None:
    """Refuse a set with files that cannot be used, unless they are skipped, and one without any that can."""
    if skipped and not skip_bad:
        offenders = [f"{split}/{offender.rstrip('.')}" for offender in skipped[:10]]
        if len(skipped) > 10:
            offenders.append(f"and {len(skipped) - 10} more")
        raise DatasetError(
            f"{len(skipped)} of the files cannot be used: {'; '.join(offenders)}. Fix them, or leave them out with "
            "--skip-bad."
        )
    if not images:
        raise DatasetError(f"The {split} split holds no image that can be used.")
