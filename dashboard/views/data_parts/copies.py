"""Copies and near copies on the page Data: counts that open in Explore, and pairs as pictures."""

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.findings.finding import Finding
from core.runs.filter import Filter
from core.studies.audit.pictures import training_pictures
from core.studies.audit.summary import copy_pairs
from core.studies.copies.findings import COUNTED
from core.studies.copies.nearest_copy import FILE, NEAR, SHOWN
from core.studies.result import StudyResult
from dashboard import catalogue, datasets, library, state
from dashboard.components.missing import offer_training_images
from dashboard.components.plain import code
from dashboard.components.study import command
from dashboard.components.words import CLASS_WORDS
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.views.data_parts.pairs import pair_pictures

SIDE_NAMES = {"in_training": "With training images", "in_set": "Within this set"}
SIDE = Setting("side", "in_training", SIDE_NAMES)
STEP = 12
PAIRS = Setting("pairs", STEP, kind=int, low=STEP, high=1200)
WHERE = {"in_training": "in the training set", "in_set": "elsewhere in this set"}
WHAT = {
    FILE: "the same file, byte for byte",
    SHOWN: "the same pixels in another file",
    NEAR: "nearly the same picture",
}


def draw_counts(opened: Opened, duplicates: StudyResult) -> None:
    """Draw the number of copies of each kind, each a button that opens them."""
    with st.grid(2, min_column_width=330, gap="large") as grid:
        for side, where in WHERE.items():
            keys = {key: kind for key, (column, kind) in COUNTED.items() if column == side}
            # without the training images only the very same files are found, by their hashes
            blind = side == "in_training" and duplicates.finding("unchecked") is not None
            found = [(kind, one) for key, kind in keys.items() if (one := duplicates.finding(key)) is not None]
            with grid.cell():
                st.markdown(f"**Also {where}**")
                for kind, one in found:
                    _count(opened, side, kind, one, checked=kind == FILE or not blind)
                if blind:
                    offer_training_images(
                        f"With the training images available, run {code(command(opened, 'duplicates'))}.",
                        catalogue.maker(opened.run),
                        key=f"data.fetch.{side}",
                    )


def _count(opened: Opened, side: str, kind: str, one: Finding, *, checked: bool) -> None:
    what, about = WHAT[kind], one.details
    if not checked or not about:
        st.caption(f"{what.capitalize()}: not checked, because the training images were not available.")
    elif not about["count"]:
        st.caption(f"{what.capitalize()}: none{' among the sampled images' if about['sampled'] else ''}.")
    else:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            key = f"data.{side}.{kind}"
            label, opens = f"{about['count']:,}", "Show them in Explore."
            if about["sampled"]:
                label, opens = f"about {label}", "Estimated from a sample. Explore shows those of the sample."
            if st.button(label, icon=":material/grid_view:", key=key, help=opens):
                wanted = Filter().choosing(f"duplicates.{side}", [kind])
                state.go("explore", run=opened.run.name, wanted=wanted)
            sides = f"{about['real']:,} {CLASS_WORDS['REAL']}, {about['fake']:,} {CLASS_WORDS['FAKE']}"
            clash = f"; **{about['other_class']:,} of the other class**" if about["other_class"] else ""
            st.markdown(f"{what}: {sides}{clash}", width="stretch")


def draw_pairs(opened: Opened, duplicates: StudyResult) -> None:
    """Draw images beside their near copies, or their copies in another file."""
    found = {side: copy_pairs(duplicates, side) for side in SIDE_NAMES}
    if not any(map(len, found.values())):
        st.caption("There are no pairs: no near copies, and no equal pixels in another file.")
        return
    SIDE.choose(
        "Pairs",
        format_func=lambda side: f"{SIDE_NAMES[side]}, {len(found[side]):,}",
        label_visibility="collapsed",
    )
    side, pairs = SIDE.value, found[SIDE.value]
    if pairs.empty:
        st.caption("No such pair.")
        return
    shown = pairs.head(PAIRS.value)
    training = _training(opened, shown) if side == "in_training" else None
    if side == "in_training" and not training:
        offer_training_images(
            "The pictures of the training images are not available.",
            catalogue.maker(opened.run),
            key="data.fetch_pictures",
        )
    # `class` cannot be the name of a field
    shown = shown.rename(columns={"class": "same"})
    if id_ := pair_pictures(opened, shown, library.pictures(opened), training=training, key=f"data.pairs.{side}"):
        state.go("inspect", run=opened.run.name, id=id_)
    if len(shown) < min(len(pairs), PAIRS.high):
        st.button(
            f"Show more of {len(pairs):,}",
            icon=":material/expand_more:",
            key="data.more",
            on_click=lambda: PAIRS.set(min(PAIRS.value + STEP, PAIRS.high)),
        )


def _training(opened: Opened, pairs: pd.DataFrame) -> dict[str, NDArray[np.uint8]]:
    """Read the pictures of training images from the attached set or from the sample."""
    source = "sample" if opened.run.manifest["set"].startswith("sample-") else datasets.registry().source
    if source is None:
        return {}
    wanted = tuple(zip(pairs["partner"], pairs["name"], strict=True))
    # in chunks of `STEP`, as they are shown, so that showing more reads only the new chunk
    steps = []
    for start in range(0, len(wanted), STEP):
        part = wanted[start : start + STEP]
        steps.append(_read(source, part))
        if len(steps[-1]) < len(dict(part)):
            # what is missing may be there next time
            _read.clear(source, part)
    return {identity: picture for step in steps for identity, picture in step.items()}


@st.cache_data(max_entries=100, show_spinner="Looking for the training images")
def _read(source: str, wanted: tuple[tuple[str, str], ...]) -> dict[str, NDArray[np.uint8]]:
    return training_pictures(source, dict(wanted))
