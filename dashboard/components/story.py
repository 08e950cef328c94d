"""The pictures of Start, its story and the game, always the same ones for a run, and the dial on the first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.findings.intervals import exact_sign_test
from core.images.labels import CLASSES
from core.runs.metrics import is_fresh
from core.runs.rows import evenly
from dashboard import catalogue, library
from dashboard.components.dial import EXPERIMENTS, Experiment, draw_dial, measured
from dashboard.components.plain import inline
from dashboard.components.requests import Subject
from dashboard.library import BY_STAMP, Opened

# the experiment of the first screen
SHOWN: Experiment = EXPERIMENTS[0]
STRENGTHS = [column for column, _ in SHOWN.columns]
ROUND = 10
LEVEL = 0.05


def first_picture(opened: Opened) -> tuple[Opened, int] | None:
    """Find the picture for the dial: of this run or, where none of its pictures is here, of the sample gallery's."""
    for run in (opened, *library.with_samples()):
        pictured = library.pictures(run).where >= 0
        row = _chosen(run, pictured) if pictured.any() else None
        if row is not None:
            return run, row
    return None


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs=BY_STAMP)
def _chosen(run: Opened, pictured: NDArray[np.bool_]) -> int | None:
    return choose_picture(run.judged, pictured, measured(run.origin))


def flips_without_detail(run: Opened, row: int) -> bool:
    """Check whether the study `probes` has seen an image called REAL at some strength of `SHOWN`."""
    margins, id_ = measured(run.origin), run.judged["id"].iloc[row]
    return margins is not None and id_ in margins.index and bool((margins.loc[id_, STRENGTHS] > 0).any())


def thing(run: Opened, row: int) -> str:
    """Say what a picture shows, as far as the run says it."""
    category = run.judged["category"].iloc[row]
    return inline(category.replace("_", " ")) if isinstance(category, str) else "picture"


def draw_first_dial(run: Opened, row: int, *, key: str) -> None:
    """Draw the dial on the picture of `first_picture`."""
    if (image := library.pictures(run).get(row)) is not None:
        draw_dial(Subject(image, f"A generated {thing(run, row)}"), catalogue.maker(run.run), run, row, key=key)


def choose_picture(table: pd.DataFrame, pictured: NDArray[np.bool_], margins: pd.DataFrame | None) -> int | None:
    """Choose the FAKE image, called FAKE, that best shows what the dial does.

    That is the one of the largest least margin: FAKE as it is and under every control, REAL at every strength; where
    there is none, of the largest at one strength.

    Args:
        table: of the run, a row an image.
        pictured: bool (N,), which rows have a picture.
        margins: of the study `probes` by id; None without it, and the image of the median margin is chosen.

    Returns:
        Its position, None where no pictured FAKE is called FAKE.
    """
    rows = np.flatnonzero(pictured & is_fresh(table) & recognised(table, "FAKE"))
    if not len(rows):
        return None
    before = table["margin"].to_numpy(np.float64)[rows]
    if margins is None:
        return int(rows[np.argsort(before, kind="stable")[len(rows) // 2]])
    after = margins.reindex(table["id"].iloc[rows])
    least = np.array(
        [
            np.minimum.reduce([-before, after[column].to_numpy(), *([-after[other].to_numpy()] if other else [])])
            for column, other in SHOWN.columns
        ]
    )
    least = np.nan_to_num(least, nan=-np.inf)
    best = least.min(axis=0) if least.min(axis=0).max() > 0 else least.max(axis=0)
    return int(rows[np.argmax(best)])


def choose_other(table: pd.DataFrame, pictured: NDArray[np.bool_], row: int) -> int | None:
    """Choose a photograph called REAL to stand beside the FAKE at `row`: of its category where there is one."""
    usable = pictured & is_fresh(table) & recognised(table, "REAL")
    same = usable & (table["category"].astype(object) == table["category"].iloc[row]).to_numpy(bool)
    rows = np.flatnonzero(same if same.any() else usable)
    return int(rows[np.argmax(table["margin"].to_numpy()[rows])]) if len(rows) else None


def choose_fakes(table: pd.DataFrame, pictured: NDArray[np.bool_], *, count: int = 6) -> NDArray[np.intp]:
    """Choose FAKE images called FAKE, evenly from the most to the least confident: intp positions."""
    rows = np.flatnonzero(pictured & is_fresh(table) & recognised(table, "FAKE"))
    return evenly(rows[np.argsort(table["margin"].to_numpy()[rows], kind="stable")], count)


def recognised(table: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Mark the images of a class that are called so."""
    return np.asarray((table["label"] == name) & (table["predicted"] == name), bool)


def draw_round(
    table: pd.DataFrame, pictured: NDArray[np.bool_], *, seed: int | Sequence[int]
) -> NDArray[np.intp] | None:
    """Draw the images of one game: equal seeds give equal positions.

    Each image is REAL or FAKE with equal chances, whatever the others are, so that counting does not reveal the last
    ones. Repeats and files that the detector was trained on are left out.

    Args:
        table: from `core.studies.columns.browse_table`.
        pictured: bool (N,), which rows have a picture.
        seed: of the game, and of the image set, or all sets would have one key.

    Returns:
        intp (ROUND,), or None where a class has fewer pictures.
    """
    usable = pictured & is_fresh(table)
    pools = [np.flatnonzero(usable & (table["label"] == name).to_numpy(bool)) for name in CLASSES]
    if min(map(len, pools)) < ROUND:
        return None
    generator = np.random.default_rng(seed)
    sides = generator.integers(0, 2, ROUND)
    shuffled = [generator.permutation(pool) for pool in pools]
    return np.array([shuffled[side][number] for number, side in enumerate(sides)], np.intp)


def compare(labels: Sequence[str], yours: Sequence[str], detectors: Sequence[str]) -> str:
    """Say who was better, as far as the answers to the same images allow (McNemar's exact test at 5%)."""
    pairs = [(you == label, it == label) for label, you, it in zip(labels, yours, detectors, strict=True)]
    only_you, only_it = pairs.count((True, False)), pairs.count((False, True))
    if only_you == only_it:
        return "You and the detector are level."
    lead = "You beat the detector." if only_you > only_it else "The detector beat you."
    if exact_sign_test(only_you, only_it) > LEVEL:
        return f"{lead} {len(pairs)} answers are too few to say that one of you is better: this may be luck."
    return f"{lead} On the same {len(pairs)} images that is hardly luck."
