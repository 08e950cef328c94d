"""The studies that there are, by name. A study's module is read when it is asked for."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import pandas as pd

from core.findings.claims import with_headlines
from core.findings.finding import Finding
from core.runs.run import Run
from core.studies.study import Study, StudyError

# of files from now on
CURRENT = 3

# name -> module that holds it as `STUDY`, or `module:ATTRIBUTE`; in the order in which they are best made
STUDIES: dict[str, str] = {
    "probes": "core.studies.probes",
    "neighbours": "core.studies.neighbours",
    "transfer": "core.studies.out_of_distribution",
    "deliveries": "core.studies.deliveries",
    "faithfulness": "core.studies.faithfulness",
    "agreement": "core.studies.agreement",
    "one_colour": "core.studies.single_sign",
    "certainty": "core.studies.certainty",
    "stability": "core.studies.stability",
    "sanity": "core.studies.randomisation",
    "clusters": "core.studies.clusters",
    "audit": "core.studies.audit",
    "duplicates": "core.studies.copies:DUPLICATES",
    "files": "core.studies.copies:FILES",
}

# study -> version of its values, raised whenever they change; 1 if it is not listed
VERSIONS: dict[str, int] = {}

# what files of schemas 1 and 2 name: study, or <study>.<column> -> its last version, and method -> what it adds to that
OF_COLUMNS: dict[str, int] = {
    "probes": 2, "probes.turned_by": 3, "probes.turned_size": 3, "probes.turned_families": 3, "probes.detail_radius": 3,
    "probes.detail_both_ways": 3, "transfer": 4, "agreement": 2, "stability": 2, "sanity": 3, "clusters": 3,
}  # fmt: skip
OF_METHODS = {"gradcampp": 1}


def find_study(name: str) -> Study:
    """Find the study of this name.

    Raises:
        StudyError: there is none.
    """
    if name not in STUDIES:
        raise StudyError(f"there is no study {name}; there are {', '.join(STUDIES) or 'none'}")
    module, _, attribute = STUDIES[name].partition(":")
    study: Study = getattr(import_module(module), attribute or "STUDY")
    return study


def conclude_study(name: str, run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """Conclude from the table of a study, with questions and headlines; nothing for one not in the registry."""
    if name not in STUDIES:
        return []
    study = find_study(name)
    return with_headlines(study.conclude(run, table, parameters), study.headlines)


def outdated(study: str, columns: Sequence[str], about: Mapping[str, Any]) -> list[str]:
    """List those columns of a study's file that another version of the study made.

    Args:
        study: its name.
        columns: of the file, but `id` and weights.
        about: what the file says of itself.
    """
    if about.get("schema") == CURRENT:
        return [] if about.get("version") == VERSIONS.get(study, 1) else list(columns)
    if VERSIONS.get(study, 1) > 1:
        return list(columns)
    made, whole = about.get("column_versions"), about.get("version")
    old = []
    for column in columns:
        last = OF_COLUMNS.get(f"{study}.{column}", OF_COLUMNS.get(study, 1))
        last += sum(OF_METHODS.get(part, 0) for part in column.split("_"))
        version = made.get(column, last) if isinstance(made, dict) else whole
        if version not in {None, last}:
            old.append(column)
    return old
