"""Studies on disk: one self-describing parquet file each, in `studies/` beside the run's files. Reading needs no torch.

The file's own metadata holds, as JSON under `telltale`, the question, parameters, hashes of detector and set, the
version of the study, its findings, and a sha256 over this and the values. A file that was changed, that belongs to
another run, or that another version of the study made is refused.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from core.console import quote
from core.runs.run import Run, read_run
from core.storage import ContractError, is_text, plain_json, printable
from core.studies.registry import CURRENT, VERSIONS, outdated
from core.studies.result import CONCLUDED, RULE, StudyResult
from core.studies.sealed import OF_RUN, foreign_key, read_sealed, write_sealed
from core.studies.study import WEIGHT, Study

# files of the second have a version for each column
SCHEMAS = (1, 2, CURRENT)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# metadata key of a study file -> check that the pages can handle its value
FORMS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("title", "question", "control", "created", "detector", "set"), _is_text),
    "columns": lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    "parameters": lambda value: isinstance(value, dict),
    "explore": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "column_versions": lambda value: isinstance(value, dict) and all(map(_is_count, value.values())),
    CONCLUDED: lambda value: isinstance(value, dict) and isinstance(value.get("findings"), list),
    **dict.fromkeys(("images", "of", "version"), _is_count),
}


def study_path(run: Path, name: str) -> Path:
    """Return the file of the study `name` of a run."""
    return run / "studies" / f"{name}.parquet"


def write_study(path: Path, table: pd.DataFrame, about: Mapping[str, Any], run: Run | None = None) -> None:
    """Write a study's file, whole or not at all.

    Args:
        path: from `study_path`.
        table: columns of numbers, booleans or text.
        about: JSON-able; `schema`, the version that the study has now, and the sha256 of the values are added. Numbers
            that are not finite become null.
        run: that the study was asked of: what it concludes is stored too. Readers conclude where it is None, or where
            the values do not suffice.
    """
    replaced = (CONCLUDED, "column_versions")
    described: dict[str, Any] = plain_json({name: value for name, value in about.items() if name not in replaced})
    if run is not None:
        # as it will be read back
        table = pa.Table.from_pandas(table, preserve_index=False).to_pandas()
        with suppress(ContractError):
            findings = plain_json(StudyResult(path, table, described, run).concluded())
            described[CONCLUDED] = {"rule": RULE, "findings": findings}
    write_sealed(path, table, {**described, "schema": CURRENT, "version": VERSIONS.get(path.stem, 1)})


def read_study(path: Path, run: Run | None = None) -> StudyResult:
    """Read and verify a study.

    Args:
        path: its file.
        run: the run that it must belong to; None to take it as it is.

    Raises:
        ContractError: not a study, changed since it was written, another run's, or another version of the study
            made it; the message names the file.
    """
    # a run's studies are in a folder of it
    command = f"`python -m core study {path.stem} --run {quote(path.absolute().parent.parent.name)}`"
    again = f"restore it or run {command} again"
    try:
        table, about, intact = read_sealed(path)
    except FileNotFoundError:
        raise ContractError(f"{path} is missing; run {command} to make it") from None
    except KeyError:
        raise ContractError(f"{path} does not say which study it is; {again}") from None
    except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
        raise ContractError(
            f"{path} is no readable study ({type(error.__cause__ or error).__name__}); {again}"
        ) from None
    if about.get("schema") not in SCHEMAS:
        raise ContractError(f"{path} was written by another version; run {command} again")
    if not intact:
        raise ContractError(f"{path} is not the file that was written (its sha256 differs); {again}")
    if about.get("study") != path.stem:
        raise ContractError(f"{path} holds the study {about.get('study')}; {again}")
    # sentences of older files: findings are made from the values
    about.pop("findings", None)
    _check_about(path, about, again)
    if about.get("whole") is False and about.get("images", len(table)) != len(table):
        raise ContractError(f"{path} has {len(table)} rows and says {about['images']}; {again}")
    table = _current(path, table, about, command)
    if run is not None:
        lacking = (key for key in OF_RUN if key not in about)
        if key := next(lacking, "") or foreign_key(about, run.manifest):
            raise ContractError(f"{path} belongs to another run ({key} differs); {again}")
    return StudyResult(path, table, about, run)


def _check_about(path: Path, about: Mapping[str, Any], again: str) -> None:
    """Refuse what a file says of itself where pages could not take it."""
    for name, fits in FORMS.items():
        if name in about and not fits(about[name]):
            raise ContractError(f"{path} has no usable {name}; {again}")


def _current(path: Path, table: pd.DataFrame, about: dict[str, Any], command: str) -> pd.DataFrame:
    """Drop the columns that another version of the study made, from the table and in place from `about`.

    Raises:
        ContractError: no column is left, or the study is of a whole set and lacks one now.
    """
    values = [str(name) for name in table.columns if name not in {"id", WEIGHT}]
    old = outdated(path.stem, values, about)
    if old and (about.get("whole") or len(old) == len(values)):
        raise ContractError(
            f"{path} was made by another version of the study, which gave other values; run {command} again"
        )
    if "columns" in about:
        about["columns"] = {name: text for name, text in about["columns"].items() if name not in old}
    if "explore" in about:
        about["explore"] = [name for name in about["explore"] if name not in old]
    return table.drop(columns=old)


@dataclass(frozen=True)
class Found:
    """The studies of a run.

    Attributes:
        answers: name -> study.
        problems: a sentence for each file that was refused.
    """

    answers: dict[str, StudyResult] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def find_studies(run: Run) -> Found:
    """All studies of a run, by name."""
    answers, problems = {}, []
    for file in sorted((run.path / "studies").glob("[!.]*.parquet")):
        if not is_text(file.name):
            problems.append(f"{run.path / printable(file.name)} has a name that cannot be shown; rename it")
            continue
        try:
            answers[file.stem] = read_study(file, run)
        except ContractError as error:
            problems.append(str(error))
    return Found(answers, tuple(problems))


@dataclass(frozen=True, eq=False)
class StoredColumns:
    """A study's file that is to be completed.

    Attributes:
        result: as read, without columns that are computed again.
        positions: intp (M,), positions of the run's rows.
        missing: names of the columns to compute.
    """

    result: StudyResult
    positions: NDArray[np.intp]
    missing: frozenset[str]


def find_stored(study: Study, folder: Path, *, again: Collection[str] = ()) -> StoredColumns | None:
    """Find what stays of a run's file of a study.

    Args:
        study: as it is declared now.
        folder: the run's.
        again: columns that are computed again.

    Returns:
        None without a file, where it is of other parameters, and where a study of the whole set lacks a column.
    """
    run = read_run(folder)
    try:
        result = read_study(study_path(folder, study.name), run)
    except ContractError:
        return None
    given = result.about.get("parameters", {})
    if any(given[name] != value for name, value in study.parameters.items() if name in given):
        return None
    table = result.table.drop(columns=list(again), errors="ignore")
    missing = frozenset(study.missing(table))
    if study.whole:
        return None if missing else StoredColumns(result, np.arange(0), missing)
    positions = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    if (positions < 0).any():
        return None
    return StoredColumns(replace(result, table=table), np.asarray(positions, np.intp), missing)
