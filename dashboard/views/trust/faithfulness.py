"""The study `faithfulness` on the page Trust: whether the detector leans on what the explanations name."""

import pandas as pd
import streamlit as st

from core.findings.words import faithfulness as words
from core.studies.groups import By
from core.studies.study import StudyResult
from core.studies.trust import summary as trust_summary
from core.studies.trust.judged import judged
from core.studies.trust.summary import FILLS
from core.system.folders import ContractError
from dashboard.components.charts import style as charts
from dashboard.components.glossary import explain
from dashboard.components.studies.finding_words import markdown, strong
from dashboard.components.studies.study import cannot, numbers, refused, study_of, summary
from dashboard.components.studies.trust import WHAT, group_words
from dashboard.components.words import section
from dashboard.services.address import Setting
from dashboard.services.library import Opened
from dashboard.views.trust import curves

FILL = Setting("filled", "unseen", choices=("unseen", *FILLS))
FILL_NAMES = {
    "unseen": "blur and texture (no method has seen them)",
    "blur": "blur",
    "texture": "shuffled texture",
    "mean": "mean colour (methods that cover parts were fitted with it)",
}
MEASURE = Setting("measure", "lead", choices=("lead", "score", "turned"))
MEASURES = {
    "lead": (trust_summary.excess, "margins further apart than the best control's curves"),
    "score": (trust_summary.scores, "margins between the two curves"),
    "turned": (trust_summary.turned, "verdicts that turn when a quarter of the image is filled"),
}
MEASURE_NAMES = {"lead": "Lead over the best control", "score": "All controls", "turned": "Verdicts turned"}


def conclusion(answer: StudyResult | None) -> str | None:
    """Whether the explanations can be trusted, None without the study."""
    if answer is None:
        return None
    try:
        told = words.trusted(answer.findings)
    except ContractError:
        # the part of the page that is about it says so
        return None
    return strong(told) if told else None


def draw(opened: Opened, by: By) -> None:
    """The section: the sentence, the picture asked for, the curves."""
    section(
        "Does the detector lean on what they name?",
        "Faithfulness: parts of the image are filled in the order that an explanation gives (deletion), or shown in "
        "that order (insertion; Petsiuk et al. 2018). Where it is right the margin falls fast, and rises fast. "
        "Controls order the parts by chance, edges, place or size, or by another image's map.",
        help=explain("Faithfulness", "Deletion and insertion", "Margin", "Control"),
    )
    answer = study_of(opened, "faithfulness")
    if answer is None:
        return
    try:
        st.markdown(strong(words.faithful(answer.findings)))
        st.caption(markdown(words.leads(answer.findings)))
        _draw_scores(opened, answer, by)
        _draw_curves(opened, answer, by)
    except ContractError as error:
        refused(error)


def _draw_scores(opened: Opened, answer: StudyResult, by: By) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        FILL.linked(
            st.selectbox,
            "Filled with",
            options=list(FILL_NAMES),
            format_func=FILL_NAMES.get,
            width=330,
            help=explain(
                "Fill", also="Filling is itself an edit that the detector reacts to, each fill in its own way."
            ),
        )
        MEASURE.linked(
            st.segmented_control, "Measure", options=list(MEASURES), format_func=MEASURE_NAMES.get, required=True
        )
    measure, fill = MEASURE.value, FILL.value
    make, unit = MEASURES[measure]
    if measure == "turned" and fill == "unseen":
        # a share is counted under one fill
        fill = "texture"
        st.caption("Verdicts are counted under one fill, here shuffled texture.")
    frame = summary(opened, answer, make, by)
    frame = _named(frame[frame["fill"] == fill])
    charts.show(
        curves.dots(frame, unit=unit, share=measure == "turned", zero=measure == "lead"),
        key="trust.scores",
        alt=f"{MEASURE_NAMES[measure]}: {unit}, with 95 % intervals; the table under it has the numbers",
    )
    cannot(
        "a filled image is none that the detector was made for, so part of every fall is the fill and not the loss; "
        "and a map that names the right place does not say what is there. The best control is chosen on the same "
        "images, which favours it a little."
    )
    numbers(opened, answer, frame, names=WHAT, key=f"faithfulness-{measure}")


def _draw_curves(opened: Opened, answer: StudyResult, by: By) -> None:
    drawn = summary(opened, answer, trust_summary.curves, by)
    chosen = summary(opened, answer, trust_summary.excess, by)
    chosen = chosen[chosen["fill"] == FILL.value]
    best = dict(zip(chosen["group"], chosen["control"], strict=True))
    with st.expander("The curves", icon=":material/show_chart:", expanded=True), st.grid(2, min_column_width=320):
        for group, control in best.items():
            with st.container():
                st.markdown(group_words(group))
                rows = drawn[(drawn["group"] == group) & (drawn["fill"] == FILL.value)]
                charts.show(
                    curves.deletion_curves(rows, control),
                    key=f"trust.curves.{group}",
                    alt=f"Deletion and insertion curves of {group}: every explanation and every control",
                )


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """A summary with a `name` for each method."""
    if "name" in frame:
        return frame
    names = {name: one.title for name, one in judged().items()}
    names |= {method: name for method, (name, _) in trust_summary.CONTROLS.items()}
    return frame.assign(name=frame["method"].map(names))
