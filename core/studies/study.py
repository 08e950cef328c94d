"""The Study type, and the studies that there are: a question, its columns, how it is computed and what it concludes.

Nothing here computes anything: `runner.py` does, and `store.py` has the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Literal

import pandas as pd

from core.arrays import Array, Pixels, Positions, Record
from core.findings.contrast import Finding
from core.runs.run import Run
from core.storage.shards import Report, silent
from core.studies.former import present_name

if TYPE_CHECKING:
    from core.detectors.detector import Detector

# name -> `module:ATTRIBUTE` of a study, or of what makes it from the explainers that are registered; in the order in
# which they are best made
STUDIES = {
    "probes": "core.studies.questions.probes:STUDY",
    "bands": "core.studies.questions.bands:STUDY",
    "neighbours": "core.studies.questions.neighbours:STUDY",
    "out_of_distribution": "core.studies.questions.out_of_distribution:STUDY",
    "deliveries": "core.studies.questions.deliveries:STUDY",
    "faithfulness": "core.studies.questions.faithfulness:make_study",
    "agreement": "core.studies.questions.agreement:make_study",
    "single_sign": "core.studies.questions.single_sign:STUDY",
    "certainty": "core.studies.questions.certainty:make_study",
    "stability": "core.studies.questions.stability:make_study",
    "randomisation": "core.studies.questions.randomisation:make_study",
    "truth": "core.studies.questions.truth:make_study",
    "composite": "core.studies.questions.composite:STUDY",
    "clusters": "core.studies.questions.clusters:STUDY",
    "audit": "core.studies.questions.audit:STUDY",
    "duplicates": "core.studies.questions.duplicates:STUDY",
    "files": "core.studies.questions.files:STUDY",
}
# study -> version of its values, raised whenever they change; 1 if it is not listed
VERSIONS: dict[str, int] = {}
# the column that every study of images gets from the runner: how many images of the run a row stands for
WEIGHT = "weight"
# so many images are enough for intervals of a few hundredths
ENOUGH = 1000


class StudyError(ValueError):
    """A study that cannot be made or read; the message says why and what to do, in one sentence."""


@dataclass(frozen=True, eq=False)
class Context:
    """The inputs of a study.

    Attributes:
        run: whose images are studied.
        detector: the one that made the run.
        pixels: uint8 (N, side, side, 3), the run's images in the order of its rows.
        data: as for `load_image_set`, for a study that needs files or the training images too; None
            where only the run's own images are available.
        report: called with (share done, what is being done) by a study that is computed in one go.
        missing: the columns, or the methods, that are asked for; None for all. A study whose columns cost little
            together may give more.
    """

    run: Run
    detector: Detector
    pixels: Pixels
    data: str | None = None
    report: Report = silent
    missing: frozenset[str] | None = None

    def wants(self, *names: str) -> bool:
        """Tell whether any of these columns, or methods, is missing."""
        return self.missing is None or not self.missing.isdisjoint(names)

    def ids(self, rows: Positions) -> Array:
        """Return the ids of the run's images at some positions."""
        return self.run.predictions["id"].to_numpy()[rows]


# positions in a run, and a study's parameters by name
Rows = Positions
Parameters = Record
Compute = Callable[[Context, Rows, Parameters], pd.DataFrame]
# (run, table of the study's file, parameters) -> findings, most telling first
Conclude = Callable[[Run, pd.DataFrame, Parameters], Iterable[Finding]]
Derive = Callable[[Run, pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Study:
    """One question asked of a run.

    Attributes:
        name: of its file, `studies/<name>.parquet`.
        title: for a heading.
        question: one sentence that ends in a question mark.
        columns: column -> plain description with unit and range; every column that `compute` gives for all detectors.
        control: one sentence on what its numbers are compared with.
        compute: (context, positions, parameters) -> a table that begins with `id`, one row per image in the order of
            the positions; with `methods`, one or more; with `whole`, any table. An image's rows must not depend on the
            other positions.
        conclude: (run, table, parameters) -> its findings, most telling first.
        parameters: JSON-able settings and seeds.
        explore: the columns that the page Explore offers as filters.
        shard: number of images that are computed and stored together.
        whole: True if computed on the whole set at once: `compute` gets all positions.
        methods: of a study with several rows an image: the values of its column `method`, each of which can be computed
            alone. An image has a row of every method.
        private: parameters that name a place on this machine and are not stored in the file.
        needs: "detector" where it asks the detector anything, "maps" where the run must have stored some too, or "".
        derived: columns that follow from the others and that `compute` does not return.
        derive: (run, table with all other columns) -> the `derived` ones, made again whenever columns are added.
    """

    name: str
    title: str
    question: str
    columns: Mapping[str, str]
    control: str
    compute: Compute
    conclude: Conclude
    parameters: Record = field(default_factory=dict)
    explore: tuple[str, ...] = ()
    shard: int = 256
    whole: bool = False
    methods: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    needs: Literal["", "detector", "maps"] = "detector"
    derived: tuple[str, ...] = ()
    derive: Derive | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """What can be computed alone and added to a table: its methods, or its columns where it has none."""
        return self.methods or tuple(name for name in self.columns if name not in self.derived)

    def missing(self, table: pd.DataFrame) -> list[str]:
        """List the parts that a table lacks, in their order."""
        present = set(table.columns)
        if self.methods:
            present = set(table["method"])
        return [name for name in self.parts if name not in present]

    def completed(self, stored: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
        """Add the parts that were missing to a stored table; what is there stays as it is."""
        if self.methods:
            return pd.concat([stored, added], ignore_index=True)
        return pd.concat([stored, added.drop(columns=stored.columns, errors="ignore")], axis=1)

    def with_parameters(self, changes: Record) -> Study:
        """The same with other parameters.

        Raises:
            StudyError: a parameter that it does not have, or a value of another type.
        """
        for key, value in changes.items():
            if key not in self.parameters:
                there = ", ".join(self.parameters) or "none"
                raise StudyError(f"the study {self.name} has no parameter {key}; it has {there}")
            if not isinstance(value, type(self.parameters[key])):
                kind = type(self.parameters[key]).__name__
                raise StudyError(f"{key} of the study {self.name} must be a {kind}, not {value!r}")
        return replace(self, parameters={**self.parameters, **changes})

    def lacking(self, run: Run) -> str:
        """Say what the study needs and a run does not have; "" where it can be made."""
        if self.needs and run.scores_only:
            return (
                f"the study {self.name} asks the detector, and {run.name} has its scores alone; add the detector, as "
                "function:FILE.py:FUNCTION for instance, and make a run with it"
            )
        if self.needs == "maps" and run.maps is None:
            return (
                f"the study {self.name} compares maps or features, and {run.name} has none: its detector has no layers "
                "to read them from; choose another run"
            )
        return ""

    @property
    def is_of_all(self) -> bool:
        """True where it is asked of all images: they are needed together, or cost little."""
        return self.whole or self.shard > ENOUGH


def find_study(name: str) -> Study:
    """Find the study of this or a former name, whose module is imported when it is first asked for.

    Raises:
        StudyError: there is none.
    """
    name = present_name(name)
    if name not in STUDIES:
        raise StudyError(f"there is no study {name}; there are {', '.join(STUDIES)}")
    declared = resolve_name(STUDIES[name])
    study: Study = declared
    if callable(declared):
        study = declared()
    return study
