"""The columns that a run's studies add to its rows, for browsing. Needs no torch.

A study's file states in its metadata (JSON under `telltale`) which of its columns to browse by (`explore`) and what
each of them is (`columns`). A file without that adds all of its columns, under their own names.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from core.runs.filter import OUTCOMES
from core.runs.metrics import is_right
from core.runs.rows import judged_table
from core.runs.run import Run
from core.storage import ContractError, is_passing, is_text, open_file, parse_json, read_manifest, read_table
from core.studies.store import KEY, foreign_key, outdated

MAX_CHOICES = 64
# characters of a label, and of one that must distinguish columns
MAX_LABEL = 64
MAX_LONG_LABEL = 100


@dataclass(frozen=True)
class StudyColumn:
    """A column that a study adds.

    Attributes:
        study: the study's title.
        label: a few words.
        help: description with unit and range; "" where the file has none.
        question: of the study; "" where the file has none.
    """

    study: str
    label: str
    help: str = ""
    question: str = ""


class StudyFile(NamedTuple):
    """A study file with an `id` column: its path, the columns it offers for browsing, the others, and its metadata."""

    path: Path
    offered: list[str]
    others: list[str]
    about: Mapping[str, Any]

    def described(self, columns: Collection[str]) -> dict[str, StudyColumn]:
        """Describe some of its columns, by their names in a table of a run."""
        study, texts = self.path.stem, self.about.get("columns")
        title = str(self.about.get("title") or study.replace("_", " ").capitalize())
        question = str(self.about.get("question") or "")
        names = (*self.offered, *self.others)
        sentences = {name: str(texts.get(name, "")) if isinstance(texts, dict) else "" for name in names}
        labels = _labels(sentences)
        return {
            f"{study}.{name}": StudyColumn(title, labels[name], sentences[name], question)
            for name in names
            if name in columns
        }

    def asked_for(self, also: Collection[str]) -> list[str]:
        """List the columns that it does not offer and that are named as `<study>.<column>`."""
        return [name for name in self.others if f"{self.path.stem}.{name}" in also]

    def read(self, columns: list[str], ids: pd.Series) -> pd.DataFrame:
        """Read columns, a row for each of a run's ids in their order; no columns where it cannot be read."""
        try:
            # without pandas' own notes, which may make `id` an index
            table = read_table(self.path, columns=["id", *columns]).to_pandas(ignore_metadata=True)
        except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base; a damaged study costs its columns only
            refuse_passing(error, self.path)
            return pd.DataFrame(index=pd.RangeIndex(len(ids)))
        own = pd.Index(table.pop("id"))
        if not own.is_unique or not ((rows := own.get_indexer(pd.Index(ids))) >= 0).any():
            return pd.DataFrame(index=pd.RangeIndex(len(ids)))
        return table.reset_index(drop=True).reindex(rows).reset_index(drop=True)


def added_by_studies(run: Path, ids: pd.Series, also: Collection[str] = (), *, offered: bool = True) -> pd.DataFrame:
    """Read the columns of all studies in `<run>/studies` that have an `id` and one row per image.

    Args:
        run: the run's folder.
        ids: of its images, in the order of its rows.
        also: `<study>.<column>` of further columns that the study does not offer.
        offered: include the columns that studies offer.

    Returns:
        A row per image in that order, columns named `<study>.<column>`; missing values for images outside a study.
    """
    values: dict[str, pd.Series] = {}
    for file in study_files(run):
        named = file.asked_for(also)
        table = file.read([*file.offered, *named] if offered else named, ids) if offered or named else pd.DataFrame()
        usable = {f"{file.path.stem}.{name}": _usable(table[name], text=name in named) for name in table}
        values |= {name: column for name, column in usable.items() if column is not None}
    return pd.DataFrame(values, index=pd.RangeIndex(len(ids)))


def study_columns(run: Path, also: Collection[str] = ()) -> dict[str, StudyColumn]:
    """Describe the columns that `added_by_studies` may add, by name; reads no values."""
    files = study_files(run)
    return {name: one for file in files for name, one in file.described({*file.offered, *file.asked_for(also)}).items()}


def further_columns(run: Path) -> dict[str, StudyColumn]:
    """Describe the columns that studies have but do not offer; reads no values."""
    return {name: one for file in study_files(run) for name, one in file.described(file.others).items()}


def study_files(run: Path) -> Iterator[StudyFile]:
    """Find the studies in `<run>/studies` that have an `id`; what is of another run or version is left out.

    Args:
        run: the run's folder.
    """
    try:
        manifest = read_manifest(run, "run")
    except ContractError:
        # what its own files are of is not known
        manifest = {}
    for file in filter(lambda file: is_text(file.name), sorted((run / "studies").glob("[!.]*.parquet"))):
        try:
            # from an open file: pyarrow takes a path's folders for columns
            with open_file(file) as opened:
                schema = pq.read_schema(opened)
            about: dict[str, Any] = dict(parse_json((schema.metadata or {}).get(KEY, b"{}")))
        except Exception as error:  # noqa: BLE001 - as above
            refuse_passing(error, file)
            continue
        old = outdated(file.stem, schema.names, about)
        # of another run, or as a whole of another version: `read_study` refuses it
        if (manifest and foreign_key(about, manifest)) or (about.get("whole") and old) or "id" not in schema.names:
            continue
        names = [name for name in schema.names if name != "id" and name not in old]
        explore = about.get("explore", names)
        if isinstance(explore, list):
            offered = [name for name in names if name in explore]
            yield StudyFile(file, offered, [name for name in names if name not in offered], about)


def refuse_passing(error: Exception, file: Path) -> None:
    """Raise where a file could be read in a moment: a table without its columns would be remembered for everyone."""
    if is_passing(error):
        raise ContractError(f"{file} cannot be read at this moment ({error}); try again") from error


def _labels(sentences: Mapping[str, str]) -> dict[str, str]:
    """Derive a distinct short label for each column from its description: as few of its clauses as distinguish it."""
    labels: dict[str, str] = {}
    # unit and range come after the first comma
    for parts, longest in ((1, MAX_LABEL), (2, MAX_LONG_LABEL), (0, 0)):
        often = Counter(labels.values())
        for name, sentence in sentences.items():
            if not labels.get(name) or often[labels[name]] > 1:
                clauses = sentence.partition(";")[0].partition(" (")[0].split(",")
                short = ",".join(clauses[:parts]).strip(" .")
                labels[name] = short if short and len(short) <= longest else name
    return {name: label[:1].upper() + label[1:].replace("_", " ") for name, label in labels.items()}


def _usable(values: pd.Series, *, text: bool) -> pd.Series | None:
    """Convert a study's column to numbers or a few named values; anything else to text where `text`, else None."""
    given, types = values.dropna(), pd.api.types
    if types.is_numeric_dtype(values) and not types.is_complex_dtype(values) and not types.is_bool_dtype(values):
        # half floats and nullable numbers are for files; much of pandas and NumPy does not support them
        if values.dtype == np.float16:
            return values.astype(np.float32)
        return values if isinstance(values.dtype, np.dtype) else values.astype(np.float64)
    if types.is_bool_dtype(values) and len(given) == len(values):
        return values.astype(bool)
    if len(given) and given.isin([True, False]).all():
        # both, though one may not occur in a sample: links filter by either
        return pd.Series(pd.Categorical(values.map({True: "yes", False: "no"}), ["no", "yes"]), index=values.index)
    try:
        few = 0 < values.nunique() <= MAX_CHOICES
    except TypeError:
        # lists and other unhashable values
        return None
    written = values.astype(str).where(values.notna())
    return written.astype("category") if few else written.astype(object) if text else None


def read_embedding(run: Path, ids: pd.Series) -> pd.DataFrame:
    """Read the positions of a run's images in the embeddings of its study `clusters`.

    Args:
        run: the run's folder.
        ids: of its images, in the order of its rows.

    Returns:
        A row per image in that order, float32 columns `<space>_x` and `<space>_y`, NaN for images outside the study; no
        columns where the study is absent or cannot be read.
    """
    for file in study_files(run):
        if file.path.stem == "clusters":
            names = [name for name in (*file.offered, *file.others) if name.endswith(("_x", "_y"))]
            return file.read(names, ids).astype(np.float32)
    return pd.DataFrame(index=pd.RangeIndex(len(ids)))


PREFIX = "versus."


def verdicts_of(other: Run, ids: pd.Series) -> pd.DataFrame:
    """Look up another run's predictions for given images.

    Args:
        other: the run.
        ids: of the images, in the order of the result.

    Returns:
        One row per image: `versus.correct` ("right", "wrong"), `versus.predicted` and float32 `versus.margin`; missing
        values if the other run lacks the image.
    """
    rows = other.predictions.assign(wrong=~is_right(other.predictions)).set_index("id").reindex(ids)
    return pd.DataFrame(
        {
            f"{PREFIX}correct": pd.Categorical(rows["wrong"].map({False: OUTCOMES[0], True: OUTCOMES[1]}), OUTCOMES),
            f"{PREFIX}predicted": pd.Categorical(rows["predicted"].astype(object), ["FAKE", "REAL"]),
            f"{PREFIX}margin": rows["margin"].to_numpy(np.float32),
        }
    )


def describe_verdicts(other: Run) -> dict[str, StudyColumn]:
    """Describe the columns of `verdicts_of`."""
    name = other.name
    about = {
        "correct": ("Right or wrong", "Whether its verdict is right"),
        "predicted": ("Prediction", "Its verdict"),
        "margin": ("Margin", "Its margin, above 0 where the verdict is REAL"),
    }
    question = f"What does {other.manifest['detector']} say of the same images?"
    return {f"{PREFIX}{key}": StudyColumn(name, label, help_, question) for key, (label, help_) in about.items()}


def browse_table(run: Run, judged: pd.DataFrame | None = None) -> pd.DataFrame:
    """Add the studies' columns to a run's `judged_table`, which is made here unless it is given.

    A study's columns are named `<study>.<column>` (`added_by_studies`); positions in the embeddings are `<space>_x` and
    `<space>_y` (`read_embedding`).
    """
    table = judged_table(run) if judged is None else judged
    added = added_by_studies(run.path, table["id"]), read_embedding(run.path, table["id"])
    return pd.concat([table, *added], axis=1)
