"""Group differences: how the images that a filter finds differ from others in category, looks and studies."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.runs.filter import Filter
from core.studies.differences import FACTS, Difference, differences
from core.studies.store import find_studies
from dashboard import library
from dashboard.components.glossary import explain
from dashboard.components.plain import plain
from dashboard.components.words import percent
from dashboard.library import BY_STAMP, Opened

SHOWN = 6
FEWEST = 5


def draw_group_differences(opened: Opened, wanted: Filter, positions: NDArray[np.intp]) -> None:
    """Draw a folded comparison; nothing where the filter finds everything, or too few to compare."""
    if not FEWEST <= len(positions) <= len(opened.table) - FEWEST:
        return
    with st.expander(
        f"How do these {len(positions):,} differ from the rest?",
        icon=":material/compare_arrows:",
        key="explore.apart",
        on_change="rerun",
    ) as folded:
        if folded.open:
            _draw_words(opened, wanted, positions)


def _draw_words(opened: Opened, wanted: Filter, positions: NDArray[np.intp]) -> None:
    others, whose = _others(opened, wanted, positions)
    if len(others) < FEWEST:
        st.caption("There are too few other images to compare them with.")
        return
    st.markdown(f"Compared with {whose.format(len(others))}:")
    # the columns that the filter fixes differ by definition
    fixed = {column for column, _ in wanted.choices} | {column for column, _, _ in wanted.ranges}
    own, of_studies = _differences(opened, positions, others, tuple(sorted(fixed)))
    with st.grid(2, min_column_width=300, gap="medium") as grid:
        for title, found in (("Content and looks", own), ("Studies", of_studies)):
            with grid.cell():
                st.markdown(f"**{title}**")
                difference_table(found[:SHOWN])
    st.caption(
        "Listed are differences that are not tiny (at least a fifth of a standard deviation, or Cohen's h of 0.2 for "
        "shares) and unlikely to be chance (four standard errors), largest first. They go with the verdict; only "
        "changing the image can show whether they cause it: see Evidence, or the experiments on Inspect.",
        help=explain("Cohen's h"),
    )


def difference_table(differences: Sequence[Difference]) -> None:
    """Draw differences between groups of images, largest first, as a table."""
    if not differences:
        st.caption("no clear difference")
        return
    rows = [
        {
            "of": plain(f"{each.label}: {each.value}" if each.value else each.label),
            "these": percent(each.own) if each.share else f"{each.own:.3g}",
            "others": percent(each.rest) if each.share else f"{each.rest:.3g}",
        }
        for each in differences
    ]
    st.table(pd.DataFrame(rows).set_index("of"), border="horizontal")


def _others(opened: Opened, wanted: Filter, positions: NDArray[np.intp]) -> tuple[NDArray[np.intp], str]:
    """Find what the filter finds under the other verdict or, if too few, all other images; and words for them."""
    lifted = replace(wanted.choosing("predicted", []).choosing("correct", []), sort=Filter.sort)
    others = np.setdiff1d(library.matching(opened, lifted), positions)
    if len(others) >= FEWEST:
        if wanted.chosen("correct"):
            return others, "the {:,} other images that fit all filters but those on verdicts"
        return others, "the {:,} images that fit too but got the other verdict"
    return np.setdiff1d(np.arange(len(opened.table)), positions), "all {:,} other images"


# Streamlit hashes large arrays by a sample of their values
@st.cache_resource(max_entries=32, show_spinner="Comparing", hash_funcs=BY_STAMP | {np.ndarray: np.ndarray.tobytes})
def _differences(
    opened: Opened, inside: NDArray[np.intp], others: NDArray[np.intp], but: tuple[str, ...]
) -> tuple[list[Difference], list[Difference]]:
    """Compare the images themselves, and the studies' columns."""
    every = np.arange(len(opened.table))
    one, other = (np.isin(every, positions) for positions in (inside, others))
    rows = opened.run.predictions.reset_index(drop=True)
    own = differences(one, other, rows, but=but)
    studies = find_studies(opened.run).answers
    return own, differences(one, other, rows, studies=studies, but=(*but, "category", *FACTS))
