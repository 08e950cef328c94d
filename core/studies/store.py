"""Studies on disk: one self-describing parquet file each, in `studies/` beside the run's files. Reading needs no torch.

The file's own metadata holds, as JSON under `telltale`, the question, parameters, hashes of detector and set, the
version of the study, its findings, and a sha256 over this and the values. A file that was changed, that belongs to
another run, or that another version wrote is refused.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, NonNegativeInt, ValidationError

from core.arrays import Record
from core.console import PROGRAM, quote
from core.findings.answer import with_least, with_noise
from core.findings.contrast import Finding, find, read_findings
from core.runs.run import Run
from core.storage.atomic import write_bytes_atomically
from core.storage.limits import ContractError, is_text, parse_json, plain_json, read_table
from core.storage.memory import lazy_property
from core.studies.former import FORMER_NAMES, present_column, present_name, present_table
from core.studies.study import STUDIES, VERSIONS, WEIGHT, Study, find_study

KEY = b"telltale"
# of files that are written; earlier schemas are read too
SCHEMA = 3
# raise it when a study's conclusion, the claim rule or a question changes; stored findings are then concluded again
RULE = 6
# key of the stored findings in a file's metadata
CONCLUDED = "conclusions"
# key of what runs of other trainings of the same recipe found: name of the detector -> findings
TRAININGS = "trainings"
# keys of a file's metadata that stay when columns are added
KEPT = (TRAININGS, "precision")
# what a study's file and its run's manifest both say; older ones of either lack the last
OF_RUN = ("detector_sha256", "set_fingerprint", "detector_fingerprint")


class About(BaseModel, strict=True):
    """The form of what pages read of a file's metadata, which may have more or less."""

    title: str = ""
    question: str = ""
    control: str = ""
    created: str = ""
    columns: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    explore: list[str] = []
    conclusions: dict[str, Any] = {}
    trainings: dict[str, list[Any]] = {}
    images: NonNegativeInt = 0
    of: NonNegativeInt = 0


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A study as read from its file.

    Attributes:
        path: its file.
        table: its rows.
        about: everything that the file says of itself: `study`, `title`, `question`, `columns`, `control`,
            `parameters`, `explore`, hashes, versions, `images`.
        run: that it was asked of; None where it was read without one, and then nothing is concluded.
    """

    path: Path
    table: pd.DataFrame
    about: Record
    run: Run | None = None

    @lazy_property
    def findings(self) -> tuple[Finding, ...]:
        """Its findings, most telling first: those that the file holds, or else concluded from its values.

        Raises:
            ContractError: the values lack what is concluded from.
        """
        stored = self.about.get(CONCLUDED, {})
        if self.run is not None and stored.get("rule") == RULE:
            # those of an unknown form are concluded again, too
            with suppress(ValueError):
                findings = read_findings(stored.get("findings"))
                # a file from before a study was renamed has its former name
                return tuple(replace(finding, study=present_name(finding.study)) for finding in findings)
        return self.concluded()

    def concluded(self, **given: Any) -> tuple[Finding, ...]:
        """Conclude again from the values and from what other trainings found; nothing without a run.

        Args:
            given: parameters in addition to the file's.

        Raises:
            ContractError: the values lack what is concluded from.
        """
        if self.run is None:
            return ()
        name = present_name(str(self.about["study"]))
        try:
            findings = conclude_study(name, self.run, self.table, {**self.about["parameters"], **given})
            return tuple(with_trainings(findings, self.about.get(TRAININGS, {})))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            again = f"make it again with `{PROGRAM} study {name} --run {quote(self.run.name)}`"
            raise ContractError(
                f"{self.path} lacks values from which the study {name} concludes ({error}); {again}"
            ) from error

    def finding(self, key: str) -> Finding | None:
        """The finding of this key, None where it has none."""
        return find(self.findings, key)


def conclude_study(name: str, run: Run, table: pd.DataFrame, parameters: Record) -> list[Finding]:
    """Conclude from the table of a study, by its present name; nothing for one that there is not."""
    if name not in STUDIES:
        return []
    median_margin = float(np.median(np.abs(run.predictions["margin"])))
    concluded = find_study(name).conclude(run, table, parameters)
    findings = (with_noise(with_least(finding, median_margin), run.noise) for finding in concluded)
    return [replace(finding, study=name) for finding in findings]


def with_trainings(findings: Iterable[Finding], trainings: Mapping[str, Sequence[Any]]) -> Iterator[Finding]:
    """Add the same measure of other trainings to findings, as further choices.

    Args:
        findings: of a study.
        trainings: name -> findings of the same study of another training's run, as JSON. Those of another measure, such
            as another strength of a probe, are left out.
    """
    others = {name: read_findings(rows) for name, rows in trainings.items()}
    for finding in findings:
        same = []
        for name, concluded in others.items():
            other = find(concluded, finding.key)
            if other is not None and other.details == finding.details:
                same.append(replace(other.main, kind="training", value=name))
        yield replace(finding, contrasts=(*finding.contrasts, *same))


def study_path(run: Path, name: str) -> Path:
    """Return the file of a study of a run: named as the study is now, or as it was where only such a file is there."""
    name = present_name(name)
    former = (older for older, present in FORMER_NAMES.items() if present == name)
    paths = [run / "studies" / f"{stem}.parquet" for stem in (name, *former)]
    return next(filter(Path.is_file, paths), paths[0])


def study_files(run: Path) -> dict[str, Path]:
    """Name -> file of each study beside a run, by name."""
    files = (run / "studies").glob("[!.]*.parquet")
    names = {present_name(file.stem) for file in files if is_text(file.name)}
    return {name: study_path(run, name) for name in sorted(names)}


def write_study(path: Path, table: pd.DataFrame, about: Record, run: Run | None = None) -> None:
    """Write a study's file, whole or not at all.

    Args:
        path: from `study_path`.
        table: columns of numbers, booleans or text.
        about: JSON-able; `schema`, the version that the study has now, and the sha256 of the values are added. Numbers
            that are not finite become null.
        run: that the study was asked of: what it concludes is stored too. Readers conclude where it is None, or where
            the values do not suffice.
    """
    described: dict[str, Any] = plain_json({name: value for name, value in about.items() if name != CONCLUDED})
    if run is not None:
        # as it will be read back
        table = pa.Table.from_pandas(table, preserve_index=False).to_pandas()
        with suppress(ContractError):
            findings = plain_json(StudyResult(path, table, described, run).concluded())
            described[CONCLUDED] = {"rule": RULE, "findings": findings}
    write_sealed(path, table, {**described, "schema": SCHEMA, "version": VERSIONS.get(present_name(path.stem), 1)})


def read_study(path: Path, run: Run | None = None) -> StudyResult:
    """Read and verify a study.

    Args:
        path: its file.
        run: the run that it must belong to; None to take it as it is.

    Raises:
        ContractError: not a study, changed since it was written, another run's, or another version of the study
            made it; the message names the file.
    """
    name = present_name(path.stem)
    # a run's studies are in a folder of it
    command = f"`{PROGRAM} study {name} --run {quote(path.absolute().parent.parent.name)}`"
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
    if not is_current(name, about):
        raise ContractError(f"{path} was written by another version; run {command} again")
    if not intact:
        raise ContractError(f"{path} is not the file that was written (its sha256 differs); {again}")
    if present_name(str(about.get("study"))) != name:
        raise ContractError(f"{path} holds the study {about.get('study')}; {again}")
    about["study"] = name
    try:
        About.model_validate(about)
    except ValidationError as error:
        raise ContractError(f"{path} has no usable {error.errors()[0]['loc'][0]}; {again}") from None
    foreign = run and foreign_key(about, run.manifest)
    if foreign:
        raise ContractError(f"{path} belongs to another run ({foreign} differs); {again}")
    return StudyResult(path, present_table(name, table), present_about(name, about), run)


def present_about(study: str, about: Record) -> dict[str, Any]:
    """Return a file's metadata, where they name columns with the present names."""
    texts = dict(about.get("columns", {}))
    renamed = dict(about, columns={present_column(study, name): text for name, text in texts.items()})
    if "explore" in about:
        renamed["explore"] = [present_column(study, name) for name in about["explore"]]
    return renamed


def is_current(study: str, about: Record) -> bool:
    """Check that a file's metadata are of a schema that is read, and of the study's present version."""
    schema = about.get("schema", 1)
    # the first schemas state none
    version = about.get("version") if schema == SCHEMA else 1
    return schema in range(1, SCHEMA + 1) and version == VERSIONS.get(study, 1)


def conclude_again(path: Path, run: Run, trainings: Sequence[Run] = ()) -> StudyResult:
    """Make the findings and derived columns of a study's file again; its other values stay.

    Args:
        path: its file.
        run: that it was asked of.
        trainings: runs of other trainings of the detector's recipe, on the same images and with the same study: what
            they found is stored too, in addition to that of trainings before.

    Raises:
        ContractError: a file cannot be read, or its values lack what is concluded from; a run is of other images.
    """
    result = read_study(path, run)
    findings = result.concluded()
    table = result.table
    about = dict(result.about)
    if trainings:
        # a later conclusion needs neither these runs nor their studies
        about[TRAININGS] = dict(about.get(TRAININGS, {}))
        for other in trainings:
            about[TRAININGS][str(other.manifest["detector"])] = _in_training(other, about["study"], run, findings)
    if about["study"] in STUDIES:
        study = find_study(about["study"])
        about |= {"title": study.title, "question": study.question, "control": study.control}
        if not study.whole and not study.missing(table):
            table = with_derived(study, run, table)
            about["columns"] = dict(study.columns) | {WEIGHT: about["columns"].get(WEIGHT, "")}
            about["explore"] = list(study.explore)
    write_study(path, table, about, run)
    return read_study(path, run)


def _in_training(other: Run, study: str, run: Run, findings: Sequence[Finding]) -> list[Any]:
    """Conclude from another training's run what corresponds to `findings`; only the main contrasts, as JSON."""
    if other.manifest["set_fingerprint"] != run.manifest["set_fingerprint"] or other.path == run.path:
        raise ContractError(f"{other.name} is no other training of {run.name}: name a run on the same images")
    like = {finding.key: finding.details for finding in findings}
    concluded = read_study(study_path(other.path, study), other).concluded(like=like)
    return list(plain_json([replace(finding, contrasts=finding.contrasts[:1]) for finding in concluded]))


def with_derived(study: Study, run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Derive a study's derived columns again, and put the declared columns first and the weights last."""
    values = table.drop(columns=[*study.derived, WEIGHT], errors="ignore")
    if study.derive is not None:
        values = pd.concat([values, study.derive(run, values)], axis=1)
    declared = ["id", *(name for name in study.columns if name in values)]
    others = values.columns.difference(declared, sort=False)
    return values[[*declared, *others]].assign(**{WEIGHT: table[WEIGHT]})


def find_studies(run: Run) -> tuple[dict[str, StudyResult], list[str]]:
    """Read all studies of a run: by name, and a sentence on each file that was refused."""
    results = {}
    problems = []
    for name, file in study_files(run.path).items():
        try:
            results[name] = read_study(file, run)
        except ContractError as error:
            problems.append(str(error))
    return results, problems


def find_stored(study: Study, run: Run) -> StudyResult | None:
    """Read a run's file of a study that is to be completed.

    Returns:
        None without a file, where it is of other parameters, and where a study of the whole set lacks a column.
    """
    try:
        result = read_study(study_path(run.path, study.name), run)
    except ContractError:
        return None
    given = result.about.get("parameters", {})
    is_other = any(given.get(name, value) != value for name, value in study.parameters.items())
    if is_other or (study.whole and study.missing(result.table)):
        return None
    return result


def foreign_key(about: Record, manifest: Record) -> str:
    """Return the key by which a study's metadata name another run than that of a manifest; "" where none does."""
    for key in OF_RUN:
        if key in about and about[key] != manifest.get(key, about[key]):
            return key
    return ""


def write_sealed(path: Path, table: pd.DataFrame, about: Record) -> None:
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
    write_bytes_atomically(path, partial(pq.write_table, arrow, compression="zstd", write_page_checksum=True))


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


def _digest(table: pd.DataFrame, about: Record) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in table.columns:
        digest.update(str(name).encode())
        # whatever type a column comes back as, equal values have equal hashes
        values = table[name]
        if isinstance(values.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(values):
            numbers, texts = pd.factorize(values)
            # number -1 stands for a missing value
            texts = np.array([*map(str, texts), "\1"], object)
            digest.update("\0".join(texts[numbers]).encode())
        else:
            numbers = np.array(values.to_numpy())
            # parquet does not keep which of its many bit patterns a NaN has
            if numbers.dtype.kind == "f":
                numbers[np.isnan(numbers)] = np.nan
            digest.update(numbers.tobytes())
    return digest.hexdigest()
