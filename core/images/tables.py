"""Layouts in which a table lists the images: .csv, .tsv and .jsonl that name files, and parquet that holds their bytes.

Columns may have any of their usual names.
"""

import bisect
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
IMAGE = ("image", "img", "picture", "bytes", "image_bytes", "jpg", "png")
# what a table says of a picture -> names of its column
KNOWN = {"label": (*LABEL, *FLAGS), "source": ("source", "generator", "model", "camera"), "split": ("split", "subset")}
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
            table = _read_table(files, name)
        except DatasetError:
            # beside images it may be anything
            if metadata or files.is_table:
                raise
            continue
        if metadata or files.is_table or column_of(table, PATH):
            tables[name] = table
    if len(tables) > 1 and not metadata:
        raise DatasetError(
            f"{files.path} has {len(tables)} tables of paths ({some(tables)}); name the file of one of them instead."
        )
    return _pictures([_listed_rows(files, name, table) for name, table in tables.items()], files, fake)


def parquet(files: Files, fake: tuple[str, ...]) -> Pictures | None:
    """Parquet with the images' bytes, as Hugging Face writes it: one row per image, with its label."""
    reader = _ParquetReader(files)
    rows = []
    for table in files.listing:
        if table.name.lower().endswith(".parquet"):
            try:
                with refusing_damage(), files.open(table.name) as opened:
                    rows.append(reader.rows(opened, table))
            except ImageError as error:
                where = f"{files.path}: {table.name}"
                raise DatasetError(f"{where} is no parquet file that can be read ({error}).") from None
    return _pictures(rows, files, fake, reader.read)


def _pictures(
    tables: list[pd.DataFrame],
    files: Files,
    fake: tuple[str, ...],
    read: Callable[[Entry, int], bytes] | None = None,
) -> Pictures | None:
    """Return the picture of each row of tables; None if there are none.

    Args:
        tables: the columns name, size, stamp, label, source, split and path, as in `Entry`; labels and splits as they
            are written in the table.
        files: the set.
        fake: classes that the user says are FAKE.
        read: as in `Pictures`.

    Raises:
        DatasetError: labels are missing or do not say which class they are, or a split has an unknown name.
    """
    if not tables:
        return None
    rows = pd.concat(tables)
    blank = int((rows["label"] == "").sum())
    labels: Mapping[str, str] = {"": UNLABELLED}
    if 0 < blank < len(rows):
        raise DatasetError(f"{files.path} has no label in {blank:,} of its rows; give every row one, or take it out.")
    if not blank:
        labels = classes_of(set(rows["label"]), fake, str(files.path))
    splits = rows["split"].str.lower()
    unknown = set(splits) - {"", *SPLITS}
    if unknown:
        raise DatasetError(f"{files.path} has the splits {some(unknown)}; expected {', '.join(sorted(SPLITS))}.")
    entries = []
    for row in rows.itertuples(index=False):
        source = source_name(row.source)
        entries.append(Entry(row.name, row.size, row.stamp, label=labels[row.label], source=source, path=row.path))
    return Pictures(zip(splits.map(SPLITS).fillna(""), entries, strict=True), read)


def column_of(columns: Iterable[Any], names: Sequence[str]) -> str | None:
    """Return the column that has one of these names, whatever its case."""
    given = {str(column).strip().lower(): column for column in columns}
    return next((given[name] for name in names if name in given), None)


def _read_table(files: Files, name: str) -> pd.DataFrame:
    """Read a .csv, .tsv or .jsonl; raises DatasetError where it cannot be read, or is no table of text."""
    try:
        text = files.read(name, limit=MAX_TEXT).decode("utf-8-sig")
        if name.lower().endswith(".jsonl"):
            # only \n: text may hold other line breaks
            lines = [dict(parse_json(line.encode())) for line in text.split("\n") if line.strip()]
            return pd.DataFrame(lines, dtype=object).map(_text_of)
        separator = "\t" if name.lower().endswith(".tsv") else ","
        return pd.read_csv(
            io.StringIO(text, newline=""), sep=separator, dtype=str, keep_default_na=False, index_col=False
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (ValueError, TypeError, RecursionError) as error:
        raise DatasetError(f"{files.path}: {name} is no table of UTF-8 text ({error}); save it again.") from None


def _listed_rows(files: Files, table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Look up the images that a table lists; see `_pictures`.

    Raises:
        DatasetError: a column or a listed file is missing.
    """
    where = f"{files.path}: {table}"
    folder = PurePosixPath(table).parent
    path = column_of(rows, PATH)
    if path is None:
        raise DatasetError(f"{where} has no column {' or '.join(PATH[:2])}; it has {some(map(str, rows))}.")
    names = rows[path].map(_text_of)
    listed = [files.look_up(str(folder / name)) if name else None for name in names]
    missing = [name for name, file in zip(names, listed, strict=True) if file is None]
    if missing:
        raise DatasetError(
            f"{where} names {len(missing):,} pictures that are not there: {some(missing)}; paths are relative to it."
        )
    frame = pd.DataFrame(listed, columns=list(Listed._fields), index=rows.index, dtype=object)
    usual = next((part for part in reversed(folder.parts) if part.lower() in SPLITS), "")
    return frame.join(_described(rows, usual, where)).assign(path="")


def _described(rows: pd.DataFrame, usual: str, where: str, classes: Sequence[str] = ()) -> pd.DataFrame:
    """Write the columns `KNOWN` of a table as text, "" where it has none.

    Args:
        rows: of the table.
        usual: the split where the table says none.
        where: the table, for messages.
        classes: the names of numeric labels.
    """
    texts = pd.DataFrame("", rows.index, list(KNOWN), dtype=object)
    for name, names in KNOWN.items():
        column = column_of(rows, names)
        if column is not None:
            texts[name] = _texts(rows[column], where, classes if name == "label" else ())
    # a column such as `is_fake` says yes and no
    meant = FLAGS.get(str(column_of(rows, KNOWN["label"])).strip().lower())
    lower = texts["label"].str.lower()
    if meant and set(lower) <= {*YES, *NO}:
        texts["label"] = lower.isin(YES).map({True: meant, False: other_class(meant)})
    return texts.assign(split=texts["split"].replace("", usual))


def _texts(values: pd.Series, where: str, classes: Sequence[str] = ()) -> Array:
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

    def rows(self, opened: BinaryIO, table: Listed) -> pd.DataFrame:
        """Read the rows of a file without their pictures; see `_pictures`."""
        where = f"{self.files.path}: {table.name}"
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
        columns = list(filter(None, (column_of(schema.names, names) for names in KNOWN.values())))
        kind = schema.field(image).type
        original = f"{image}.path"
        if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0:
            columns.append(original)
        # texts that repeat take no room in the file, and as dictionaries none in memory
        read = partial(pq.ParquetFile(opened, read_dictionary=columns).read_row_group, columns=columns)
        values = pa.concat_tables([read(number).flatten() for number in range(file.num_row_groups)]).to_pandas()
        # the innermost folder or file that names a split
        matches = [match[1] for match in map(SHARD.match, table.name.split("/")) if match]
        label = column_of(values, KNOWN["label"])
        rows = _described(values, "".join(matches[-1:]), where, _class_names(schema, str(label)))
        originals = _texts(values[original], where) if original in values else [""] * len(values)
        names = []
        for row, name in enumerate(originals):
            suffix = PurePosixPath(name).suffix if is_picture(name) else ""
            names.append(f"{table.name}/{row:07d}{suffix}")
        # the size of a row is not known here; that of its file is
        stamp = (table.stamp << 40) + table.size
        return rows.assign(name=names, size=0, stamp=stamp, path=values.index.astype(str))

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
