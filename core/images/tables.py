"""Layouts in which a table lists the images: .csv, .tsv and .jsonl that name files, and parquet that holds their bytes.

Columns may have any of their usual names.
"""

import bisect
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.arrays import Array
from core.images.decoding import ImageError
from core.images.files import Files, Listed, refusing_damage
from core.images.image_set import DatasetError
from core.images.labels import UNLABELLED, other_class
from core.images.layout import SPLITS, Entry, Pictures, classes_of, is_picture, some, source_name
from core.storage.limits import parse_json

METADATA = ("metadata.csv", "metadata.jsonl")
PATH = (
    "path", "file_name", "filename", "file", "image", "image_path", "img_path", "file_path", "filepath", "img",
)  # fmt: skip
LABEL = ("label", "labels", "class", "target", "ground_truth", "y")
# columns of yes and no -> the class that yes means
FLAGS = {**dict.fromkeys(("is_fake", "fake", "is_ai", "is_generated", "ai_generated"), "FAKE"), "is_real": "REAL"}
YES = ("1", "true", "yes")
NO = ("0", "false", "no")
SOURCE = ("source", "generator", "model", "camera")
SPLIT = ("split", "subset")
IMAGE = ("image", "img", "picture", "bytes", "image_bytes", "jpg", "png")
# of an entry, and what its table says of it
COLUMNS = [*Listed._fields, "label", "source", "split", "path"]
# bytes of a table as text
MAX_TEXT = 2**28
# most uncompressed bytes of a row group of parquet, because a group is read whole
MAX_GROUP = 2**31
# rows of a group: equal labels take no room in the file, but do in memory
MAX_ROWS = 1_000_000
# characters of a label, source, split or path
MAX_CELL = 4096
# pictures that are unpacked at once: equal ones take no room in the file, but do in memory
FEW = 16
SHARD = re.compile(rf"({'|'.join(SPLITS)})(?:[-_.]|$)", re.IGNORECASE)


def path_tables(files: Files, fake: tuple[str, ...]) -> Pictures | None:
    """Tables of paths, labels and, if known, sources and splits.

    Hugging Face's `imagefolder`: a metadata.csv or metadata.jsonl in each folder; otherwise one .csv or .tsv, which may
    lie beside tables of something else.
    """
    metadata = [listed.name for listed in files.listing if listed.name.rpartition("/")[2] in METADATA]
    others = [listed.name for listed in files.listing if listed.name.lower().endswith((".csv", ".tsv"))]
    highest = min((name.count("/") for name in others), default=0)
    tables = {}
    for name in metadata or [name for name in others if name.count("/") == highest]:
        try:
            tables[name] = _read_table(files, name)
        except DatasetError:
            # beside images it may be anything
            if metadata or files.is_table:
                raise
    if not metadata and not files.is_table:
        tables = {name: table for name, table in tables.items() if column_of(table, PATH)}
    if len(tables) > 1 and not metadata:
        raise DatasetError(
            f"{files.path} has {len(tables)} tables of paths ({some(tables)}); name the file of one of them instead."
        )
    if not tables:
        return None
    rows = pd.concat([_listed_rows(files, name, table) for name, table in tables.items()])
    return Pictures(_entries_of(rows, fake, str(files.path)))


def parquet(files: Files, fake: tuple[str, ...]) -> Pictures | None:
    """Parquet with the images' bytes, as Hugging Face writes it: one row per image, with its label."""
    reader = _ParquetReader(files)
    rows = [reader.rows(listed) for listed in files.listing if listed.name.lower().endswith(".parquet")]
    if not rows:
        return None
    return Pictures(_entries_of(pd.concat(rows), fake, str(files.path)), reader.read)


def _entries_of(rows: pd.DataFrame, fake: tuple[str, ...], where: str) -> Iterator[tuple[str, Entry]]:
    """Yield the split and the picture of each row.

    Args:
        rows: the columns `COLUMNS`, as in `Entry`; labels and splits as they are written in the table.
        fake: classes that the user says are FAKE.
        where: the set, for messages.

    Raises:
        DatasetError: labels are missing or do not say which class they are, or a split has an unknown name.
    """
    blank = int((rows["label"] == "").sum())
    labels: Mapping[str, str] = {"": UNLABELLED}
    if 0 < blank < len(rows):
        raise DatasetError(f"{where} has no label in {blank:,} of its rows; give every row one, or take it out.")
    if not blank:
        labels = classes_of(set(rows["label"]), fake, where)
    unknown = {split for split in rows["split"] if split and split.lower() not in SPLITS}
    if unknown:
        raise DatasetError(f"{where} has the splits {some(unknown)}; expected {', '.join(sorted(SPLITS))}.")
    for row in rows.itertuples(index=False):
        source = source_name(row.source)
        entry = Entry(row.name, row.size, row.stamp, label=labels[row.label], source=source, path=row.path)
        yield SPLITS.get(row.split.lower(), ""), entry


def column_of(columns: Iterable[Any], names: Sequence[str]) -> str | None:
    """Return the column that has one of these names, whatever its case."""
    given = {str(column).strip().lower(): column for column in columns}
    return next((given[name] for name in names if name in given), None)


def _read_table(files: Files, name: str) -> pd.DataFrame:
    """Read a .csv, .tsv or .jsonl; raises DatasetError where it cannot be read, or is no table of text."""
    where = f"{files.path}: {name}"
    try:
        text = files.read(name, limit=MAX_TEXT).decode("utf-8-sig")
        if name.lower().endswith(".jsonl"):
            # only \n: text may hold other line breaks
            return pd.DataFrame(
                [dict(parse_json(line.encode())) for line in text.split("\n") if line.strip()], dtype=object
            )
        separators = {".tsv": "\t"}
        return pd.read_csv(
            io.StringIO(text, newline=""),
            sep=separators.get(PurePosixPath(name).suffix.lower(), ","),
            dtype=str,
            keep_default_na=False,
            index_col=False,
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (ValueError, TypeError, RecursionError) as error:
        raise DatasetError(f"{where} is no table of UTF-8 text ({error}); save it again.") from None


def _listed_rows(files: Files, table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Look up the images that a table lists; see `_entries_of`.

    Raises:
        DatasetError: a column or a listed file is missing.
    """
    where = f"{files.path}: {table}"
    folder = PurePosixPath(table).parent
    path = column_of(rows, PATH)
    if path is None:
        raise DatasetError(f"{where} has no column {' or '.join(PATH[:2])}; it has {some(map(str, rows))}.")
    label = column_of(rows, (*LABEL, *FLAGS))
    names = rows[path].map(_text_of)
    listed = []
    missing = []
    for name in names:
        file = files.look_up(str(folder / name)) if name else None
        listed.append(file)
        if file is None:
            missing.append(name)
    if missing:
        raise DatasetError(
            f"{where} names {len(missing):,} pictures that are not there: {some(missing)}; paths are relative to it."
        )
    frame = pd.DataFrame(listed, columns=list(Listed._fields), index=rows.index, dtype=object)
    usual = next((part for part in reversed(folder.parts) if part.lower() in SPLITS), "")
    for name, column in (("label", label), ("source", column_of(rows, SOURCE)), ("split", column_of(rows, SPLIT))):
        frame[name] = ""
        if column is not None:
            frame[name] = rows[column].map(_text_of)
    frame["label"] = _unflagged(frame["label"], label)
    return frame.assign(split=frame["split"].replace("", usual), path="")


def _unflagged(labels: pd.Series, column: str | None) -> pd.Series:
    """Write the labels of a column such as `is_fake` as the classes that they mean."""
    meant = FLAGS.get(str(column).strip().lower())
    lower = labels.str.lower()
    if meant is None or not set(lower) <= {*YES, *NO}:
        return labels
    return lower.isin(YES).map({True: meant, False: other_class(meant)})


def _text_of(value: object) -> str:
    """Write a value of a table: 1 and 1.0 alike."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


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
            with refusing_damage(), self.files.open(table.name) as opened:
                return self._rows(opened, table, where)
        except ImageError as error:
            raise DatasetError(f"{where} is no parquet file that can be read ({error}).") from None

    def _rows(self, opened: BinaryIO, table: Listed, where: str) -> pd.DataFrame:
        file = pq.ParquetFile(opened)
        schema = file.schema_arrow
        starts = [0]
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            if group.num_rows > MAX_ROWS or group.total_byte_size > MAX_GROUP:
                raise DatasetError(
                    f"{where} has a row group of more than {MAX_ROWS:,} rows or 2 GB; write it with smaller ones."
                )
            starts.append(starts[-1] + group.num_rows)
        image = column_of([field.name for field in schema if _is_image(field.type)], IMAGE)
        if image is None:
            raise DatasetError(f"{where} has no column image with bytes; it has {some(schema.names)}.")
        self.groups[table.name] = image, starts
        label = column_of(schema.names, (*LABEL, *FLAGS))
        columns = {"label": label, "source": column_of(schema.names, SOURCE), "split": column_of(schema.names, SPLIT)}
        kind = schema.field(image).type
        if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0:
            columns["path"] = f"{image}.path"
        given = [column for column in columns.values() if column]
        # texts that repeat take no room in the file, and as dictionaries none in memory
        read = partial(pq.ParquetFile(opened, read_dictionary=given).read_row_group, columns=given)
        values = pa.concat_tables([read(number).flatten() for number in range(file.num_row_groups)]).to_pandas()
        # the size of a row is not known here; that of its file is
        rows = pd.DataFrame({"size": 0, "stamp": (table.stamp << 40) + table.size}, values.index)
        rows = rows.assign(label="", source="", split="", path="")
        # the innermost folder or file that names a split
        for match in filter(None, map(SHARD.match, table.name.split("/"))):
            rows["split"] = match[1]
        classes = {"label": _class_names(schema, str(label))}
        for name, column in columns.items():
            if column:
                rows[name] = _texts(values[column], classes.get(name, []), where)
        rows["label"] = _unflagged(rows["label"], label)
        names = []
        for row, name in enumerate(rows["path"]):
            suffix = ""
            if is_picture(name):
                suffix = PurePosixPath(name).suffix
            names.append(f"{table.name}/{row:07d}{suffix}")
        return rows.assign(name=names, path=rows.index.astype(str))[COLUMNS]

    def read(self, entry: Entry, limit: int) -> bytes:
        """Read the picture of a row, of at most `limit` bytes."""
        name = entry.name.rpartition("/")[0]
        row = int(entry.path)
        column, starts = self.groups[name]
        group = bisect.bisect_right(starts, row) - 1
        with refusing_damage():
            if self.last is None or self.last[0] != (name, group):
                self.last = None
                with self.files.open(name) as opened:
                    self.last = (name, group), _unpacked(pq.ParquetFile(opened), group, column)
            value = self.last[1][row - starts[group]].as_py()
        content = value
        if isinstance(value, dict):
            content = value.get("bytes")
        if not content or len(content) > limit:
            raise ImageError(f"has {len(content or b''):,} bytes in the table, and 1 to {limit:,} are read")
        return bytes(content)


def _unpacked(file: pq.ParquetFile, group: int, column: str) -> pa.ChunkedArray:
    """Read a column of a row group, which may unpack to more than its description says."""
    parts = []
    size = 0
    for batch in file.iter_batches(FEW, row_groups=[group], columns=[column]):
        parts.append(batch.column(0))
        size += batch.nbytes
        if size > MAX_GROUP:
            raise ImageError("is in a row group that unpacks to more than 2 GB; write the table with smaller ones")
    return pa.chunked_array(parts)


def _texts(values: pd.Series, classes: list[str], where: str) -> Array:
    """Write a column as text, (N,), "" where it has no value; numbers of `classes` become their names."""
    different = values.astype("category").cat
    texts = []
    for value in different.categories.tolist():
        if isinstance(value, int) and 0 <= value < len(classes):
            texts.append(classes[value])
        else:
            texts.append(_text_of(value))
    if max(map(len, texts), default=0) > MAX_CELL:
        raise DatasetError(f"{where} has a label, source, split or path of over {MAX_CELL} characters.")
    return np.array([*texts, ""], object)[different.codes]


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(part.name == "bytes" and _is_image(part.type) for part in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _class_names(schema: pa.Schema, label: str) -> list[str]:
    """Return the class names of numeric labels from Hugging Face's schema metadata; empty if there are none."""
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return []
    if isinstance(names, list):
        return list(map(str, names))
    return []
