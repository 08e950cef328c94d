"""The studies that there are, by name. A study's module is read when it is asked for."""

from importlib import import_module

from core.studies.study import Conclude, Study, StudyError

# name -> the module that holds it as `STUDY`, in the order in which they are best made
MODULES: dict[str, str] = {
    "probes": "core.studies.probes.study",
    "neighbours": "core.studies.neighbours.study",
    "transfer": "core.studies.out_of_distribution.study",
    "deliveries": "core.studies.deliveries.study",
    "faithfulness": "core.studies.trust.faithfulness",
    "agreement": "core.studies.trust.agreement",
    "one_colour": "core.studies.trust.one_colour",
    "certainty": "core.studies.trust.certainty",
    "stability": "core.studies.trust.robustness",
    "sanity": "core.studies.trust.randomisation",
    "clusters": "core.studies.clusters.study",
    "audit": "core.studies.audit.study",
    "duplicates": "core.studies.copies.duplicates",
    "files": "core.studies.copies.files",
}

# study -> the function that concludes from its table; none of these modules reads torch
CONCLUSIONS: dict[str, str] = {
    "probes": "core.studies.probes.findings.conclude",
    "neighbours": "core.studies.neighbours.findings.conclude",
    "transfer": "core.studies.out_of_distribution.findings.conclude",
    "deliveries": "core.studies.deliveries.findings.conclude",
    "faithfulness": "core.studies.trust.findings.faithfulness",
    "agreement": "core.studies.trust.findings.agreement",
    "one_colour": "core.studies.trust.findings.one_colour",
    "certainty": "core.studies.trust.findings.certainty",
    "stability": "core.studies.trust.findings.stability",
    "sanity": "core.studies.trust.findings.sanity",
    "clusters": "core.studies.clusters.findings.conclude",
    "audit": "core.studies.audit.findings.conclude",
    "duplicates": "core.studies.copies.findings.duplicates",
    "files": "core.studies.copies.findings.files",
}

# study, or <study>.<column> -> version of its values, raised whenever they change; 1 where neither is named. Every
# column of a file carries its own: one of another version is not read, and computed again like one that is missing
VERSIONS: dict[str, int] = {"probes": 2, "transfer": 2, "agreement": 2, "stability": 2, "sanity": 3, "clusters": 3}


def find_study(name: str) -> Study:
    """The study of this name.

    Raises:
        StudyError: there is none.
    """
    if name not in MODULES:
        raise StudyError(f"there is no study {name}; there are {', '.join(MODULES) or 'none'}")
    study: Study = import_module(MODULES[name]).STUDY
    return study


def find_conclusion(name: str) -> Conclude | None:
    """The function that concludes from the table of a study; None for a study that is not in the registry."""
    if name not in CONCLUSIONS:
        return None
    module, _, function = CONCLUSIONS[name].rpartition(".")
    conclude: Conclude = getattr(import_module(module), function)
    return conclude


def version_of(study: str, column: str) -> int:
    """The version that a column of a study has now."""
    return VERSIONS.get(f"{study}.{column}", VERSIONS.get(study, 1))
