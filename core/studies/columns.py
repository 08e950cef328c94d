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
from core.studies.store import foreign_key, outdated
from core.studies.study import WEIGHT

KEY = b"telltale"
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
        study, said = self.path.stem, self.about.get("columns")
        title = str(self.about.get("title") or study.replace("_", " ").capitalize())
        question = str(self.about.get("question") or "")
        names = (*self.offered, *self.others)
        sentences = {name: str(said.get(name, "")) if isinstance(said, dict) else "" for name in names}
        labels = _labels(sentences)
        return {
            f"{study}.{name}": StudyColumn(title, labels[name], sentences[name], question)
            for name in names
            if name in columns
        }


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
    wanted = pd.Index(ids)
    for file in study_files(run):
        asked = [name for name in file.others if f"{file.path.stem}.{name}" in also]
        columns = [*file.offered, *asked] if offered else asked
        if not columns:
            continue
        try:
            table = read_table(file.path, columns=["id", *columns])
            # without pandas' own notes, which may make `id` an index
            study = table.to_pandas(ignore_metadata=True)
        except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base; a damaged study costs its columns only
            refuse_passing(error, file.path)
            continue
        known = pd.Index(study.pop("id"))
        if not known.is_unique or not ((rows := known.get_indexer(wanted)) >= 0).any():
            continue
        found = study.reset_index(drop=True).reindex(rows).reset_index(drop=True)
        usable = {f"{file.path.stem}.{name}": _usable(found[name], text=name in asked) for name in found.columns}
        values |= {name: column for name, column in usable.items() if column is not None}
    return pd.DataFrame(values, index=pd.RangeIndex(len(ids)))


def study_columns(run: Path, also: Collection[str] = ()) -> dict[str, StudyColumn]:
    """Describe the columns that `added_by_studies` may add, by name; reads no values."""
    found: dict[str, StudyColumn] = {}
    for file in study_files(run):
        asked = [name for name in file.others if f"{file.path.stem}.{name}" in also]
        found |= file.described({*file.offered, *asked})
    return found


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
        if manifest and foreign_key(about, manifest):
            # another run's, which `read_study` refuses
            continue
        there = [name for name in schema.names if name != "id"]
        old = outdated(file.stem, [name for name in there if name != WEIGHT], about)
        names = [name for name in there if name not in old]
        if about.get("whole") and names != there:
            # as a whole, it is of another version
            continue
        explore = about.get("explore", names)
        if "id" in schema.names and isinstance(explore, list):
            offered = [name for name in names if name in explore]
            yield StudyFile(file, offered, [name for name in names if name not in offered], about)


def refuse_passing(error: Exception, file: Path) -> None:
    """Raise where a file could be read in a moment: a table without its columns would be remembered for everyone."""
    if is_passing(error):
        raise ContractError(f"{file} cannot be read at this moment ({error}); try again") from error


def _labels(sentences: Mapping[str, str]) -> dict[str, str]:
    """Derive a distinct short label for each column from its description."""
    # unit and range come after the first comma
    labels = {name: _first_words(sentence, 1, MAX_LABEL) or name for name, sentence in sentences.items()}
    # descriptions that begin alike are distinguished by what follows
    labels |= {name: _first_words(sentences[name], 2, MAX_LONG_LABEL) or name for name in _shared(labels)}
    labels |= {name: name for name in _shared(labels)}
    return {name: _capital(label) for name, label in labels.items()}


def _shared(labels: Mapping[str, str]) -> list[str]:
    """Return the columns that share a label with another."""
    often = Counter(labels.values())
    return [name for name, label in labels.items() if often[label] > 1]


def _first_words(sentence: str, parts: int, most: int) -> str:
    """Cut a sentence at its nth comma, first semicolon or bracket; "" where that is too long."""
    whole = sentence.partition(";")[0].partition(" (")[0]
    short = ",".join(whole.split(",")[:parts]).strip(" .")
    return short if len(short) <= most else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:].replace("_", " ")


def _usable(values: pd.Series, *, text: bool) -> pd.Series | None:
    """Convert a study's column to numbers or a few named values; anything else to text where `text`, else None."""
    if _is_number(values):
        # half floats and nullable numbers are for files; much of pandas and NumPy does not support them
        if values.dtype == np.float16:
            return values.astype(np.float32)
        return values if isinstance(values.dtype, np.dtype) else values.astype(np.float64)
    known = values.dropna()
    if pd.api.types.is_bool_dtype(values) and len(known) == len(values):
        return values.astype(bool)
    if len(known) and known.isin([True, False]).all():
        # both, though one may not occur in a sample: links filter by either
        return pd.Series(pd.Categorical(values.map({True: "yes", False: "no"}), ["no", "yes"]), index=values.index)
    try:
        few = 0 < values.nunique() <= MAX_CHOICES
    except TypeError:
        # lists and other unhashable values
        return None
    written = values.astype(str).where(values.notna())
    return written.astype("category") if few else written.astype(object) if text else None


def _is_number(values: pd.Series) -> bool:
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values)
    return bool(numeric and not pd.api.types.is_bool_dtype(values))


def read_embedding(run: Path, ids: pd.Series) -> pd.DataFrame:
    """Read the positions of a run's images in the embeddings of its study `clusters`.

    Args:
        run: the run's folder.
        ids: of its images, in the order of its rows.

    Returns:
        A row per image in that order, float32 columns `<space>_x` and `<space>_y`, NaN for images outside the study; no
        columns where the study is absent or cannot be read.
    """
    file = next((one for one in study_files(run) if one.path.stem == "clusters"), None)
    if file is None:
        return pd.DataFrame(index=pd.RangeIndex(len(ids)))
    wanted = [name for name in (*file.offered, *file.others) if name.endswith(("_x", "_y"))]
    try:
        study = read_table(file.path, columns=["id", *wanted]).to_pandas(ignore_metadata=True)
        found = study.drop_duplicates("id").set_index("id").reindex(ids).reset_index(drop=True)
        return found.astype(np.float32)
    except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base; a damaged study costs its columns only
        refuse_passing(error, file.path)
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
    places = pd.Index(other.predictions["id"]).get_indexer(pd.Index(ids))
    known, found = places >= 0, other.predictions.iloc[places]
    wrong = np.where(known, ~is_right(found), -1)
    called = np.where(known, (found["predicted"] == "REAL").to_numpy(bool), -1)
    return pd.DataFrame(
        {
            f"{PREFIX}correct": pd.Categorical.from_codes(wrong, list(OUTCOMES)),
            f"{PREFIX}predicted": pd.Categorical.from_codes(called, ["FAKE", "REAL"]),
            f"{PREFIX}margin": np.where(known, found["margin"].to_numpy(np.float32), np.nan).astype(np.float32),
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

    A study's columns are named `<study>.<column>` (`study_columns.py`). Positions in the embeddings are `<space>_x` and
    `<space>_y` (`embedding.py`).
    """
    table = judged_table(run) if judged is None else judged
    added = added_by_studies(run.path, table["id"]), read_embedding(run.path, table["id"])
    return pd.concat([table, *added], axis=1)
