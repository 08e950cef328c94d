"""What the study of neighbours comes to."""

import streamlit as st

from core.runs.browsing import Filter
from core.studies.study import Answer
from dashboard.components.studies.downloads import study_download
from dashboard.components.studies.finding_words import bullets
from dashboard.services import address
from dashboard.services.library import Opened


def searched(answer: Answer | None) -> str:
    """The images among which neighbours were looked for."""
    own = answer is not None and len(answer.table) and not str(answer.table["among"].iloc[0]).endswith("-train")
    return "other images of this run" if own else "training images"


def draw_summary(opened: Opened, answer: Answer) -> None:
    """Its sentences, and the way to the images whose neighbours say something else."""
    bullets([one.sentence for one in answer.findings])
    st.caption(
        "Where neighbours and verdict agree, the verdict is what such images had in training. Raw pixels and labels "
        "dealt at random are the controls: what they reach as well has nothing to do with what the network has "
        "learned. By chance it would be about half. But labels are dealt once, and many images have the same "
        "neighbours, so that one deal is like few throws of a coin and may end well above or below."
    )
    with st.container(horizontal=True, gap="small"):
        if "neighbours.agrees" in opened.table and st.button(
            "Images whose neighbours disagree", icon=":material/grid_view:", key="evidence.disagree"
        ):
            address.go("explore", run=opened.run.name, wanted=Filter().choosing("neighbours.agrees", ["no"]))
        study_download(opened, answer)
