"""Limits of a detector: always stated, with measured rates where there are any."""

import streamlit as st

from core.detectors.identity import DetectorHandle
from core.detectors.manifest import OLD_SIDE
from core.storage import ContractError
from dashboard import catalogue, library
from dashboard.components.findings import finding_table
from dashboard.components.plain import plain, with_code
from dashboard.visitors import for_visitors

# findings of the study `transfer` that say most
RATES = ("large", "imitations", "photographs", "filters_large", "filters_photographs")


def draw_limits(detector: DetectorHandle | None = None) -> None:
    """Draw what a detector has seen, and how often it errs beyond that as far as measured; None for no detector."""
    with st.container(border=True):
        st.markdown(
            f"**What this detector can know.** {_seen(detector)} On other pictures it still says REAL or FAKE, and "
            "often sounds sure. Its verdict is not evidence about any real-world picture, and must not be used against "
            "anyone."
        )
        if detector is None:
            return
        try:
            result = library.study_by(detector.identity, "transfer")
            findings = [] if result is None else [one for one in map(result.finding, RATES) if one is not None]
        except ContractError as error:
            st.caption(with_code(for_visitors(error, homes=catalogue.homes())))
            return
        if findings:
            finding_table(findings)
        else:
            st.caption("How often it errs on such pictures has not been measured for this detector.")


def _seen(detector: DetectorHandle | None) -> str:
    """Say what a detector was trained on, and what not, as far as that is known."""
    trained_on = "cifake-train" if detector is None else str(detector.manifest.get("training_set", ""))
    side = OLD_SIDE if detector is None else detector.about.side
    if not trained_on:
        return "What it was trained on is not known here."
    if trained_on.startswith("sample"):
        seen = f"{side} x {side} crops of five photographs and one small generator's redrawings of them"
    elif trained_on.startswith("cifake"):
        seen = (
            f"{side} x {side} photographs of ten kinds of things and the pictures that one image generator made of the "
            "same things"
        )
    else:
        return f"It has seen the {side} x {side} images of {plain(trained_on)}, and nothing else."
    return f"It has seen {seen}, and nothing else: never another generator, a screenshot or a drawing."
