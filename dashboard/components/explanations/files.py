"""Explanations as files, made when they are asked for."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core.explainers.explanation import Explanation
from core.explainers.saving import SIZE, Style, draw_explanation, npz_of
from core.images.encoding import encode_png
from core.report.explanation import Beside, html_of
from dashboard.components.downloads import file_button
from dashboard.components.explanations.parts import parts_table
from dashboard.components.studies.study import csv_button


def result_downloads(explanation: Explanation, style: Style, *, name: str, key: str) -> None:
    """Buttons for the picture (PNG), as it is drawn, or a table without one, and the numbers (.npz)."""
    stem = f"{Path(name).stem}-{explanation.provenance.detector}-{explanation.method}"
    with st.container(horizontal=True, gap="small"):
        if explanation.has_picture:
            file_button(
                "PNG",
                lambda: encode_png(draw_explanation(explanation, SIZE, style=style)),
                file_name=f"{stem}.png",
                mime="image/png",
                key=f"{key}.png",
                icon=":material/image:",
                type="tertiary",
            )
        file_button(
            "Numbers",
            lambda: npz_of(explanation),
            file_name=f"{stem}.npz",
            mime="application/octet-stream",
            key=f"{key}.npz",
            icon=":material/data_array:",
            type="tertiary",
            help="Every array and setting of this explanation, for numpy.load.",
        )
        if explanation.values is None:
            csv_button(
                "Every weight (CSV)",
                lambda: parts_table(explanation),
                f"{stem}.csv",
                key=f"{key}.csv",
                help="Each part's, with its interval.",
            )


def page_download(
    panels: Sequence[tuple[Explanation, Style]], *, name: str, notes: list[str], beside: Beside, key: str
) -> None:
    """A button for one HTML page with all of the explanations in it, each as it is drawn."""
    file_button(
        "Whole explanation as a page",
        lambda: html_of(panels, title=name, notes=notes, beside=beside).encode(),
        file_name=f"{Path(name).stem}-explained.html",
        mime="text/html",
        key=key,
        icon=":material/article:",
        disabled=not panels,
        help="One self-contained page with the image, its explanations, how far to trust them, and the experiments "
        "that were made here: to keep or to send."
        if panels
        else "Available once all explanations are complete.",
    )
