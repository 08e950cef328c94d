"""Packs: the pixels of a set in the cache, decoded once and memory-mapped afterwards.

A small set is decoded in memory and sealed. A large one is written shard by shard into a folder that is renamed once it
is whole: a killed process loses the shard that it was at, and the next one goes on from there.
"""

import contextlib
import errno
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.images.image_set import BusyError, ImageSet
from core.images.reading import Batch, FilePixels, Reader, about, whole_rows
from core.storage import (
    MANIFEST,
    SCHEMA,
    ContractError,
    TakenError,
    only_writer,
    open_file,
    read_array,
    read_folder,
    sealed,
    sha256_of,
    sync,
    sync_folder,
    write_bytes_atomically,
    write_folder,
    writing,
)

PACK = "image pack"
# bytes of pixels: of a set that is decoded in memory, and of a shard of a larger one
SMALL = 2**29
SHARD = 2**28
PIXELS = "pixels.npy"
ROWS = "rows.parquet"
# bytes that a pack may have, which is mapped and never read whole
MOST = 2**46
SKIPPED, PASSING = b"skipped", b"passing"
# seconds after which shards that nobody has asked for again are removed
FORGOTTEN = 14 * 86_400.0


def is_large(reader: Reader) -> bool:
    """Check whether a set is packed in shards."""
    return len(reader.entries) * _bytes_of_one(reader) > SMALL


def pack_whole(pack: Path, reader: Reader, base: str | None, *, keep: bool) -> ImageSet:
    """Decode a small set in memory and write its pack; returns it memory-mapped, or as it is if none was written."""
    batch = reader.read(0, len(reader.entries))
    image_set = _made(reader, batch, base)
    return _write_small(pack, image_set) if keep or not batch.skipped else image_set


def _write_small(pack: Path, image_set: ImageSet) -> ImageSet:
    """Write an in-memory set's pack and return it memory-mapped; unmapped if writing fails."""
    manifest = {
        "name": image_set.name,
        "split": image_set.split,
        "fingerprint": image_set.fingerprint,
        "skipped": list(image_set.skipped),
        "passing": list(image_set.passing),
    }
    files: dict[str, Callable[[Path], None]] = {
        "images.npy": lambda file: np.save(file, image_set.pixels, allow_pickle=False),
        ROWS: lambda file: image_set.rows.to_parquet(file, index=False),
    }
    try:
        _forget_others(pack)
        write_folder(pack, kind=PACK, manifest=manifest, files=files, replace=True)
    except OSError as error:
        return replace(image_set, uncached=_say_uncached(pack, error))
    return read_pack(pack)


def read_pack(pack: Path) -> ImageSet:
    """Read a pack; of a large one's pixels only the size is checked, because a sha256 would have to read them all.

    Raises:
        ContractError, OSError: there is none, or it is damaged.
    """
    manifest: dict[str, Any] = read_folder(pack, PACK)
    if "images.npy" in manifest["files"]:
        pixels = read_array(pack / "images.npy", mapped=True)
    else:
        file = pack / PIXELS
        if file.stat().st_size != manifest["bytes"]:
            raise OSError(errno.EIO, "it has another size than was written", str(file))
        try:
            pixels = read_array(file, mapped=True, limit=MOST)
        except (ValueError, EOFError, OverflowError, SyntaxError) as error:
            raise ContractError(f"{file} is damaged ({error})") from None
    with open_file(pack / ROWS) as opened:
        rows = pd.read_parquet(opened)
    skipped, passing = (tuple(manifest.get(name, ())) for name in ("skipped", "passing"))
    return ImageSet(manifest["name"], manifest["split"], pixels, rows, manifest["fingerprint"], skipped, passing)


def pack_in_shards(pack: Path, reader: Reader, base: str | None, *, keep: bool) -> ImageSet:
    """Pack a large set shard by shard, resuming where an earlier process was stopped.

    If the disk is full or not writable, the set is returned without a pack, and its pixels are read from the files on
    every access.

    Args:
        pack: the folder to create.
        reader: reads the set's files.
        base: beginning of the set's name; None names it by its files.
        keep: write the pack even if files are skipped.

    Raises:
        BusyError: the same set is being packed already, by another process or for another visitor.
    """
    try:
        pack.parent.mkdir(parents=True, exist_ok=True)
        _forget_others(pack)
        _check_room(pack, reader)
        with only_writer(pack):
            return _pack(pack, reader, base, keep=keep)
    except TakenError:
        raise BusyError(
            "This image set is being packed already, by another process or for someone else; try again once it is done."
        ) from None
    except OSError as error:
        uncached = _say_uncached(pack, error)
    rows, skipped = [], []
    for number, (start, stop) in enumerate(_shards(reader)):
        batch = _finished(_shard(pack, number), stop - start) or reader.read(start, stop)
        rows.append(batch.rows)
        skipped += batch.skipped
    table = whole_rows(reader.split, rows)
    by_name = {entry.name: entry for entry in reader.entries}
    pixels = cast(
        NDArray[np.uint8], FilePixels(reader, [by_name[name] for name in table["name"]], list(table["sha256"]))
    )
    name, fingerprint = about(table, reader.split, base)
    return ImageSet(name, reader.split, pixels, table, fingerprint, tuple(skipped), uncached=uncached)


def _pack(pack: Path, reader: Reader, base: str | None, *, keep: bool) -> ImageSet:
    folder = _part(pack)
    folder.mkdir(exist_ok=True)
    file, header = folder / PIXELS, len(_header(reader, len(reader.entries)))
    tables, skipped, passing, kept = [], [], [], 0
    for number, (start, stop) in enumerate(_shards(reader)):
        shard = _shard(pack, number)
        batch = _finished(shard, stop - start)
        if batch is None or not file.exists() or _images_in(file, header, reader) < kept + len(batch.rows):
            batch = reader.read(start, stop)
            with writing(file):
                _append(file, header + kept * _bytes_of_one(reader), batch.pixels)
            _keep(shard, batch)
        tables.append(batch.rows)
        skipped += batch.skipped
        passing += batch.passing
        kept += len(batch.rows)
        reader.tell(stop)
    rows = whole_rows(reader.split, tables)
    name, fingerprint = about(rows, reader.split, base)
    left_out = tuple(skipped), tuple(passing)
    image_set = ImageSet(name, reader.split, np.empty((0, 0, 0, 3), np.uint8), rows, fingerprint, *left_out)
    with writing(pack):
        _finish_pixels(file, reader, kept)
        if skipped and not keep:
            # the caller refuses the set; its shards stay in case it is loaded again with skip_bad
            return replace(image_set, pixels=read_array(file, mapped=True, limit=MOST))
        _seal(folder, pack, image_set)
    return read_pack(pack)


def _seal(folder: Path, pack: Path, image_set: ImageSet) -> None:
    image_set.rows.to_parquet(folder / ROWS, index=False)
    sync(folder / ROWS)
    manifest = {
        "schema": SCHEMA,
        "kind": PACK,
        "name": image_set.name,
        "split": image_set.split,
        "fingerprint": image_set.fingerprint,
        "skipped": list(image_set.skipped),
        "passing": list(image_set.passing),
        "bytes": (folder / PIXELS).stat().st_size,
        "files": {ROWS: sha256_of(folder / ROWS)},
    }
    text = json.dumps(sealed(manifest), indent=1, allow_nan=False) + "\n"
    write_bytes_atomically(folder / MANIFEST, lambda file: file.write_text(text, encoding="utf-8"))
    # removes an older pack that is damaged, unreadable or incomplete
    shutil.rmtree(pack, ignore_errors=True)
    folder.rename(pack)
    sync_folder(pack.parent)
    for shard in pack.glob("[0-9]*.parquet"):
        with contextlib.suppress(OSError):
            shard.unlink()


def _append(file: Path, at: int, pixels: NDArray[np.uint8]) -> None:
    """Cut the file off at byte `at` and append the pixels there."""
    with file.open("r+b" if file.exists() else "w+b") as opened:
        opened.truncate(at)
        opened.seek(at)
        if len(pixels):
            # without a copy
            opened.write(pixels.data)
        opened.flush()
        os.fsync(opened.fileno())


def _finish_pixels(file: Path, reader: Reader, kept: int) -> None:
    header = _header(reader, kept)
    with file.open("r+b") as opened:
        opened.truncate(len(header) + kept * _bytes_of_one(reader))
        opened.write(header)
        opened.flush()
        os.fsync(opened.fileno())


def _header(reader: Reader, images: int) -> bytes:
    """Return the .npy header for a number of images; NumPy pads it, so that its length is the same for any number."""
    buffer = BytesIO()
    shape = (images, reader.side, reader.side, 3)
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _keep(shard: Path, batch: Batch) -> None:
    table = pa.Table.from_pandas(batch.rows, preserve_index=False)
    left_out = {SKIPPED: json.dumps(batch.skipped).encode(), PASSING: json.dumps(batch.passing).encode()}
    table = table.replace_schema_metadata({**table.schema.metadata, **left_out})
    write_bytes_atomically(shard, lambda file: pq.write_table(table, file))


def _finished(shard: Path, files: int) -> Batch | None:
    """Return a shard without its pixels; None if it is missing, unreadable or incomplete, or has `passing` files."""
    try:
        with open_file(shard) as opened:
            table = pq.read_table(opened, page_checksum_verification=True)
        skipped = json.loads(table.schema.metadata[SKIPPED])
        passing = json.loads(table.schema.metadata.get(PASSING, b"[]"))
    except Exception:  # noqa: BLE001 - pyarrow's errors share no base; on any of them the shard is read again
        return None
    rows: pd.DataFrame = table.to_pandas()
    is_whole = len(rows) + len(skipped) == files and not passing
    return Batch(np.empty((0, 0, 0, 3), np.uint8), rows, skipped) if is_whole else None


def _shard(pack: Path, number: int) -> Path:
    return _part(pack) / f"{number:06d}.parquet"


def _part(pack: Path) -> Path:
    """Return the folder of a pack that is not whole."""
    return pack.with_name(f"{pack.name}.part")


def _shards(reader: Reader) -> Iterator[tuple[int, int]]:
    step = max(1, SHARD // _bytes_of_one(reader))
    for start in range(0, len(reader.entries), step):
        yield start, min(start + step, len(reader.entries))


def _bytes_of_one(reader: Reader) -> int:
    return max(1, reader.side**2 * 3)


def _images_in(file: Path, header: int, reader: Reader) -> int:
    return (file.stat().st_size - header) // _bytes_of_one(reader)


def _check_room(pack: Path, reader: Reader) -> None:
    """Raise OSError (ENOSPC) if the disk lacks room for the pixels that are still to be written."""
    part = _part(pack) / PIXELS
    needed = len(reader.entries) * _bytes_of_one(reader) - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(pack.parent).free
    if needed > free:
        reason = f"{needed / 1e9:,.1f} GB are needed and {free / 1e9:,.1f} GB are free"
        raise OSError(errno.ENOSPC, reason, str(pack.parent))


def _forget_others(pack: Path) -> None:
    for part in (*pack.parent.glob("*.part"), *pack.parent.glob(".*.tmp")):
        with contextlib.suppress(OSError):
            if part.stem != pack.name and time.time() - part.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(part, ignore_errors=True)


def _say_uncached(pack: Path, error: OSError) -> str:
    # a full disk only slows down the next start
    print(f"The pack could not be cached in {pack.parent} ({error.strerror}); continuing without it.", file=sys.stderr)
    return f"{pack.parent} could not be written ({error.strerror}); check that its disk has room and is writable"


def _made(reader: Reader, batch: Batch, base: str | None) -> ImageSet:
    rows = whole_rows(reader.split, [batch.rows])
    name, fingerprint = about(rows, reader.split, base)
    return ImageSet(name, reader.split, batch.pixels, rows, fingerprint, tuple(batch.skipped), tuple(batch.passing))
