"""Group differences: how the images that a filter finds differ from others in category, looks and studies."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.runs.filter import Filter
from core.studies.differences import Difference, columns_of, differing
from core.studies.store import find_studies
from dashboard import library
from dashboard.components.fold import opens_all
from dashboard.components.glossary import explain
from dashboard.components.plain import plain
from dashboard.components.words import percent
from dashboard.library import BY_STAMP, Opened

SHOWN = 12
FEWEST = 5


def draw_group_differences(opened: Opened, wanted: Filter, positions: NDArray[np.intp]) -> None:
    """Draw a folded comparison; nothing where the filter finds everything, or too few to compare."""
    everything = np.arange(len(opened.table))
    if not FEWEST <= len(positions) <= len(everything) - FEWEST:
        return
    title = f"How do these {len(positions):,} differ from the rest?"
    if opens_all():
        st.session_state.setdefault("mistakes.apart", True)
    with st.expander(title, icon=":material/compare_arrows:", key="mistakes.apart", on_change="rerun") as folded:
        if not folded.open:
            return
        # what got the other verdict, where there is enough of it
        lifted = replace(wanted.choosing("predicted", []).choosing("correct", []), sort=Filter.sort)
        others, whose = library.matching(opened, lifted), "that all filters but verdicts find"
        if len(others) - len(positions) < FEWEST:
            others, whose = everything, "of this run"
        others = np.setdiff1d(others, positions)
        st.markdown(f"Compared with the {len(others):,} other images {whose}:")
        # the columns that the filter fixes differ by definition, and how sure verdicts are goes with every verdict
        fixed = {"margin", *(column for column, *_ in (*wanted.choices, *wanted.ranges))}
        found = _differences(opened, positions, others)
        difference_table([difference for difference in found if difference.column not in fixed][:SHOWN])
        st.caption(
            "Listed are differences that are not tiny and unlikely to be chance (four standard errors), largest first. "
            "They go with the verdict; only changing the image can show whether they cause it.",
            help=explain("Cohen's h"),
        )


def difference_table(differences: Sequence[Difference]) -> None:
    """Draw differences between groups of images, largest first, as a table."""
    if not differences:
        st.caption("no clear difference")
        return
    rows = [
        (plain(f"{label}: {value}" if value else label), *(percent(one) if share else f"{one:.3g}" for one in means))
        for _, _, label, *means, share, value in differences
    ]
    st.table(pd.DataFrame(rows, columns=["of", "these", "others"]).set_index("of"), border="horizontal")


# Streamlit hashes large arrays by a sample of their values
@st.cache_resource(max_entries=32, show_spinner="Comparing", hash_funcs=BY_STAMP | {np.ndarray: np.ndarray.tobytes})
def _differences(opened: Opened, inside: NDArray[np.intp], others: NDArray[np.intp]) -> list[Difference]:
    """Compare the images themselves, and the studies' columns."""
    group, rest = (np.isin(np.arange(len(opened.table)), positions) for positions in (inside, others))
    rows = opened.run.predictions.reset_index(drop=True)
    return differing(columns_of(rows, find_studies(opened.run)[0]), group, rest)
