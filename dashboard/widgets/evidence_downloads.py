"""What the page Evidence rests on, as tables to take away."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from core.studies.study import Answer
from dashboard.library import Opened
from dashboard.widgets.handing import file_button

if TYPE_CHECKING:
    # Overview takes a button from here, and needs none of the probes
    from dashboard.widgets.evidence import Evidence

ABOUT = ["id", "name", "label", "predicted", "margin"]


def evidence_downloads(opened: Opened, evidence: "Evidence") -> None:
    """Buttons for the rates that the charts draw, and for every image's answers."""
    with st.container(horizontal=True, gap="small"):
        csv_download(
            "Rates as CSV",
            lambda: evidence.rates.to_csv(index=False).encode(),
            name=f"{opened.run.name}-probes-rates.csv",
            help="Every share with its interval and its control's, the mean change of the margin, and the size of the "
            "change, by verdict and strength.",
        )
        csv_download(
            "Every image as CSV",
            lambda: with_predictions(opened, evidence.answer),
            name=f"{opened.run.name}-probes.csv",
            help="A row an image: its margin after every change, and how large that change was.",
        )


def study_download(opened: Opened, answer: Answer) -> None:
    """A button for the table of a study."""
    study = str(answer.about["study"])
    csv_download(
        "CSV",
        lambda: answer.table.to_csv(index=False).encode(),
        name=f"{opened.run.name}-{study}.csv",
        help="The whole table of this study.",
    )


def with_predictions(opened: Opened, answer: Answer) -> bytes:
    """A study's table beside names, labels and verdicts."""
    return opened.table[ABOUT].merge(answer.table, on="id").to_csv(index=False).encode()


def csv_download(label: str, write: Callable[[], bytes], *, name: str, help: str) -> None:
    file_button(
        label,
        write,
        file_name=name,
        mime="text/csv",
        icon=":material/download:",
        key=f"evidence.csv.{name}",
        help=help,
    )
