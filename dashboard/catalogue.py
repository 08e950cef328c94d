"""Runs and detectors on disk, by name, and the reasons why some of them cannot be used."""

from pathlib import Path

from core.detectors.identity import DetectorHandle, find_maker, identify_all
from core.runs.folders import find_detectors, find_runs
from core.runs.run import Run, check_manifest
from core.storage.atomic import read_manifest
from core.storage.limits import ContractError
from dashboard.visitors import for_visitors


def runs() -> dict[str, Path]:
    """Find the folders of all runs by name."""
    return find_runs()


def detectors() -> dict[str, DetectorHandle]:
    """Identify the detectors here by name, those that ship first; one whose manifest lies is left out."""
    return identify_all(find_detectors())[0]


def maker(run: Run) -> DetectorHandle | None:
    """Return the detector that made a run, None where it is not among the detectors here."""
    found = detectors()
    return found.get(find_maker(run.manifest, found) or "")


def refused_runs() -> dict[str, str]:
    """Return a sentence for visitors on each run here that cannot be opened, by its name."""
    refused = {}
    for name, path in runs().items():
        try:
            check_manifest(path, read_manifest(path, "run"))
        except ContractError as error:
            refused[name] = for_visitors(error)
    return refused


def refused_detectors() -> dict[str, str]:
    """Return a sentence for visitors on each detector here that cannot be run, by its name."""
    refused = identify_all(find_detectors())[1]
    return {name: for_visitors(sentence) for name, sentence in refused.items()}
