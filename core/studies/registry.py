"""The studies that there are, by name. A study's module is read when it is asked for."""

from importlib import import_module

from core.studies.study import Study, StudyError

# name -> the module that holds it as `STUDY`, in the order in which they are best made
MODULES: dict[str, str] = {
    "probes": "core.studies.probes",
    "neighbours": "core.studies.neighbours",
    "transfer": "core.studies.transfer",
    "faithfulness": "core.studies.faithfulness",
    "agreement": "core.studies.agreement",
    "one_colour": "core.studies.one_colour",
    "stability": "core.studies.stability",
    "sanity": "core.studies.sanity",
    "clusters": "core.studies.clusters",
    "audit": "core.studies.audit",
    "duplicates": "core.studies.duplicates",
    "files": "core.studies.files",
}

# those whose values changed since their first version; files of another version are refused, without reading the module
VERSIONS: dict[str, int] = dict.fromkeys(MODULES, 1) | {
    "probes": 2,
    "transfer": 2,
    "agreement": 2,
    "stability": 2,
    "sanity": 3,
    "clusters": 3,
}


def find_study(name: str) -> Study:
    """The study of this name.

    Raises:
        StudyError: there is none.
    """
    if name not in MODULES:
        raise StudyError(f"there is no study {name}; there are {', '.join(MODULES) or 'none'}")
    study: Study = import_module(MODULES[name]).STUDY
    return study
