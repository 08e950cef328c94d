"""Copies and near copies of images: counts that open in Explore, and pairs as pictures."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.images.labels import CLASSES, other_class
from core.runs.filter import Filter
from core.studies.copies import COUNTED, FILE, NEAR, SHOWN, copy_pairs, training_pictures
from core.studies.store import StudyResult
from dashboard import datasets, library, state
from dashboard.components.component import key_of
from dashboard.components.picture import Cell, picture_grid
from dashboard.components.plain import code, plain
from dashboard.components.study import command
from dashboard.components.words import CLASS_WORDS
from dashboard.datasets import how_to_get_pictures
from dashboard.library import Opened
from dashboard.state import Setting

SIDES = {"in_training": "With training images", "in_set": "Within this set"}
WHAT = {FILE: "the same file", SHOWN: "the same pixels in another file", NEAR: "nearly the same picture"}
SIDE = Setting("side", "in_training", SIDES)
# pairs that are drawn at first, and that a press adds
STEP = 12
PAIRS = Setting("pairs", STEP, kind=int, low=STEP, high=1200)


def draw_copies(opened: Opened, duplicates: StudyResult) -> None:
    """Draw the number of copies of each kind, each a button that opens them, and pairs as pictures."""
    with st.grid(2, min_column_width=330, gap="large") as grid:
        for side, title in SIDES.items():
            with grid.cell():
                st.markdown(f"**{title}**")
                for key, (column, kind) in COUNTED.items():
                    if column == side and (one := duplicates.finding(key)) is not None:
                        _draw_count(opened, side, kind, one.details)
                if side == "in_training" and duplicates.finding("unchecked") is not None:
                    again = code(command(opened, "duplicates"))
                    st.caption(f"With the training images available, run {again}.")
    found = {side: copy_pairs(duplicates.table, side) for side in SIDES}
    if not any(map(len, found.values())):
        st.caption("There are no pairs: no near copies, and no equal pixels in another file.")
        return
    SIDE.choose("Pairs", format_func=lambda side: f"{SIDES[side]}, {len(found[side]):,}", label_visibility="collapsed")
    pairs = found[SIDE.value]
    shown = pairs.head(PAIRS.value)
    training = None
    if SIDE.value == "in_training":
        # of the attached set, or of the sample
        source = "sample" if opened.run.manifest["set"].startswith("sample-") else datasets.registry().source
        wanted = tuple(zip(shown["partner"], shown["name"], strict=True))
        training = _read_training(source, wanted) if source is not None else {}
    if training == {}:
        st.caption(f"The pictures of the training images are not available. {how_to_get_pictures()}")
    with st.grid(3, min_column_width=300, gap="medium") as grid:
        for pair in shown.to_dict("records"):
            if (row := opened.row_of(pair["id"])) is not None:
                with grid.cell():
                    draw_pair(opened, pair, row, training)
    if len(shown) < min(len(pairs), PAIRS.high):
        more = min(PAIRS.value + STEP, int(PAIRS.high))
        st.button(f"Show more of {len(pairs):,}", key="data.more", on_click=PAIRS.set, args=(more,))


def _draw_count(opened: Opened, side: str, kind: str, counts: Mapping[str, Any]) -> None:
    """Draw how many copies of a kind there are, as a button that shows them in Mistakes."""
    what = WHAT[kind].capitalize()
    if not counts:
        st.caption(f"{what}: not checked, because the training images were not available.")
        return
    clash = f"; **{counts['other_class']:,} of the other class**" if counts["other_class"] else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = f"{'about ' if counts['sampled'] else ''}{counts['count']:,}"
        key = f"data.{side}.{kind}"
        if st.button(label, icon=":material/grid_view:", key=key, disabled=not counts["count"], help="Show the images"):
            state.go("mistakes", run=opened.run.name, wanted=Filter().choosing(f"duplicates.{side}", [kind]))
        sides = ", ".join(f"{counts[name.lower()]:,} {CLASS_WORDS[name]}" for name in reversed(CLASSES))
        st.markdown(f"{what}: {sides}{clash}" if counts["count"] else what, width="stretch")


def draw_pair(
    opened: Opened, pair: Mapping[Hashable, Any], row: int, training: dict[str, NDArray[np.uint8]] | None
) -> None:
    """Draw an image beside its copy, and a button that opens it.

    Args:
        opened: the run.
        pair: a row of `core.studies.copies.copy_pairs`.
        row: where the image stands in the run.
        training: pixels of training images by identity; None where the copies are in the run itself.
    """
    pictures, partner, name = library.pictures(opened), str(pair["partner"]), str(pair["name"])
    label, own_name = (str(opened.table[column].iloc[row]) for column in ("label", "name"))
    other = other_class(label) if pair["class"] == "other" else label  # type: ignore[arg-type]
    at = opened.row_of(partner) if training is None else None
    if at is not None:
        # where copies have both classes, the pair counts as one of the other class whatever this copy is
        other = str(opened.table["label"].iloc[at])
    beside = pictures.get(at) if at is not None else (training or {}).get(partner)
    cells = [
        Cell(image, f"{of}, {its}", f"{CLASS_WORDS[of]} {plain(its)}", of)
        for image, of, its in ((pictures.get(row), label, own_name), (beside, other, name))
        if image is not None
    ]
    picture_grid(cells, columns=2, least=100)
    alike = f"{64 - int(pair['bits'])} of 64 bits of their hashes agree" if pair["kind"] == NEAR else "equal pixels"
    names = "" if len(cells) == 2 else f"{plain(own_name)} and {plain(name)}: "
    st.caption(f"{'**Other class.** ' if pair['class'] == 'other' else ''}{names}{alike}")
    if st.button("Open", key=key_of("data.pair", pair["id"], partner), type="tertiary"):
        state.go("mistakes", run=opened.run.name, id=str(pair["id"]))


@st.cache_data(max_entries=32, show_spinner="Looking for the training images", ttl=3600)
def _read_training(source: str, wanted: tuple[tuple[str, str], ...]) -> dict[str, NDArray[np.uint8]]:
    return training_pictures(source, dict(wanted))
