"""The studies that there are, by name; a module is imported when its study is first asked for."""

from dataclasses import replace
from pkgutil import resolve_name

import numpy as np
import pandas as pd

from core.arrays import Record
from core.findings.answer import with_least, with_noise
from core.findings.contrast import Finding
from core.runs.run import Run
from core.studies.former import present_name
from core.studies.study import Study, StudyError

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


def find_study(name: str) -> Study:
    """Find the study of this or a former name, whose module is imported when it is first asked for.

    Raises:
        StudyError: there is none.
    """
    name = present_name(name)
    if name not in STUDIES:
        raise StudyError(f"there is no study {name}; there are {', '.join(STUDIES) or 'none'}")
    declared = resolve_name(STUDIES[name])
    study: Study = declared
    if callable(declared):
        study = declared()
    return study


def conclude_study(name: str, run: Run, table: pd.DataFrame, parameters: Record) -> list[Finding]:
    """Conclude from the table of a study; nothing for one that is not in the registry."""
    name = present_name(name)
    if name not in STUDIES:
        return []
    median_margin = float(np.median(np.abs(run.predictions["margin"])))
    concluded = find_study(name).conclude(run, table, parameters)
    findings = (with_noise(with_least(finding, median_margin), run.noise) for finding in concluded)
    return [replace(finding, study=name) for finding in findings]
