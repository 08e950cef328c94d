"""One line under a map: what the study of faithfulness found for its method and this verdict."""

import streamlit as st

from core.explainers.explainer import AnyExplainer
from core.explainers.explanation import Explanation
from core.explainers.settings import to_json
from core.findings.finding import Finding
from core.findings.lines import Line, line
from core.findings.words import faithfulness
from core.storage import ContractError
from core.studies.result import StudyResult
from core.studies.trust.judged import MOST, cost_of
from dashboard import library
from dashboard.components.explanations.asking import Known
from dashboard.components.plain import code, plain
from dashboard.components.studies.finding_words import markdown
from dashboard.components.studies.study import command
from dashboard.library import Opened

STUDY = "faithfulness"


def draw_trust_line(detector: Known, explainer: AnyExplainer, explanation: Explanation) -> None:
    """Draw what was measured of a method's maps on verdicts like this one, or how to measure it, and where it is shown.

    Args:
        detector: that made the explanation.
        explainer: its method.
        explanation: with a map.
    """
    opened = library.current()
    try:
        answer, found = _found(detector, opened, explanation)
    except ContractError:
        st.page_link(
            "views/trust/page.py",
            label="The study of such maps cannot be read: see what is wrong with it",
            icon=":material/error:",
            query_params={"run": opened.run.name},
        )
        return
    if answer is None or found is None:
        st.markdown(_unmeasured(opened, detector, explainer, answer))
        return
    with st.container(gap=None):
        st.markdown(
            markdown(faithfulness.in_short(found)) + _unlike(explanation),
            help=markdown(_in_full(faithfulness.sides(found))),
        )
        st.page_link(
            "views/trust/page.py",
            label="How this was measured",
            icon=":material/balance:",
            query_params={"run": answer.path.parent.parent.name},
        )


def trust_sentence(detector: Known, explanation: Explanation) -> str:
    """What was measured of such maps, as text; "" where nothing was."""
    try:
        _, found = _found(detector, library.current(), explanation)
    except ContractError:
        return ""
    return "" if found is None else str(faithfulness.in_short(found)) + _unlike(explanation)


def _unlike(explanation: Explanation) -> str:
    return "" if _as_judged(explanation) else " Measured with its default settings, which are not the present ones."


def _found(detector: Known, opened: Opened, explanation: Explanation) -> tuple[StudyResult | None, Finding | None]:
    """The study that covers a detector, and what it found for an explanation's method and verdict; None without.

    Raises:
        ContractError: there is a study, and it cannot be read.
    """
    answer = _measured(detector, opened)
    # by names that are no part of any text
    return answer, None if answer is None else answer.finding(f"{explanation.method}-{explanation.verdict}")


def _measured(detector: Known, opened: Opened) -> StudyResult | None:
    """The study of the run that is looked at where this detector made it, else of another run by it; None without.

    Raises:
        ContractError: there is one, and it cannot be read.
    """
    if detector.identity.made(opened.run.manifest):
        return library.study_of(opened, STUDY)
    return library.study_by(detector.identity, STUDY)


def _unmeasured(opened: Opened, detector: Known, explainer: AnyExplainer, answer: StudyResult | None) -> str:
    """Say that a method was not judged, and which command does so."""
    if cost_of(explainer) > MOST:
        return f"No study judges {explainer.title}: it is too slow for a whole run."
    if not detector.identity.made(opened.run.manifest):
        return f"No run of {plain(detector.name)} has a trust study that covers {explainer.title}."
    if answer is None:
        return f"This run has no trust study yet; {code(command(opened, STUDY))} makes one."
    more = code(command(opened, STUDY, there=True))
    return f"This run's trust study does not cover {explainer.title} yet; {more} adds it."


def _as_judged(explanation: Explanation) -> bool:
    """Check whether an explanation has the settings that the studies judge, whatever its seed."""
    own, judged = (to_json(one) | {"seed": 0} for one in (explanation.settings, type(explanation.settings)()))
    return own == judged


def _in_full(sides: Line) -> Line:
    return line("Score minus the best control's, in units of the margin: {sides}.", sides=sides)
