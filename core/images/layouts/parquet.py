"""Parquet files with the images' bytes, as Hugging Face writes them: one row per image, with its label."""

import bisect
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from core.images.decoding import ImageError
from core.images.image_set import DatasetError
from core.images.layouts.files import Files, Listed
from core.images.layouts.layout import SPLITS, Entry, Layout, Splits, collect, is_picture
from core.images.layouts.tables import LABEL, SOURCE, SPLIT, Row, column_of, entries_of, needed, text_of

IMAGE = ("image", "img", "picture", "bytes", "image_bytes", "jpg", "png")
# most uncompressed bytes of a row group, because a group is read whole
MAX_GROUP = 2**31
# rows of a group: equal labels take no room in the file, but do in memory
MAX_ROWS = 1_000_000
# characters of a label, source, split or path, and rows that are unpacked at once: equal ones take no room either
MAX_TEXT = 4096
FEW, SOME = 16, 256
SHARD = re.compile(rf"({'|'.join(SPLITS)})(?:[-_.]|$)", re.IGNORECASE)


def _find(files: Files, fake: tuple[str, ...]) -> Splits | None:
    tables = [listed for listed in files.listing if listed.name.lower().endswith(".parquet")]
    reader = _Reader(files)
    rows = [row for table in tables for row in reader.rows(table)]
    return replace(collect(files, entries_of(rows, fake, str(files.path))), read=reader.read) if tables else None


class _Reader:
    """Reads rows, and pictures from row groups, of which the last one is kept."""

    def __init__(self, files: Files) -> None:
        self.files = files
        # file -> its image column, and the first row of each group
        self.columns: dict[str, str] = {}
        self.groups: dict[str, list[int]] = {}
        self.last: tuple[tuple[str, int], pa.ChunkedArray] | None = None

    def rows(self, table: Listed) -> Iterator[Row]:
        """Yield the rows of a file without their pictures."""
        where = f"{self.files.path}: {table.name}"
        try:
            with self.files.open(table.name) as opened:
                yield from self._rows(pq.ParquetFile(opened), table, where)
        except (DatasetError, ImageError):
            raise
        except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
            raise DatasetError(f"{where} is no parquet file that can be read ({type(error).__name__}).") from None

    def _rows(self, file: pq.ParquetFile, table: Listed, where: str) -> Iterator[Row]:
        schema = file.schema_arrow
        image = column_of([field.name for field in schema if _is_image(field.type)], IMAGE)
        if image is None:
            raise DatasetError(f"{where} has no column image with bytes; it has {', '.join(map(str, schema.names))}.")
        label = needed(schema.names, LABEL, where)
        source, split = (column_of(schema.names, names) for names in (SOURCE, SPLIT))
        kind, classes = schema.field(image).type, _class_names(schema, label)
        path = f"{image}.path" if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0 else None
        wanted = [name for name in (label, source, split, path) if name]
        self.columns[table.name], self.groups[table.name] = image, []
        shard, position = _split_of(table.name), 0
        for number in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(number)
            if group.num_rows > MAX_ROWS or group.total_byte_size > MAX_GROUP:
                raise DatasetError(
                    f"{where} has a row group of more than {MAX_ROWS:,} rows or 2 GB; write it with smaller ones."
                )
            self.groups[table.name].append(position)
            batches = file.iter_batches(SOME, row_groups=[number], columns=wanted)
            for row in (row for batch in batches for row in batch.to_pylist()):
                value = row[label]
                text = classes[value] if isinstance(value, int) and 0 <= value < len(classes) else text_of(value)
                file_name = str((row[image] or {}).get("path") or "") if path else ""
                texts = text, text_of(row[source]) if source else "", text_of(row[split]) if split else shard
                if max(map(len, (*texts, file_name))) > MAX_TEXT:
                    raise DatasetError(f"{where} has a label, source, split or path of over {MAX_TEXT} characters.")
                suffix = f".{file_name.rpartition('.')[2]}" if is_picture(file_name) else ""
                # the size of a row is not known here; that of its file is
                listed = Listed(f"{table.name}/{position:07d}{suffix}", 0, (table.stamp << 40) + table.size)
                yield Row(listed, *texts, path=f"{position}")
                position += 1

    def read(self, entry: Entry) -> bytes:
        """Read the picture of a row."""
        file, row = entry.name.rpartition("/")[0], int(entry.path)
        number = bisect.bisect_right(self.groups[file], row) - 1
        if self.last is None or self.last[0] != (file, number):
            self.last = None
            with self.files.open(file) as opened:
                self.last = (file, number), _unpacked(pq.ParquetFile(opened), number, self.columns[file])
        value = self.last[1][row - self.groups[file][number]].as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if not content:
            raise ImageError("has no bytes in the table")
        return bytes(content)


def _unpacked(file: pq.ParquetFile, group: int, column: str) -> pa.ChunkedArray:
    """Read a column of a row group, which may unpack to more than its description says."""
    parts, size = [], 0
    for batch in file.iter_batches(FEW, row_groups=[group], columns=[column]):
        parts.append(batch.column(0))
        size += batch.nbytes
        if size > MAX_GROUP:
            raise ImageError("is in a row group that unpacks to more than 2 GB; write the table with smaller ones")
    return pa.chunked_array(parts)


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(part.name == "bytes" and _is_image(part.type) for part in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _class_names(schema: pa.Schema, label: str) -> list[str]:
    """Return the class names of numeric labels from Hugging Face's schema metadata; empty if there are none."""
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _split_of(name: str) -> str:
    """Return the split with which the file's name, or else its nearest folder's, begins; "" if there is none."""
    return next((match[1] for part in reversed(name.split("/")) if (match := SHARD.match(part))), "")


PARQUET = Layout(".parquet with image and label", _find)
