"""What the studies of a run add to its rows, for browsing. Needs no torch.

A study's file says in its metadata (JSON under `telltale`) which of its columns are worth browsing by (`explore`) and
what each of them is (`columns`). A file without that adds all of its columns, under their own names.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

KEY = b"telltale"
MAX_CHOICES = 50
MAX_LABEL = 40


@dataclass(frozen=True)
class StudyColumn:
    """A column that a study adds.

    Attributes:
        study: the study's title.
        label: a few words.
        help: what it is, with its unit and range; "" where the file does not say.
    """

    study: str
    label: str
    help: str = ""


def added_by_studies(run: Path, ids: pd.Series, also: Collection[str] = ()) -> pd.DataFrame:
    """The columns of all studies in `<run>/studies` that have an `id` and one row an image.

    Args:
        run: the run's folder.
        ids: of its images, in the order of its rows.
        also: `<study>.<column>` of columns that are wanted though the study does not offer them.

    Returns:
        A row an image in that order, columns named `<study>.<column>`; a missing value where a study left an image out.
    """
    values: dict[str, pd.Series] = {}
    for file, wanted, _ in _files(run, also):
        try:
            with file.open("rb") as opened:
                study = pq.read_table(opened, columns=wanted).to_pandas()
        except Exception:  # noqa: BLE001, S112 - pyarrow's errors share no base; a damaged study costs its columns only
            continue
        if not study["id"].is_unique or not study["id"].isin(ids).any():
            continue
        found = study.set_index("id").reindex(ids).reset_index(drop=True)
        usable = {f"{file.stem}.{name}": _filterable(found[name]) for name in found.columns}
        values |= {name: column for name, column in usable.items() if column is not None}
    return pd.DataFrame(values, index=pd.RangeIndex(len(ids)))


def study_columns(run: Path, also: Collection[str] = ()) -> dict[str, StudyColumn]:
    """What the columns are that `added_by_studies` may add, by their names; reads no values."""
    return {
        f"{file.stem}.{name}": _described(file.stem, name, about)
        for file, wanted, about in _files(run, also)
        for name in wanted
        if name != "id"
    }


def _files(run: Path, also: Collection[str]) -> Iterator[tuple[Path, list[str], dict[str, Any]]]:
    """Each study that has an `id`: its file, the columns to read, and what it says of itself."""
    for file in sorted((run / "studies").glob("*.parquet")):
        try:
            # from an open file: pyarrow takes a path's folders for columns
            with file.open("rb") as opened:
                schema = pq.read_schema(opened)
            about: dict[str, Any] = dict(json.loads((schema.metadata or {}).get(KEY, b"{}")))
        except Exception:  # noqa: BLE001, S112 - as above
            continue
        explore = about.get("explore", schema.names)
        if "id" in schema.names and isinstance(explore, list):
            wanted = {"id", *explore, *(name.removeprefix(f"{file.stem}.") for name in also)}
            yield file, [name for name in schema.names if name in wanted], about


def _described(study: str, column: str, about: Mapping[str, Any]) -> StudyColumn:
    title = str(about.get("title") or study.replace("_", " ").capitalize())
    said = about.get("columns")
    sentence = str(said.get(column, "")) if isinstance(said, dict) else ""
    # unit and range come after the first comma
    short = sentence.partition(",")[0].partition(";")[0].partition(" (")[0].strip(" .")
    name = column.replace("_", " ")
    label = short if 0 < len(short) <= MAX_LABEL else name
    return StudyColumn(title, label[0].upper() + label[1:], sentence)


def _filterable(values: pd.Series) -> pd.Series | None:
    """A study's column as numbers, or as a few named values; None for what is neither."""
    if pd.api.types.is_numeric_dtype(values):
        # half floats are for files; much of pandas does not know them
        return values.astype(np.float32) if values.dtype == np.float16 else values
    if values.dropna().isin([True, False]).all():
        return values.map({True: "yes", False: "no"}).astype("category")
    try:
        few = 0 < values.nunique() <= MAX_CHOICES
    except TypeError:
        # lists and other things that have no order
        return None
    return values.astype(str).where(values.notna()).astype("category") if few else None
