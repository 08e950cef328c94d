"""The picture of Start, always the same one for a run, and the dial on it; and who has won the game."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.findings.intervals import exact_sign_test
from core.runs.showcase import choose_picture
from dashboard import catalogue, library
from dashboard.components.dial import EXPERIMENTS, columns_of, draw_dial, measured
from dashboard.components.plain import inline
from dashboard.components.requests import Subject
from dashboard.library import BY_STAMP, Opened

# the experiment of the first screen
SHOWN = EXPERIMENTS[0]
STRENGTHS = list(columns_of(SHOWN))
LEVEL = 0.05


def first_picture(opened: Opened) -> tuple[Opened, int] | None:
    """Find the picture for the dial: of this run or, where none of its pictures is here, of the sample gallery's."""
    for run in chain([opened], library.with_samples()):
        pictured = library.pictures(run).where >= 0
        row = _chosen(run, pictured) if pictured.any() else None
        if row is not None:
            return run, row
    return None


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs=BY_STAMP)
def _chosen(run: Opened, pictured: NDArray[np.bool_]) -> int | None:
    return choose_picture(run.judged, pictured, measured(run.origin), columns_of(SHOWN))


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
