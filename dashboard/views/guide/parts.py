"""What the steps of the guide are put together from: its images, what studies measured, and answers as they come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.findings import words
from core.findings.finding import Finding
from core.findings.lines import joined
from core.images.decoding import pixels_sha256
from core.runs.guide import Cast
from core.studies.study import Answer
from core.system.folders import ContractError
from dashboard.components.explanations.asking import Known, Subject, ask
from dashboard.components.explanations.follow import keep_up, waiting
from dashboard.components.plain import code, with_code
from dashboard.components.studies.finding_words import markdown
from dashboard.components.studies.study import command
from dashboard.components.words import percent
from dashboard.services import library
from dashboard.services.address import Setting
from dashboard.services.library import Opened
from dashboard.services.requests import Explain, Look
from dashboard.services.sentences import for_visitors
from dashboard.services.worker import Standing


@dataclass(frozen=True, eq=False)
class Told:
    """What the guide is told with.

    Attributes:
        opened: the run whose images are shown.
        about: the run, by the same detector, whose numbers are told.
        cast: the images.
        detector: that made both, None where it is not here.
    """

    opened: Opened
    about: Opened
    cast: Cast
    detector: Known | None

    def image(self, row: int) -> NDArray[np.uint8]:
        """The picture of a row of the cast."""
        found = library.pictures(self.opened).get(row)
        assert found is not None  # noqa: S101 - the cast is chosen among rows with a picture
        return found

    def subject(self, row: int) -> Subject:
        """The same as something to explain."""
        return Subject.of(self.image(row), str(self.opened.table["name"].iloc[row]))

    def said(self, row: int) -> str:
        """What the detector calls a row."""
        return str(self.opened.table["predicted"].iloc[row])

    def sure(self, row: int) -> str:
        """How sure it is of that."""
        return percent(float(self.opened.table["confidence"].iloc[row]), 0)

    def study(self, name: str) -> Answer | None:
        """A study of the run that is told; None where there is none, or with a sentence where it cannot be read."""
        try:
            answer = library.answer(self.about, name)
            if answer is not None:
                answer.findings
            return answer
        except ContractError as error:
            st.warning(with_code(for_visitors(error, homes=library.homes())))
            return None


def measured(told: Told, study: str, *keys: str) -> None:
    """What a study found, shares large and each with its sentence; without the study, how to make it."""
    answer = told.study(study)
    found = [one for key in keys if answer is not None and (one := answer.finding(key))]
    if not found:
        st.caption(f"This has not been measured for this run yet: {code(command(told.about, study))}")
    with st.grid(3, min_column_width=240) as grid:
        for one in found:
            with grid.cell(), st.container(border=True, height="stretch", gap="small"):
                _card(one)


def _card(one: Finding) -> None:
    told = words.tell(one)
    if told.label and one.measure.known:
        st.markdown(f"### {percent(one.measure.value, 0)}")
        st.markdown(markdown(told.label))
    st.caption(markdown(joined([told.answer, told.control])))


def asked(
    told: Told,
    settings: Explain | Look,
    pixels: NDArray[np.uint8],
    draw: Callable[[Standing], None],
    *,
    slot: str,
    whole: bool = False,
) -> None:
    """Draw an answer as soon as there is a first one, and come back while it gets better.

    Args:
        told: by the detector of this.
        settings: the question.
        pixels: uint8 (K, side, side, 3), the images that it is about.
        draw: draws what there is of the answer.
        slot: for which part of the page.
        whole: draw nothing before the answer is whole.
    """
    if told.detector is None:
        st.caption("The detector that made this run is not among the detectors here, so it cannot be asked.")
        return

    def show(now: Standing) -> None:
        if now.answer is not None and not (whole and now.busy):
            draw(now)
        elif now.busy:
            st.skeleton(height=260)
        if now.busy:
            st.progress(now.share, waiting(now) or "Asking the detector")

    keep_up(lambda: put(told, settings, pixels, slot=slot), show, slot=slot)


def put(told: Told, settings: Explain | Look, pixels: NDArray[np.uint8], *, slot: str) -> Standing:
    """Put a question to the detector of the guide, which must be here."""
    assert told.detector is not None  # noqa: S101 - `asked` has looked
    return ask(told.detector, pixels, pixels_sha256(pixels), settings, slot=slot)


def keyed_slider(
    setting: Setting, label: str, options: Sequence[Any], words: Callable[[Any], str], *, less: str, more: str, way: int
) -> None:
    """A slider that a presenter can also move by the keys L and M, wherever the focus is.

    Args:
        setting: what it sets.
        label: of the slider.
        options: its values, from left to right.
        words: what a value is called.
        less, more: what the keys L and M do.
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
