"""The run that another one is compared with: chosen, opened, and both brought together."""

from functools import partial

import streamlit as st

from core.storage import ContractError, glance_at_folder
from core.studies.comparison import TRUST, Comparison, pair_of
from core.studies.result import StudyResult
from core.studies.study import StudyError
from dashboard import catalogue, library
from dashboard.components.plain import plain, with_code
from dashboard.library import BY_STAMP, Opened
from dashboard.sidebar import run_label
from dashboard.state import Setting
from dashboard.visitors import for_visitors


def others(opened: Opened) -> list[str]:
    """The names of the other runs on the same images, by their manifests."""
    found = []
    for name, path in catalogue.runs().items():
        try:
            manifest = glance_at_folder(path, "run")
        except ContractError:
            # the sidebar says why
            continue
        if path != opened.run.path and manifest.get("set_fingerprint") == opened.run.manifest["set_fingerprint"]:
            found.append(name)
    return found


def choose_other(opened: Opened, there: list[str]) -> Opened:
    """Draw the choice of the other run and open it; where it cannot be compared, say why and stop the page."""
    asked = st.query_params.get("versus")
    first = next((name for name in there if not _refusal(opened, name)), there[0])
    setting = Setting("versus", first, choices=there)
    if asked and asked not in there:
        st.info(f"{_refusal(opened, asked)} Showing {plain(run_label(first))} instead.", icon=":material/link_off:")
    setting.linked(
        st.selectbox,
        "Compare with",
        options=there,
        format_func=run_label,
        width=340,
        help="Every other run on the same images; `python -m core.predict` makes one.",
    )
    try:
        other = library.open_run(catalogue.runs()[setting.value])
        pair_of(opened.run, other.run)
    except (KeyError, ContractError, StudyError) as error:
        st.error(with_code(for_visitors(error, homes=catalogue.homes())))
        st.stop()
    return other


def _refusal(opened: Opened, asked: str) -> str:
    """Why a run cannot be compared; "" where it can."""
    path = catalogue.runs().get(asked)
    if path is None:
        return "The other run in this address is not here."
    try:
        other = library.open_run(path)
        if path == opened.run.path:
            return "The other run in this address is this very run."
        pair_of(opened.run, other.run)
    except (StudyError, ContractError) as error:
        return with_code(for_visitors(error, homes=catalogue.homes()))
    return ""


def compared(opened: Opened, other: Opened) -> Comparison:
    """The comparison of two runs, remembered for all visitors."""
    return _compared(opened, other, f"{opened.stamp} {other.stamp}")


@st.cache_resource(max_entries=4, show_spinner="Comparing", hash_funcs=BY_STAMP)
def _compared(opened: Opened, other: Opened, stamp: str) -> Comparison:  # noqa: ARG001 - the key
    return Comparison(pair_of(opened.run, other.run), (partial(_read, opened), partial(_read, other)))


def _read(opened: Opened, name: str) -> StudyResult | None:
    """Read a study of a run; None where there is none, or where it (or its findings) cannot be read."""
    try:
        found = library.study_of(opened, name)
        # of the other studies it is the values that are compared
        if found is not None and name in TRUST:
            _ = found.findings
    except ContractError:
        return None
    return found
