"""Downloads of the tables behind the page Evidence."""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.studies.result import StudyResult
from dashboard.components.studies.study import csv_button
from dashboard.library import Opened

if TYPE_CHECKING:
    # Overview takes a button from here, and needs none of the probes
    from dashboard.views.evidence.setup import Evidence

ABOUT = ["id", "name", "label", "predicted", "margin"]


def evidence_downloads(opened: Opened, evidence: "Evidence") -> None:
    """Buttons for the rates that the charts draw, and for every image's answers."""
    with st.container(horizontal=True, gap="small"):
        csv_button(
            "Rates (CSV)",
            evidence.rates,
            f"{opened.run.name}-probes-rates.csv",
            key="evidence.csv.rates",
            help="Every share with its interval and its control's, the mean change of the margin, and the size of the "
            "change, by verdict and strength.",
        )
        csv_button(
            "Every image (CSV)",
            partial(with_predictions, opened, evidence.answer),
            f"{opened.run.name}-probes.csv",
            key="evidence.csv.images",
            help="A row an image: its margin after every change, and how large that change was.",
        )


def study_download(opened: Opened, answer: StudyResult) -> None:
    """A button for the table of a study."""
    study = str(answer.about["study"])
    csv_button(
        "Every image (CSV)",
        answer.table,
        f"{opened.run.name}-{study}.csv",
        key=f"evidence.csv.{study}",
        help="The whole table of this study.",
    )


def with_predictions(opened: Opened, answer: StudyResult) -> pd.DataFrame:
    """A study's table beside names, labels and verdicts."""
    return opened.table[ABOUT].merge(answer.table, on="id")
