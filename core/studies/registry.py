"""The studies that there are, by name. A study's module is read when it is asked for."""

from importlib import import_module
from typing import NamedTuple

from core.studies.study import Conclude, Study, StudyError


class Place(NamedTuple):
    """Where a study's code is, as dotted names.

    Attributes:
        study: the module that holds it as `STUDY`.
        conclude: the function that concludes from its table; its module does not read torch.
    """

    study: str
    conclude: str


# in the order in which they are best made
STUDIES: dict[str, Place] = {
    "probes": Place("core.studies.probes.study", "core.studies.probes.findings.conclude"),
    "neighbours": Place("core.studies.neighbours.study", "core.studies.neighbours.findings.conclude"),
    "transfer": Place("core.studies.out_of_distribution.study", "core.studies.out_of_distribution.findings.conclude"),
    "deliveries": Place("core.studies.deliveries.study", "core.studies.deliveries.findings.conclude"),
    "faithfulness": Place("core.studies.trust.faithfulness", "core.studies.trust.findings.faithfulness"),
    "agreement": Place("core.studies.trust.agreement", "core.studies.trust.findings.agreement"),
    "one_colour": Place("core.studies.trust.one_colour", "core.studies.trust.findings.one_colour"),
    "certainty": Place("core.studies.trust.certainty", "core.studies.trust.findings.certainty"),
    "stability": Place("core.studies.trust.robustness", "core.studies.trust.findings.stability"),
    "sanity": Place("core.studies.trust.randomisation", "core.studies.trust.findings.sanity"),
    "clusters": Place("core.studies.clusters.study", "core.studies.clusters.findings.conclude"),
    "audit": Place("core.studies.audit.study", "core.studies.audit.findings.conclude"),
    "duplicates": Place("core.studies.copies.duplicates", "core.studies.copies.findings.duplicates"),
    "files": Place("core.studies.copies.files", "core.studies.copies.findings.files"),
}

# study, or <study>.<column> -> version of its values, raised whenever they change; 1 if neither is listed. A file
# stores the version of each column; a column of another version is ignored and recomputed as if it were missing. For
# images of other sides than 32 a probe may change without that, and their studies are made again with --all
VERSIONS: dict[str, int] = {
    "probes": 2, "probes.turned_by": 3, "probes.turned_size": 3, "probes.turned_families": 3, "probes.detail_radius": 3,
    "probes.detail_both_ways": 3, "transfer": 4, "agreement": 2, "stability": 2, "sanity": 3, "clusters": 3,
}  # fmt: skip

# method, of a name without "_", whose explanations have changed -> number added to the versions of all its columns
METHODS = {"gradcampp": 1}


def find_study(name: str) -> Study:
    """The study of this name.

    Raises:
        StudyError: there is none.
    """
    if name not in STUDIES:
        raise StudyError(f"there is no study {name}; there are {', '.join(STUDIES) or 'none'}")
    study: Study = import_module(STUDIES[name].study).STUDY
    return study


def find_conclusion(name: str) -> Conclude | None:
    """The function that concludes from the table of a study; None for a study that is not in the registry."""
    if name not in STUDIES:
        return None
    module, _, function = STUDIES[name].conclude.rpartition(".")
    conclude: Conclude = getattr(import_module(module), function)
    return conclude


def version_of(study: str, column: str) -> int:
    """The version that a column of a study has now."""
    raised = sum(METHODS.get(part, 0) for part in column.split("_"))
    return VERSIONS.get(f"{study}.{column}", VERSIONS.get(study, 1)) + raised
