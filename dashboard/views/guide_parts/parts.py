"""Parts of the guide's steps: its images, the studies' numbers, and answers as they are computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.images.decoding import pixels_sha256
from core.studies.result import StudyResult
from dashboard import library
from dashboard.components.charts import cached
from dashboard.components.plain import code
from dashboard.components.requests import Known, Subject, ask, keep_up, waiting
from dashboard.components.study import all_there, card, command, is_there, readable
from dashboard.components.words import percent
from dashboard.jobs import ExplainRequest, JobStatus, PredictRequest
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.views.guide_parts.choice import Cast, choose_cast


@cached
def cast_of(shown: Opened, pictured: NDArray[np.bool_]) -> Cast | None:
    """Choose the images of the guide; see `choose_cast`."""
    tables = {name: found.table for name, found in all_there(shown, ("probes", "one_colour")).items()}
    return choose_cast(shown.table, pictured, tables.get("probes"), tables.get("one_colour"))


@dataclass(frozen=True, eq=False)
class Told:
    """The runs, images and detector of the guide.

    Attributes:
        opened: the run whose images are shown.
        about: the run, by the same detector, whose numbers are shown.
        cast: the images.
        detector: that made both runs, None where it is not here.
    """

    opened: Opened
    about: Opened
    cast: Cast
    detector: Known | None

    def image(self, row: int) -> NDArray[np.uint8]:
        """Return the picture of a row of the cast."""
        found = library.pictures(self.opened).get(row)
        assert found is not None  # noqa: S101 - the cast is chosen among rows with a picture
        return found

    def subject(self, row: int) -> Subject:
        """Return a row as something to explain."""
        return Subject.of(self.image(row), str(self.opened.table["name"].iloc[row]))

    def prediction(self, row: int) -> str:
        """Return the detector's prediction of a row."""
        return str(self.opened.table["predicted"].iloc[row])

    def sure(self, row: int) -> str:
        """Return the confidence of that prediction."""
        return percent(float(self.opened.table["confidence"].iloc[row]), 0)

    def study(self, name: str) -> StudyResult | None:
        """Return a study of the run; None where it is absent, or unreadable, which is then reported."""
        return readable(self.about, name)


def measured(told: Told, study: str, *keys: str) -> None:
    """Draw a study's findings, with shares in large type; without the study, the command that makes it."""
    answer = told.study(study)
    found = [one for key in keys if answer is not None and (one := answer.finding(key))]
    if not found and answer is not None:
        st.caption("Too few images of this run were measured to say.")
    elif not found and not is_there(told.about, study):
        st.caption(f"This has not been measured for this run yet: {code(command(told.about, study))}")
    with st.grid(3, min_column_width=240) as grid:
        for one in found:
            with grid.cell(), st.container(border=True, height="stretch", gap=None):
                card(one, brief=True)


def asked(
    told: Told,
    settings: ExplainRequest | PredictRequest,
    pixels: NDArray[np.uint8],
    draw: Callable[[JobStatus], None],
    *,
    slot: str,
    whole: bool = False,
) -> None:
    """Draw an answer as soon as there is a first one, and again while it improves.

    Args:
        told: holds the detector.
        settings: the question.
        pixels: uint8 (K, side, side, 3), the images that it is about.
        draw: draws the answer so far.
        slot: the part of the page.
        whole: draw nothing before the answer is complete.
    """
    if told.detector is None:
        st.caption("The detector that made this run is not among the detectors here, so it cannot be run.")
        return

    def show(now: JobStatus) -> None:
        if now.answer is not None and not (whole and now.busy):
            draw(now)
        elif now.busy:
            st.skeleton(height=260)
        if now.busy:
            st.progress(now.share, waiting(now) or "Asking the detector")

    keep_up(lambda: put(told, settings, pixels, slot=slot), show, slot=slot)


def put(told: Told, settings: ExplainRequest | PredictRequest, pixels: NDArray[np.uint8], *, slot: str) -> JobStatus:
    """Put a question to the guide's detector, which must be here."""
    assert told.detector is not None  # noqa: S101 - `asked` has looked
    return ask(told.detector, pixels, pixels_sha256(pixels), settings, slot=slot)


def keyed_slider(
    setting: Setting, label: str, options: Sequence[Any], words: Callable[[Any], str], *, less: str, more: str, way: int
) -> None:
    """Draw a slider that a presenter can also move with the keys L and M, wherever the focus is.

    Args:
        setting: that the slider sets.
        label: of the slider.
        options: its values, from left to right.
        words: names a value.
        less, more: labels of the buttons for L and M.
        way: 1 where M goes to the right, -1 where it goes to the left.
    """
    setting.linked(st.select_slider, label, options=list(options), format_func=words)
    place = list(options).index(setting.value)
    with st.container(horizontal=True):
        for name, key, to in ((less, "L", place - way), (more, "M", place + way)):
            there = 0 <= to < len(options)
            st.button(
                name, key=f"guide.{setting.name}.{key}", shortcut=key, disabled=not there, on_click=setting.set,
                args=(options[to] if there else None,),
            )  # fmt: skip
