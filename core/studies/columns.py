"""The columns that a run's studies add to its rows, for browsing. Needs no torch.

A study's file states in its metadata (JSON under `telltale`) which of its columns to browse by (`explore`) and what
each of them is (`columns`). A file without that adds all of its columns, under their own names.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.runs.rows import judged_table
from core.runs.run import Run
from core.storage.limits import open_file, parse_json, read_table
from core.studies.former import present_column, present_table
from core.studies.store import KEY, foreign_key, is_current, present_about, study_files, study_path

MAX_CHOICES = 64
MAX_LABEL = 64
EMBEDDINGS = "clusters"
# columns of another run's predictions -> label and description
VERSUS = {
    "versus.correct": ("Right or wrong", "Whether its verdict is right"),
    "versus.predicted": ("Prediction", "Its verdict"),
    "versus.margin": ("Margin", "Its margin, above 0 where the verdict is REAL"),
}


class StudyColumn(NamedTuple):
    """A column that a study adds.

    Attributes:
        study: the study's title.
        label: the description up to its first comma; unit and range come after that.
        help: description with unit and range; "" where the file has none.
        question: of the study; "" where the file has none.
        offered: whether the study offers it for browsing.
    """

    study: str
    label: str
    help: str = ""
    question: str = ""
    offered: bool = True


def study_columns(run: Run) -> dict[str, StudyColumn]:
    """Describe the columns in the studies of a run that have a row an image, as `<study>.<column>`; reads no values.

    What is damaged or of another run or version is left out.
    """
    columns = {}
    for study, file in study_files(run.path).items():
        with suppress(Exception):
            schema = _read_schema(file)
            about = present_about(study, parse_json((schema.metadata or {}).get(KEY, b"{}")))
            names = [present_column(study, name) for name in schema.names]
            if "method" in names or foreign_key(about, run.manifest) or not is_current(study, about):
                continue
            names.remove("id")
            explore = about.get("explore", names)
            title = str(about.get("title") or study.replace("_", " ").capitalize())
            question = str(about.get("question") or "")
            for name in names:
                text = str(about["columns"].get(name, ""))
                label = text.partition(",")[0].strip(" .")
                if not 0 < len(label) <= MAX_LABEL:
                    label = name.replace("_", " ")
                label = label[:1].upper() + label[1:]
                columns[f"{study}.{name}"] = StudyColumn(title, label, text, question, name in explore)
    return columns


def _read_schema(file: Path) -> pa.Schema:
    """Read the columns and metadata of a study's file."""
    # from an open file: pyarrow takes a path's folders for columns
    with open_file(file) as opened:
        return pq.read_schema(opened)


def read_columns(run: Run, names: Iterable[str]) -> pd.DataFrame:
    """Read columns of `study_columns`, a row for each of the run's; missing values for images outside a study.

    Columns hold numbers, booleans or a few texts; those with anything else are left out.
    """
    by_study: dict[str, list[str]] = defaultdict(list)
    for name in names:
        study, _, column = name.partition(".")
        by_study[study].append(column)
    # hashed once for all studies
    ids = pd.Index(run.predictions["id"])
    values: dict[str, pd.Series | None] = {}
    for study, columns in by_study.items():
        file = study_path(run.path, study)
        with suppress(Exception):
            stored = {present_column(study, name): name for name in _read_schema(file).names}
            arrow = read_table(file, columns=[stored[name] for name in ("id", *columns)])
            # without pandas' own notes, which may make `id` an index
            table = present_table(study, arrow.to_pandas(ignore_metadata=True))
            # by position in the run; -1 where it lacks the image
            table.index = pd.Index(ids.get_indexer(table["id"]))
            if table.index.max() >= 0:
                rows = table[table.index >= 0].reindex(range(len(ids)))
                values |= {f"{study}.{name}": _usable(rows[name]) for name in columns}
    usable = {name: column for name, column in values.items() if column is not None}
    return pd.DataFrame(usable, index=pd.RangeIndex(len(ids)))


def _usable(values: pd.Series) -> pd.Series | None:
    """Convert a study's column to numbers, booleans or a few named values; None for anything else."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        # half floats and nullable numbers are for files; much of pandas and NumPy does not support them
        if values.dtype == np.float16:
            return values.astype(np.float32)
        return values.astype(values.to_numpy().dtype)
    if values.dtype == bool:
        return values
    kind = pd.api.types.infer_dtype(values.astype(object), skipna=True)
    if kind == "boolean":
        # both, though one may not occur in a sample: links filter by either
        return pd.Series(pd.Categorical(values.map({True: "yes", False: "no"}), ["no", "yes"]), index=values.index)
    if kind != "string" or values.nunique() > MAX_CHOICES:
        return None
    return values.astype(str).where(values.notna()).astype("category")


def versus_table(other: Run, ids: pd.Series) -> pd.DataFrame:
    """Look up another run's predictions for given images.

    Args:
        other: the run.
        ids: of the images, in the order of the result.

    Returns:
        One row per image: `versus.correct` ("right", "wrong"), `versus.predicted` and float32 `versus.margin`; missing
        values if the other run lacks the image.
    """
    rows = judged_table(other).set_index("id").reindex(ids).reset_index(drop=True)
    return rows[["correct", "predicted", "margin"]].add_prefix("versus.")


def describe_versus(other: Run) -> dict[str, StudyColumn]:
    """Describe the columns of `versus_table`."""
    question = f"What does {other.manifest['detector']} say of the same images?"
    return {name: StudyColumn(other.name, label, text, question) for name, (label, text) in VERSUS.items()}


def browse_table(
    run: Run, judged: pd.DataFrame | None = None, columns: Mapping[str, StudyColumn] | None = None
) -> pd.DataFrame:
    """Add the studies' columns to a run's `judged_table`; each study's file is read once.

    Args:
        run: the run.
        judged: its `judged_table`, which is made here unless it is given.
        columns: its `study_columns`, likewise.

    Returns:
        A row an image. The columns that studies offer are named `<study>.<column>`; positions in the embeddings of its
        study `clusters` are float32 `<space>_x` and `<space>_y`, NaN for images outside that.
    """
    if judged is None:
        judged = judged_table(run)
    if columns is None:
        columns = study_columns(run)
    offered = [name for name, column in columns.items() if column.offered]
    positions = [name for name in columns if name.startswith(f"{EMBEDDINGS}.") and name.endswith(("_x", "_y"))]
    values = read_columns(run, dict.fromkeys([*offered, *positions]))
    # what cannot be browsed is left out
    embedding = values[values.columns.intersection(positions, sort=False)].astype(np.float32)
    embedding = embedding.rename(columns=lambda name: name.removeprefix(f"{EMBEDDINGS}."))
    return pd.concat([judged, values[values.columns.intersection(offered, sort=False)], embedding], axis=1)
