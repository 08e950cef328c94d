"""What the study of neighbours comes to."""

import streamlit as st

from core.runs.filter import Filter
from core.studies.neighbours.findings import among_training
from core.studies.result import StudyResult
from dashboard import catalogue, state
from dashboard.components.missing import offer_training_images
from dashboard.components.plain import code
from dashboard.components.study import bullets, command, study_download
from dashboard.library import Opened


def _among_own(answer: StudyResult) -> bool:
    return len(answer.table) > 0 and not among_training(answer.table)


def draw_summary(opened: Opened, answer: StudyResult) -> None:
    """Draw the study's findings, and a button to the images whose neighbours disagree with the verdict."""
    bullets(answer.findings)
    st.caption(
        "Where neighbours and verdict agree, the verdict is the label that such images had in training. The controls "
        "are raw pixels and random labels: agreement that they reach too owes nothing to what the network has "
        "learned. Labels are drawn once and many images share neighbours, so one draw is like a few coin tosses "
        "and may end well above or below the share of the class."
    )
    if _among_own(answer):
        some = f" --images {len(answer.table)}" if len(answer.table) < len(opened.run) else ""
        again = code(f"{command(opened, 'neighbours')}{some}")
        offer_training_images(
            f"With its training images at hand, run {again} to look among those.",
            catalogue.maker(opened.run),
            key="evidence.fetch",
        )
    with st.container(horizontal=True, gap="small"):
        if "neighbours.agrees" in opened.table and st.button(
            "Images whose neighbours disagree", icon=":material/grid_view:", key="evidence.disagree"
        ):
            state.go("explore", run=opened.run.name, wanted=Filter().choosing("neighbours.agrees", ["no"]))
        study_download(opened, answer)
