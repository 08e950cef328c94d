"""Layouts in which a table lists the images: .csv, .tsv and .jsonl that name files, and parquet that holds their bytes.

Columns may have any of their usual names.
"""

import bisect
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.images.decoding import ImageError
from core.images.image_set import DatasetError
from core.images.layouts.files import Files, Listed, TableFile
from core.images.layouts.layout import (
    SPLITS,
    Entry,
    Layout,
    Splits,
    classes_of,
    collect,
    is_picture,
    some,
    source_name,
)
from core.storage import parse_json

METADATA_NAMES = ("metadata.csv", "metadata.jsonl")
PATH = ("path", "file_name", "filename", "file", "image", "image_path", "filepath")
LABEL = ("label", "labels", "class", "target")
SOURCE = ("source", "generator", "model", "camera")
SPLIT = ("split", "subset")
IMAGE = ("image", "img", "picture", "bytes", "image_bytes", "jpg", "png")
# bytes of a table as text
MAX_TEXT = 2**28
# most uncompressed bytes of a row group of parquet, because a group is read whole
MAX_GROUP = 2**31
# rows of a group: equal labels take no room in the file, but do in memory
MAX_ROWS = 1_000_000
# characters of a label, source, split or path, and rows that are unpacked at once: equal ones take no room either
MAX_CELL = 4096
FEW, SOME = 16, 256
SHARD = re.compile(rf"({'|'.join(SPLITS)})(?:[-_.]|$)", re.IGNORECASE)


class NotTextError(DatasetError):
    """A .csv, .tsv or .jsonl that is not a table of UTF-8 text; the message says why."""


def _metadata(files: Files, fake: tuple[str, ...]) -> Splits | None:
    """Hugging Face's `imagefolder`: pictures beside a metadata.csv or metadata.jsonl, which names and labels them."""
    names = [listed.name for listed in files.listing if listed.name.rpartition("/")[2] in METADATA_NAMES]
    tables = [_listed_rows(files, name, _read_table(files, name), ("file_name",)) for name in names]
    return collect(files, _entries_of(pd.concat(tables), fake, str(files.path))) if tables else None


def _paths(files: Files, fake: tuple[str, ...]) -> Splits | None:
    """A .csv or .tsv of paths: one row per image, with its label and, if known, its source and split."""
    names = [listed.name for listed in files.listing if listed.name.lower().endswith((".csv", ".tsv"))]
    highest = min((name.count("/") for name in names), default=0)
    tables = {}
    for name in filter(lambda name: name.count("/") == highest, names):
        try:
            table = _read_table(files, name)
        except NotTextError:
            # beside images it may be anything
            if isinstance(files, TableFile):
                raise
            continue
        # a table without a path column may lie beside the images
        if isinstance(files, TableFile) or _column_of(table, PATH):
            tables[name] = table
    if len(tables) > 1:
        raise DatasetError(
            f"{files.path} has {len(tables)} tables of paths ({some(tables)}); name the file of one of them instead."
        )
    rows = [_listed_rows(files, name, table, PATH) for name, table in tables.items()]
    return collect(files, _entries_of(rows[0], fake, str(files.path))) if rows else None


def _parquet(files: Files, fake: tuple[str, ...]) -> Splits | None:
    """Parquet with the images' bytes, as Hugging Face writes it: one row per image, with its label."""
    tables = [listed for listed in files.listing if listed.name.lower().endswith(".parquet")]
    reader = _ParquetReader(files)
    rows = [reader.rows(table) for table in tables]
    return (
        replace(collect(files, _entries_of(pd.concat(rows), fake, str(files.path))), read=reader.read) if rows else None
    )


def _entries_of(rows: pd.DataFrame, fake: tuple[str, ...], where: str) -> Iterator[tuple[str, Entry]]:
    """Yield the split and the picture of each row.

    Args:
        rows: columns `name`, `size`, `stamp`, `label`, `source`, `split` and `path`, as in `Entry`; labels and splits
            as they are written in the table.
        fake: classes that the user says are FAKE.
        where: the set, for messages.

    Raises:
        DatasetError: labels are missing or do not say which class they are, or a split has an unknown name.
    """
    if blank := int((rows["label"] == "").sum()):
        rows_are = "1 row that has" if blank == 1 else f"{blank:,} rows that have"
        raise DatasetError(f"{where} has {rows_are} no label; give every row one, or take it out.")
    labels = classes_of(set(rows["label"]), fake, where)
    if unknown := {split for split in rows["split"] if split and split.lower() not in SPLITS}:
        raise DatasetError(f"{where} has the splits {some(unknown)}; expected {', '.join(sorted(SPLITS))}.")
    for row in rows.itertuples(index=False):
        label, source = labels[row.label], source_name(row.source)
        entry = Entry(row.name, row.size, row.stamp, label=label, source=source, path=row.path)
        yield SPLITS.get(row.split.lower(), ""), entry


def _column_of(columns: Iterable[Any], names: Sequence[str]) -> str | None:
    """Return the column that has one of these names, whatever its case."""
    given = {str(column).lower(): column for column in columns}
    return next((given[name] for name in names if name in given), None)


def _needed(columns: Iterable[Any], names: Sequence[str], where: str) -> str:
    if (column := _column_of(columns, names)) is None:
        raise DatasetError(f"{where} has no column {names[0]}; it has {some(map(str, columns))}.")
    return column


def _read_table(files: Files, name: str) -> pd.DataFrame:
    """Read a .csv, .tsv or .jsonl.

    Raises:
        NotTextError: it is no text of one.
        DatasetError: it cannot be read.
    """
    where = f"{files.path}: {name}"
    try:
        data = files.read(name, limit=MAX_TEXT)
    except ImageError as error:
        raise DatasetError(f"{where} {error}.") from None
    try:
        if name.lower().endswith(".jsonl"):
            lines = [parse_json(line) for line in data.decode("utf-8-sig").encode().split(b"\n") if line.strip()]
            if not all(isinstance(line, dict) for line in lines):
                raise ValueError("a line is no object")
            return pd.DataFrame(lines, dtype=object)
        separator = "\t" if name.lower().endswith(".tsv") else ","
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
        return pd.read_csv(text, sep=separator, dtype=str, keep_default_na=False, index_col=False)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (ValueError, RecursionError) as error:
        raise NotTextError(f"{where} is no table of UTF-8 text ({error}); save it again.") from None


def _listed_rows(files: Files, table: str, rows: pd.DataFrame, paths: Sequence[str]) -> pd.DataFrame:
    """Look up the images that a table lists in its path column, which is named one of `paths`; see `_entries_of`.

    Raises:
        DatasetError: a column or a listed file is missing.
    """
    where, folder = f"{files.path}: {table}", PurePosixPath(table).parent
    path, label = (_needed(rows, names, where) for names in (paths, LABEL))
    names = rows[path].map(_text_of)
    listed = [files.look_up(str(folder / name)) if name else None for name in names]
    if missing := [name for name, file in zip(names, listed, strict=True) if file is None]:
        raise DatasetError(
            f"{where} names {len(missing):,} pictures that are not there: {some(missing)}; paths are relative to it."
        )
    frame = pd.DataFrame(listed, columns=list(Listed._fields), index=rows.index, dtype=object)
    usual = next((part for part in reversed(folder.parts) if part.lower() in SPLITS), "")
    for name, column in (("label", label), ("source", _column_of(rows, SOURCE)), ("split", _column_of(rows, SPLIT))):
        frame[name] = rows[column].map(_text_of) if column else ""
    return frame.assign(split=frame["split"].replace("", usual), path="")


def _text_of(value: object) -> str:
    """Write a value of a table: 1 and 1.0 alike."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


class _ParquetReader:
    """Reads rows, and pictures from row groups, of which the last one is kept."""

    def __init__(self, files: Files) -> None:
        self.files = files
        # file -> its image column, and the first row of each group
        self.groups: dict[str, tuple[str, list[int]]] = {}
        self.last: tuple[tuple[str, int], pa.ChunkedArray] | None = None

    def rows(self, table: Listed) -> pd.DataFrame:
        """Read the rows of a file without their pictures; see `_entries_of`."""
        where = f"{self.files.path}: {table.name}"
        try:
            with self.files.open(table.name) as opened:
                return self._rows(pq.ParquetFile(opened), table, where)
        except (DatasetError, ImageError):
            raise
        except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
            raise DatasetError(f"{where} is no parquet file that can be read ({type(error).__name__}).") from None

    def _rows(self, file: pq.ParquetFile, table: Listed, where: str) -> pd.DataFrame:
        schema, starts = file.schema_arrow, [0]
        image = _column_of([field.name for field in schema if _is_image(field.type)], IMAGE)
        if image is None:
            raise DatasetError(f"{where} has no column image with bytes; it has {', '.join(map(str, schema.names))}.")
        label = _needed(schema.names, LABEL, where)
        source, split = (_column_of(schema.names, names) for names in (SOURCE, SPLIT))
        kind, classes = schema.field(image).type, _class_names(schema, label)
        path = f"{image}.path" if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0 else None
        shard = next((match[1] for part in reversed(table.name.split("/")) if (match := SHARD.match(part))), "")
        rows: list[tuple[Any, ...]] = []
        for number in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(number)
            if group.num_rows > MAX_ROWS or group.total_byte_size > MAX_GROUP:
                raise DatasetError(
                    f"{where} has a row group of more than {MAX_ROWS:,} rows or 2 GB; write it with smaller ones."
                )
            wanted = [name for name in (label, source, split, path) if name]
            batches = file.iter_batches(SOME, row_groups=[number], columns=wanted)
            for row in (row for batch in batches for row in batch.to_pylist()):
                value = row[label]
                text = classes[value] if isinstance(value, int) and 0 <= value < len(classes) else _text_of(value)
                texts = text, _text_of(row[source]) if source else "", _text_of(row[split]) if split else shard
                name = str((row[image] or {}).get("path") or "") if path else ""
                if max(map(len, (*texts, name))) > MAX_CELL:
                    raise DatasetError(f"{where} has a label, source, split or path of over {MAX_CELL} characters.")
                suffix = f".{name.rpartition('.')[2]}" if is_picture(name) else ""
                # the size of a row is not known here; that of its file is
                stamp = (table.stamp << 40) + table.size
                rows.append((f"{table.name}/{len(rows):07d}{suffix}", 0, stamp, *texts, str(len(rows))))
            starts.append(len(rows))
        self.groups[table.name] = image, starts[:-1]
        return pd.DataFrame(rows, columns=[*Listed._fields, "label", "source", "split", "path"], dtype=object)

    def read(self, entry: Entry) -> bytes:
        """Read the picture of a row."""
        name, row = entry.name.rpartition("/")[0], int(entry.path)
        column, starts = self.groups[name]
        group = bisect.bisect_right(starts, row) - 1
        if self.last is None or self.last[0] != (name, group):
            self.last = None
            with self.files.open(name) as opened:
                self.last = (name, group), _unpacked(pq.ParquetFile(opened), group, column)
        value = self.last[1][row - starts[group]].as_py()
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


METADATA = Layout("metadata.csv or metadata.jsonl with file_name and label", _metadata)
PATHS = Layout("a .csv with path and label", _paths)
PARQUET = Layout(".parquet with image and label", _parquet)
