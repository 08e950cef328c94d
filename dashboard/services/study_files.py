"""The studies of the runs here, read once for all visitors."""

import streamlit as st

from core.detectors.identity import Identity
from core.storage import ContractError
from core.studies.result import StudyResult
from core.studies.store import find_studies, read_study, study_path
from dashboard.services.catalogue import homes, is_by, runs
from dashboard.services.library import BY_STAMP, Opened, open_run
from dashboard.services.sentences import for_visitors


def answer(opened: Opened, name: str) -> StudyResult | None:
    """Read and verify a study of a run; None where there is none.

    Raises:
        ContractError: there is a file, and it is damaged or another run's.
    """
    file = study_path(opened.run.path, name)
    return _answer(opened, f"{opened.origin.stamp} {file} {file.stat().st_mtime_ns}", name) if file.is_file() else None


# a dozen of each of a few runs: with fewer, visitors who look at several would have them read all the time
@st.cache_resource(max_entries=64, show_spinner=False)
def _answer(_opened: Opened, stamp: str, name: str) -> StudyResult:  # noqa: ARG001 - the key
    return read_study(study_path(_opened.run.path, name), _opened.run)


def answer_by(detector: Identity, name: str) -> StudyResult | None:
    """Read a study of any run by a detector, this session's run first; None where there is none.

    Raises:
        ContractError: as `answer`.
    """
    found = runs()
    own = st.session_state.get("run", "")
    for run in sorted(found, key=lambda run: run != own):
        if not study_path(found[run], name).is_file() or not is_by(found[run], detector):
            continue
        try:
            opened = open_run(found[run])
        except ContractError:
            # that page reports it
            continue
        return answer(opened, name)
    return None


def refused_studies(opened: Opened) -> list[str]:
    """Return a sentence for visitors on each study of a run that cannot be read; its columns are left out."""
    return _refused_studies(opened.origin)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_STAMP)
def _refused_studies(opened: Opened) -> list[str]:
    return [for_visitors(problem, homes=homes()) for problem in find_studies(opened.run).problems]
