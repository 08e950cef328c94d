"""Studies on disk: one self-describing parquet file each, in `studies/` beside the run's files. Reading needs no torch.

The file's own metadata holds, as JSON under `telltale`, the question, parameters, hashes of detector and set, the
version of the study, its findings, and a sha256 over this and the values. A file that was changed, that belongs to
another run, or that another version of the study made is refused.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, NonNegativeInt, ValidationError

from core.console import quote
from core.findings.finding import Finding, find, read_findings
from core.runs.run import Run, read_run
from core.storage import ContractError, is_text, parse_json, plain_json, printable, read_table, write_bytes_atomically
from core.studies.study import STUDIES, VERSIONS, WEIGHT, Study, conclude_study, find_study

KEY = b"telltale"
# of files from now on; those of 1 and 2 have a version for each column
CURRENT = 3
# raised when a study concludes otherwise, or the claim rule or a headline changes: stored findings are made again then
RULE = 2
# key of the stored findings among what a file says of itself
CONCLUDED = "conclusions"
# what a study's file and its run's manifest both say
OF_RUN = ("detector_sha256", "set_fingerprint")
DETECTOR = "detector_fingerprint"

# what files of schemas 1 and 2 name: study, or <study>.<column> -> its last version, and method -> what it adds to that
OF_COLUMNS: dict[str, int] = {
    "probes": 2, "probes.turned_by": 3, "probes.turned_size": 3, "probes.turned_families": 3, "probes.detail_radius": 3,
    "probes.detail_both_ways": 3, "transfer": 4, "agreement": 2, "stability": 2, "sanity": 3, "clusters": 3,
}  # fmt: skip
OF_METHODS = {"gradcampp": 1}


class Conclusions(BaseModel, strict=True):
    """Findings as a file holds them, and the rule by which they were concluded."""

    rule: Any = None
    findings: list[Any]


class About(BaseModel, strict=True):
    """The form of what pages read of a file's metadata, which may have more or less."""

    title: str = ""
    question: str = ""
    control: str = ""
    created: str = ""
    detector: str = ""
    set: str = ""
    columns: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    explore: list[str] = []
    column_versions: dict[str, NonNegativeInt] = {}
    conclusions: Conclusions | None = None
    images: NonNegativeInt = 0
    of: NonNegativeInt = 0
    version: NonNegativeInt = 0


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A study as read from its file.

    Attributes:
        path: its file.
        table: its rows.
        about: everything that the file says of itself: `study`, `title`, `question`, `columns`, `control`,
            `parameters`, `explore`, hashes, versions, `images`, `seconds`.
        run: that it was asked of; None where it was read without one, and then nothing is concluded.
    """

    path: Path
    table: pd.DataFrame
    about: Mapping[str, Any]
    run: Run | None = None

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Its findings, most telling first, as the file holds them; an older file has none, and they are concluded.

        Raises:
            ContractError: the values lack what is concluded from.
        """
        stored = self.about.get(CONCLUDED, {})
        if self.run is None or stored.get("rule") != RULE:
            return self.concluded()
        try:
            return tuple(read_findings(stored["findings"]))
        except ValueError as error:
            command = f"python -m core study --conclude {self.about['study']} --run {quote(self.run.name)}"
            raise ContractError(f"{self.path} holds other findings than it may; run `{command}`") from error

    def concluded(self) -> tuple[Finding, ...]:
        """Conclude again from the values.

        Raises:
            ContractError: the values lack what is concluded from.
        """
        if self.run is None:
            return ()
        name = str(self.about["study"])
        try:
            return tuple(conclude_study(name, self.run, self.table, self.about["parameters"]))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            lacking = isinstance(error, KeyError)
            lacks = f"has no column {error}" if lacking else "holds values of another form"
            command = f"python -m core study {name} --run {quote(self.run.name)}"
            again = f"make it again with `{command}{' --only-missing' if lacking else ''}`"
            raise ContractError(f"{self.path} {lacks}, from which the study {name} concludes; {again}") from error

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """The declared columns that the file lacks; a study of a whole set has all of its columns or is refused."""
        name = str(self.about["study"])
        return () if name not in STUDIES or self.about.get("whole") else tuple(find_study(name).missing(self.table))

    def finding(self, key: str) -> Finding | None:
        """The finding of this key, None where it has none."""
        return find(self.findings, key)


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
    if about.get("schema") not in range(1, CURRENT + 1):
        raise ContractError(f"{path} was written by another version; run {command} again")
    if not intact:
        raise ContractError(f"{path} is not the file that was written (its sha256 differs); {again}")
    if about.get("study") != path.stem:
        raise ContractError(f"{path} holds the study {about.get('study')}; {again}")
    # sentences of older files: findings are made from the values
    about.pop("findings", None)
    try:
        About.model_validate(about)
    except ValidationError as error:
        raise ContractError(f"{path} has no usable {error.errors()[0]['loc'][0]}; {again}") from None
    if about.get("whole") is False and about.get("images", len(table)) != len(table):
        raise ContractError(f"{path} has {len(table)} rows and says {about['images']}; {again}")
    table = _current(path, table, about, command)
    if run is not None:
        lacking = (key for key in OF_RUN if key not in about)
        if key := next(lacking, "") or foreign_key(about, run.manifest):
            raise ContractError(f"{path} belongs to another run ({key} differs); {again}")
    return StudyResult(path, table, about, run)


def _current(path: Path, table: pd.DataFrame, about: dict[str, Any], command: str) -> pd.DataFrame:
    """Drop the columns that another version of the study made, from the table and in place from `about`.

    Raises:
        ContractError: no column is left, or the study is of a whole set and lacks one now.
    """
    old = outdated(path.stem, list(table.columns), about)
    if old and (about.get("whole") or len(old) == len(table.columns.difference(["id", WEIGHT]))):
        raise ContractError(
            f"{path} was made by another version of the study, which gave other values; run {command} again"
        )
    if "columns" in about:
        about["columns"] = {name: text for name, text in about["columns"].items() if name not in old}
    if "explore" in about:
        about["explore"] = [name for name in about["explore"] if name not in old]
    return table.drop(columns=old)


def conclude_again(path: Path, run: Run) -> StudyResult:
    """Make the findings and derived columns of a study's file again; its other values stay.

    Raises:
        ContractError: the file cannot be read, or its values lack what is concluded from.
    """
    result = read_study(path, run)
    result.concluded()
    table, about = result.table, dict(result.about)
    if path.stem in STUDIES and (study := find_study(path.stem)).derived and not study.missing(table):
        table = with_derived(study, run, table)
        about["columns"] = {**study.describe(table.columns), WEIGHT: about["columns"].get(WEIGHT, "")}
        about["explore"] = list(study.explore)
    write_study(path, table, about, run)
    return read_study(path, run)


def with_derived(study: Study, run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Derive a study's derived columns again, and put all into the declared order.

    Columns of an older file that the study no longer declares stay behind the others, and weights are last.
    """
    values = table.drop(columns=[*study.derived, WEIGHT], errors="ignore")
    values = pd.concat([values, study.derive(run, values)], axis=1)
    declared = ["id", *study.describe(values.columns)]
    return values[[*declared, *values.columns.difference(declared, sort=False)]].assign(**{WEIGHT: table[WEIGHT]})


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


def outdated(study: str, columns: Sequence[str], about: Mapping[str, Any]) -> list[str]:
    """List those columns of a study's file that another version of the study made.

    Args:
        study: its name.
        columns: of the file.
        about: what the file says of itself.
    """
    values, version = [name for name in columns if name not in {"id", WEIGHT}], VERSIONS.get(study, 1)
    if about.get("schema") == CURRENT or version > 1:
        return [] if (about.get("schema"), about.get("version")) == (CURRENT, version) else values

    def is_old(column: str) -> bool:
        last = OF_COLUMNS.get(f"{study}.{column}", OF_COLUMNS.get(study, 1))
        last += sum(OF_METHODS.get(part, 0) for part in column.split("_"))
        made = about.get("column_versions")
        return (made.get(column) if isinstance(made, dict) else about.get("version")) not in (None, last)

    return list(filter(is_old, values))


def foreign_key(about: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Return the key by which a study's metadata name another run than that of a manifest; "" where none does.

    Older files and older runs do not name the detector as a whole, with its preprocessing, classes and layer.
    """
    named = [key for key in OF_RUN if key in about] + [DETECTOR] * bool(about.get(DETECTOR) and manifest.get(DETECTOR))
    return next((key for key in named if about[key] != manifest.get(key)), "")


def write_sealed(path: Path, table: pd.DataFrame, about: Mapping[str, Any]) -> None:
    """Write a table that says what it is, whole or not at all.

    Args:
        path: of the file, parquet.
        table: columns of numbers, booleans or text.
        about: JSON-able; a sha256 is added, and numbers that are not finite become null.
    """
    described = plain_json(about)
    sealed = json.dumps({**described, "sha256": _digest(table, described)}, allow_nan=False)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), KEY: sealed.encode()})
    write_bytes_atomically(path, lambda file: pq.write_table(arrow, file, compression="zstd", write_page_checksum=True))


def read_sealed(path: Path) -> tuple[pd.DataFrame, dict[str, Any], bool]:
    """Read a table and its metadata, and verify both.

    Returns:
        The table; its metadata without the sha256; and True if both match that sha256.

    Raises:
        FileNotFoundError: there is no file.
        KeyError: its metadata has no entry `KEY`.
        Exception: it cannot be read; the errors of pyarrow share no base class below that.
    """
    arrow = read_table(path)
    about: dict[str, Any] = dict(parse_json((arrow.schema.metadata or {})[KEY]))
    digest = about.pop("sha256", None)
    table = arrow.to_pandas()
    return table, about, digest == _digest(table, about)


def _digest(table: pd.DataFrame, about: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in table.columns:
        digest.update(str(name).encode())
        # whatever type a column comes back as, equal values have equal hashes
        values = table[name]
        if isinstance(values.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(values):
            digest.update("\0".join(values.astype(object).where(values.notna(), "\1").astype(str)).encode())
        else:
            numbers = np.array(values.to_numpy())
            # parquet does not keep which of its many bit patterns a NaN has
            numbers[np.isnan(numbers)] = np.nan if numbers.dtype.kind == "f" else 0
            digest.update(numbers.tobytes())
    return digest.hexdigest()
