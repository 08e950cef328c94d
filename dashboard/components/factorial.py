"""Coarse by fine: nine pictures made of halves of three images, each with the mean margin of all such pictures."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.findings.intervals import weighted_mean
from core.findings.numbers import signed
from core.images.labels import verdict_of
from core.perturbations import frequency
from core.perturbations.table import PROBES
from core.studies.donors import choose_donors
from core.studies.factorial import SOURCES, margins_of, radii
from core.studies.store import StudyResult
from core.studies.study import WEIGHT
from dashboard import library
from dashboard.components.picture import Cell, picture_grid
from dashboard.components.probing import example_of
from dashboard.datasets import how_to_get_pictures
from dashboard.library import BY_STAMP, Opened


def draw_factorial(opened: Opened, probes: StudyResult, *, verdict: str = "FAKE") -> None:
    """Draw the nine combinations for one verdict: rows the coarse half, columns the fine half."""
    if not (names := radii(probes.table)):
        st.caption("The file of this study has no swaps of detail between images.")
        return
    images: list[NDArray[np.uint8] | None] = []
    if example := example_of(opened, PROBES["transplant"].column(names[-1]), verdict):
        shown, row = example
        donors = choose_donors(shown.run, np.array([row]), seed=int(probes.about["parameters"].get("seed", 0)))
        images = [library.pictures(shown).get(int(at)) for at in (row, donors.same[0], donors.other[0]) if at >= 0]
    pictures = [image for image in images if image is not None]
    if len(pictures) < len(SOURCES):
        st.caption(f"No picture is available to show it on. {how_to_get_pictures()}")
        return
    spectra, fine = frequency.spectra_of(np.stack(pictures)), frequency.ring(float(names[-1]), side=len(pictures[0]))
    cells = []
    for (coarse, detail), margin in np.ndenumerate(mean_margins(opened.origin, probes, verdict)):
        picture = frequency.transplanted(spectra[[coarse]], spectra[[detail]], fine)[0]
        words, called = f"coarse: {SOURCES[coarse]}, fine: {SOURCES[detail]}", verdict_of(float(margin))
        cells.append(
            Cell(picture, f"{words}; mean margin {signed(margin)}", f"{words}  \n**{signed(margin)}**", called)
        )
    with st.container(width=640):
        picture_grid(cells, columns=3, least=100)


@st.cache_resource(max_entries=16, show_spinner="Counting verdicts", hash_funcs=BY_STAMP)
def mean_margins(opened: Opened, probes: StudyResult, verdict: str) -> NDArray[np.float64]:
    """Return mean margins at the strongest radius, float64 (3, 3): [coarse, fine] of `SOURCES`."""
    table = probes.table
    cells = margins_of(opened.run, table, probes.about["parameters"], radii(table)[-1])
    predicted = opened.run.predictions.set_index("id").loc[table["id"], "predicted"].astype(str).to_numpy()
    chosen, weights = predicted == verdict, table[WEIGHT].to_numpy(np.float64)
    return np.array([[weighted_mean(cell[chosen], weights[chosen]).value for cell in row] for row in cells])
