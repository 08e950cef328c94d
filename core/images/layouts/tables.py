"""Layouts in which a table lists the images: its columns, under their usual names, and its rows."""

import csv
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from core.images.decoding import ImageError
from core.images.image_set import DatasetError
from core.images.layouts.files import Files, Listed, TableFile
from core.images.layouts.layout import SPLITS, Entry, Layout, Splits, classes_of, collect, some, source_name
from core.storage import UnfitFileError, parse_json

METADATA_NAMES = ("metadata.csv", "metadata.jsonl")
PATH = ("path", "file_name", "filename", "file", "image", "image_path", "filepath")
LABEL = ("label", "labels", "class", "target")
SOURCE = ("source", "generator", "model", "camera")
SPLIT = ("split", "subset")
# what files and damaged, encrypted or unusual members of archives raise
UNREADABLE = (
    ImageError, OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError,
)  # fmt: skip
# bytes of a table as text
MAX_TEXT = 2**28


def _metadata(files: Files, fake: tuple[str, ...]) -> Splits | None:
    """Hugging Face's `imagefolder`: pictures beside a metadata.csv or metadata.jsonl, which names and labels them."""
    tables = [listed.name for listed in files.listing if listed.name.rpartition("/")[2] in METADATA_NAMES]
    rows = [row for table in tables for row in _rows_of(files, table, _read_table(files, table), ("file_name",))]
    return collect(files, entries_of(rows, fake, str(files.path))) if tables else None


def _paths(files: Files, fake: tuple[str, ...]) -> Splits | None:
    """A .csv or .tsv of paths: one row per image, with its label and, if known, its source and split."""
    names = [listed.name for listed in files.listing if listed.name.lower().endswith((".csv", ".tsv"))]
    highest = min((name.count("/") for name in names), default=0)
    tables = {}
    for name in names:
        if name.count("/") == highest:
            try:
                tables[name] = _read_table(files, name)
            except NotTextError:
                # beside images it may be anything
                if isinstance(files, TableFile):
                    raise
    if not isinstance(files, TableFile):
        # tables without a path column may lie beside the images; they are ignored
        tables = {name: rows for name, rows in tables.items() if column_of(rows[0] if rows else (), PATH)}
    if not tables:
        return None
    if len(tables) > 1:
        raise DatasetError(
            f"{files.path} has {len(tables)} tables of paths ({some(tables)}); name the file of one of them instead."
        )
    table, rows = tables.popitem()
    return collect(files, entries_of(_rows_of(files, table, rows, PATH), fake, str(files.path)))


class NotTextError(DatasetError):
    """A .csv, .tsv or .jsonl that is not a table of UTF-8 text; the message says why."""


@dataclass(frozen=True)
class Row:
    """A row of a table: the picture, and its label, source and split as they are written there."""

    listed: Listed
    label: str
    source: str
    split: str
    path: str = ""


def entries_of(rows: Sequence[Row], fake: tuple[str, ...], where: str) -> Iterator[tuple[str, Entry]]:
    """Yield the split and the picture of each row.

    Raises:
        DatasetError: labels are missing or do not say which class they are, or a split has an unknown name.
    """
    if blank := sum(not row.label.strip() for row in rows):
        rows_are = "1 row that has" if blank == 1 else f"{blank:,} rows that have"
        raise DatasetError(f"{where} has {rows_are} no label; give every row one, or take it out.")
    labels = classes_of({row.label for row in rows}, fake, where)
    if unknown := {row.split for row in rows if row.split and row.split.lower() not in SPLITS}:
        raise DatasetError(f"{where} has the splits {some(unknown)}; expected {', '.join(sorted(SPLITS))}.")
    for row in rows:
        split = SPLITS.get(row.split.lower(), "")
        yield split, Entry(*row.listed, label=labels[row.label], source=source_name(row.source), path=row.path)


def column_of(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """Return the column that has one of these names, whatever its case."""
    given = {column.lower(): column for column in columns if isinstance(column, str)}
    return next((given[name] for name in names if name in given), None)


def needed(columns: Iterable[str], names: Sequence[str], where: str) -> str:
    """Return the column that has one of these names.

    Raises:
        DatasetError: there is none.
    """
    columns = list(columns)
    if (column := column_of(columns, names)) is None:
        raise DatasetError(f"{where} has no column {names[0]}; it has {some(map(str, columns))}.")
    return column


def _read_table(files: Files, name: str) -> list[Mapping[str, Any]]:
    """Read the rows of a .csv, .tsv or .jsonl.

    Raises:
        NotTextError: it is no text of one.
        DatasetError: it cannot be read.
    """
    where = f"{files.path}: {name}"
    try:
        data = files.read(name, limit=MAX_TEXT)
    except UnfitFileError as error:
        raise DatasetError(f"{error}.") from None
    except UNREADABLE as error:
        raise DatasetError(f"{where} cannot be read ({error}).") from None
    try:
        text = data.decode("utf-8-sig")
        if name.lower().endswith(".jsonl"):
            rows: list[Mapping[str, Any]] = [parse_json(line.encode()) for line in text.split("\n") if line.strip()]
            if not all(isinstance(row, dict) for row in rows):
                raise ValueError("a line is no object")
            return rows
        delimiter = "\t" if name.lower().endswith(".tsv") else ","
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    except (ValueError, RecursionError, csv.Error) as error:
        raise NotTextError(f"{where} is no table of UTF-8 text ({error}); save it again.") from None


def _rows_of(files: Files, table: str, rows: Sequence[Mapping[str, Any]], paths: Sequence[str]) -> list[Row]:
    """Look up the images that a table lists in its path column, which is named one of `paths`.

    Raises:
        DatasetError: a column or a listed file is missing.
    """
    where = f"{files.path}: {table}"
    # a line of JSON may leave out what it has no value for
    columns = list(dict.fromkeys(column for row in rows for column in row))
    path, label = (needed(columns, names, where) for names in (paths, LABEL))
    source, split = (column_of(columns, names) for names in (SOURCE, SPLIT))
    folder = PurePosixPath(table).parent
    folders = [part for part in folder.parts if part.lower() in SPLITS]
    listed_rows, missing = [], []
    for row in rows:
        name = str(row.get(path) or "")
        listed = files.look_up(str(folder / name)) if name else None
        if listed is None:
            missing.append(name)
            continue
        given = str(row.get(split) or "") if split else ""
        listed_rows.append(
            Row(
                listed,
                text_of(row.get(label)),
                text_of(row.get(source)) if source else "",
                given or (folders[-1] if folders else ""),
            )
        )
    if missing:
        raise DatasetError(
            f"{where} names {len(missing):,} pictures that are not there: {some(missing)}; paths are relative to it."
        )
    return listed_rows


def text_of(value: object) -> str:
    """Write a value of a table: 1 and 1.0 alike."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


METADATA = Layout("metadata.csv or metadata.jsonl with file_name and label", _metadata)
PATHS = Layout("a .csv with path and label", _paths)
