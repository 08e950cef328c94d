"""The steps of the guide: a picture or two, a few sentences, and numbers that are read from the run and its studies."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.explain.results import CamResult, LimeResult, LimeSettings
from core.explain.stored import stored_map
from core.guide import RADII, Cast, with_less_detail
from core.storage import ContractError
from core.studies.study import Answer
from dashboard import address, library
from dashboard.address import Setting
from dashboard.library import Opened
from dashboard.sentences import for_visitors
from dashboard.widgets.asking import Known, Subject, ask
from dashboard.widgets.picture import explained_picture, plain_picture
from dashboard.widgets.polling import come_back
from dashboard.widgets.words import CLASS_WORDS, percent
from dashboard.worker import Look, Standing

CUTS = {"paper": "the paper's", "8": "8", "16": "16", "30": "30", "50": "50", "100": "100"}
CUT = Setting("parts", "paper", choices=tuple(CUTS))
KEPT = Setting("kept", RADII[0], kind=int, choices=RADII)
OTHER = {"FAKE": "REAL", "REAL": "FAKE"}


@dataclass(frozen=True, eq=False)
class Told:
    """What the guide is told with.

    Attributes:
        opened: the run.
        cast: its images.
        detector: that made it, None where it is not here.
    """

    opened: Opened
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
        """A study of the run; None where there is none, or with a sentence where it cannot be read."""
        try:
            return library.answer(self.opened, name)
        except ContractError as error:
            st.warning(for_visitors(error, homes=library.homes()))
            return None


def measured(told: Told, study: str, *keys: str) -> None:
    """What a study found, in its own words; without the study, how to make it."""
    answer = told.study(study)
    found = [one for key in keys if answer is not None and (one := answer.finding(key))]
    for one in found:
        st.markdown(one.sentence)
    if not found:
        command = f"python -m core.studies {study} --run {told.opened.run.name}"
        st.caption(f"This has not been measured for this run yet: `{command}`")


def what_it_is(told: Told) -> None:
    """Step 1: the detector, and how good it is."""
    metrics = told.opened.run.manifest["metrics"]["all"]
    cast = told.cast
    rows = [cast.real, cast.fake, *([] if cast.mistake is None else [cast.mistake])]
    for place, row in zip(st.columns(3, gap="large"), rows, strict=False):
        with place:
            said, truth = told.said(row), str(told.opened.table["label"].iloc[row])
            plain_picture(told.image(row), key=f"guide.image.{row}", alt=f"An image called {said}.", edge=said)
            wrong = "" if said == truth else f" It is wrong: this is {CLASS_WORDS[truth]}."
            st.markdown(f"Called {CLASS_WORDS[said]}, {told.sure(row)} sure.{wrong}")
    st.markdown(
        f"A neural network looks at 32 x 32 pixels and says {CLASS_WORDS['REAL']} (a photograph) or "
        f"{CLASS_WORDS['FAKE']} (made by an image generator). On the {metrics['images']:,} images of this run it is "
        f"right **{percent(metrics['accuracy'])}** of the time. What it does not say is why."
    )


def heat_map(told: Told) -> None:
    """Step 2: what a heat map says, and what it does not."""
    row = told.cast.fake
    left, right = st.columns(2, gap="large")
    with left:
        plain_picture(told.image(row), key="guide.plain", alt="The image", edge=told.said(row))
    with right:
        stored = stored_map(told.opened.run, row, told.image(row))
        explained_picture(stored, key="guide.map", scale=told.opened.map_scale, smooth=True)
    st.markdown(
        f"A heat map (Grad-CAM) colours the places whose features speak for {CLASS_WORDS['REAL']} blue and those that "
        f"speak for {CLASS_WORDS['FAKE']} orange. **It says where the score comes from. It does not say what is "
        "wrong there.** Its 4 x 4 squares have each seen the whole image, so read it as a direction, not as an outline."
    )


def all_red(told: Told) -> None:
    """Step 3: why LIME came out all of one colour for the paper."""
    row = told.cast.fake
    chosen = CUT.value
    settings = LimeSettings.paper() if chosen == "paper" else LimeSettings(n_segments=int(chosen))
    left, right = st.columns([2, 3], gap="large")
    with right:
        st.markdown(
            "LIME covers parts of the image and watches the score. The paper's figures came out **all red**. Its "
            "software cuts large photographs well, but finds one or two parts in an image this small, and one part has "
            "one colour. Move the slider and watch."
        )
        CUT.linked(st.select_slider, "Cut the image into", options=list(CUTS), format_func=CUTS.get)
        measured(told, "one_colour", "paper-FAKE", "ours-FAKE")
    with left:
        _explained(told, row, settings, slot="guide.lime", paper=chosen == "paper")


def _explained(told: Told, row: int, settings: LimeSettings, *, slot: str, paper: bool) -> None:
    def draw(standing: Standing) -> None:
        result: LimeResult = standing.answer
        explained_picture(result, key=f"{slot}.picture", palette="paper" if paper else "class")
        count = result.health.segments
        st.caption(f"{count} part{'' if count == 1 else 's'}. {result.health.sentence}")

    _asked(told, told.subject(row), settings, draw, slot=slot)


def _asked(
    told: Told,
    subject: Subject,
    settings: LimeSettings | Look,
    draw: Callable[[Standing], None],
    *,
    slot: str,
    pixels: NDArray[np.uint8] | None = None,
) -> None:
    """Draw an answer as soon as there is a first one, and come back while it gets better."""
    if told.detector is None:
        st.caption("The detector that made this run is not among the detectors here, so it cannot be asked.")
        return
    detector = told.detector
    images = subject.image[None] if pixels is None else pixels
    digest = subject.sha256 if pixels is None else hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    busy = ask(detector, images, digest, settings, slot=slot).busy

    def show() -> None:
        now = ask(detector, images, digest, settings, slot=slot)
        if now.answer is not None:
            draw(now)
        elif now.busy:
            st.skeleton(height=260)
        if now.state == "failed":
            st.error(now.message)
        elif now.busy:
            st.progress(now.share, "Asking the detector")
        if now.busy != busy:
            st.rerun()

    come_back(show, while_busy=busy)


def two_explanations(told: Told) -> None:
    """Step 4: why two explanations can disagree, and how often they do."""
    row = told.cast.fake
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("##### Grad-CAM: where its features speak")
        stored: CamResult = stored_map(told.opened.run, row, told.image(row))
        explained_picture(stored, key="guide.cam", scale=told.opened.map_scale, smooth=True)
    with right:
        st.markdown("##### LIME: what happens when parts are covered")
        _explained(told, row, LimeSettings(), slot="guide.both", paper=False)
    st.markdown(
        "The two ask different questions: where the network's own features point, and what covering a part does. "
        "**Where both say the same, believe it more. Where they do not, neither is proof.** How often they agree, "
        "beside what maps of other images would reach by chance:"
    )
    measured(told, "agreement", "rank-FAKE", "beyond-FAKE", "beyond-REAL")


def what_it_reads(told: Told) -> None:
    """Step 5: the fine detail is taken out, and the verdict turns."""
    row = told.cast.detailed
    images = with_less_detail(told.image(row))
    number = RADII.index(KEPT.value)
    left, right = st.columns([2, 3], gap="large")
    with right:
        st.markdown(
            "A map cannot say *what* it sees there. An experiment can: take the finest detail out of this "
            f"{CLASS_WORDS['FAKE']} image, step by step, and ask again each time."
        )
        KEPT.linked(
            st.select_slider,
            "Detail that is left",
            options=list(RADII),
            format_func=lambda radius: "all of it" if radius == RADII[0] else f"coarser than {radius} of 16",
        )
    with left:
        place = st.container()
    with right:

        def draw(standing: Standing) -> None:
            margins, p_real = standing.answer.margins, standing.answer.p_real
            now = "REAL" if margins[number] > 0 else "FAKE"
            before = "REAL" if margins[0] > 0 else "FAKE"
            p = float(p_real[number])
            turned = f" **The verdict has turned**: before it was {CLASS_WORDS[before]}." if now != before else ""
            st.markdown(f"### Called {CLASS_WORDS[now]}, {percent(max(p, 1 - p), 0)} sure")
            st.markdown(f"Score (margin): {margins[number]:+.1f}.{turned}")

        _asked(told, told.subject(row), Look(), draw, slot="guide.detail", pixels=images)
        measured(told, "probes", "detail_out", "detail_in")
        if not told.cast.tested and told.study("probes") is not None:
            st.caption("No image of this run is known to turn this way, so a typical one stands in.")
    with place:
        plain_picture(images[number], key="guide.detail.picture", alt=f"The image, detail left: {KEPT.value} of 16.")


def what_it_does_not_know(told: Told) -> None:
    """Step 6: other generators, other photographs."""
    st.markdown(
        "It knows the images that it was trained on. Shown others, it still says REAL or FAKE, and sounds as sure:"
    )
    measured(told, "transfer", "generators", "photographs", "filters", "confidence_photographs")
    st.markdown(
        "**So its verdict is no evidence about a picture from the world, and none against a person.** When an upload's "
        "verdict depends on how it is made small, the page says *undetermined* instead."
    )


def go_on(told: Told) -> None:
    """Step 7: where to go from here."""
    run = told.opened.run.name
    st.markdown("Now ask your own questions:")
    ways = {
        "inspect": ("Inspect an image", "Both explanations, their health, and what turns the verdict."),
        "evidence": ("What the detector reads", "Every experiment on the whole test set, beside its control."),
        "trust": ("Can the explanations be trusted?", "How faithful, how stable, how often they agree."),
        "upload": ("Try your own image", "And see how far the verdict carries."),
        "game": ("Play against it", "Ten images, REAL or AI?"),
    }
    with st.grid(3, min_column_width=220) as grid:
        for page, (name, text) in ways.items():
            with grid.cell(), st.container(border=True, height="stretch"):
                st.markdown(f"**{name}**")
                st.caption(text)
                if st.button("Open", key=f"guide.open.{page}"):
                    address.go(page, run=run)


STEPS: tuple[tuple[str, Callable[[Told], None]], ...] = (
    ("A machine that says REAL or FAKE", what_it_is),
    ("What a heat map says, and what it does not", heat_map),
    ("Why the paper's pictures came out all red", all_red),
    ("Two explanations can disagree", two_explanations),
    ("What the detector really reads", what_it_reads),
    ("What it does not know", what_it_does_not_know),
    ("Over to you", go_on),
)
