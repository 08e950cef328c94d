"""The steps of the guide: a picture or two, a few sentences, and numbers from the run and its studies."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from core.detectors.manifest import OLD_LAYER, OLD_SIDE
from core.explainers.cam import KEPT as KEPT_MAPS
from core.explainers.cam import stored_map
from core.explainers.drawing import Style
from core.explainers.explanation import Explanation
from core.explainers.lime.regions import LIME, LimeSettings
from core.findings.numbers import plus
from core.images.labels import verdict_of
from core.perturbations.frequency import wave_length
from dashboard import library, state
from dashboard.components.glossary import explain, terms_in
from dashboard.components.picture import explained_picture, plain_picture
from dashboard.components.plain import plain
from dashboard.components.words import CLASS_WORDS, name_paper, percent
from dashboard.jobs import ExplainRequest, JobStatus, PredictRequest
from dashboard.state import Setting
from dashboard.views.guide_parts.choice import (
    RADII,
    first_flipped,
    is_all_red,
    suspects,
    with_less_detail,
    without_detail,
)
from dashboard.views.guide_parts.parts import Told, asked, keyed_slider, measured, put

CUTS = {"paper": "the paper's way", **{count: f"{count} parts asked for" for count in ("8", "16", "30", "50", "100")}}
CUT = Setting("parts", "paper", choices=tuple(CUTS))
KEPT = Setting("kept", RADII[0], kind=int, choices=RADII)
# widths of pictures in pixels that leave room for a step's text and numbers on one 1440 x 900 screen
SIDE, SMALL = 300, 190


def what_it_is(told: Told) -> None:
    """Draw step 1: the detector, and how good it is."""
    metrics = told.about.run.manifest["metrics"]["all"]
    cast = told.cast
    rows = [cast.real, cast.fake, *([] if cast.mistake is None else [cast.mistake])]
    for place, row in zip(st.columns(3, gap="large"), rows, strict=False):
        with place:
            prediction, label = told.prediction(row), str(told.opened.table["label"].iloc[row])
            plain_picture(
                told.image(row), key=f"guide.image.{row}", alt=f"An image called {prediction}.", edge=prediction
            )
            wrong = "" if prediction == label else f" It is wrong: this is {CLASS_WORDS[label]}."
            st.markdown(f"Called {CLASS_WORDS[prediction]}, {told.sure(row)} sure.{wrong}")
    size = f"{told.opened.run.side} x {told.opened.run.side} pixels"
    st.markdown(
        f"A neural network looks at {size} and says {CLASS_WORDS['REAL']} (a photograph) or "
        f"{CLASS_WORDS['FAKE']} (made by an image generator). On the {metrics['images']:,} images of "
        f"{plain(told.about.run.manifest['set'])} it is right **{percent(metrics['accuracy'])}** of the time. What it "
        "does not say is why.",
        help=explain("Detector", "Accuracy", "Confidence"),
    )


def heat_map(told: Told) -> None:
    """Draw step 2: what a heat map says, and what it does not."""
    row = told.cast.fake
    left, right = st.columns(2, gap="large")
    with left, st.container(width=SIDE):
        plain_picture(told.image(row), key="guide.plain", alt="The image", edge=told.prediction(row))
    with right, st.container(width=SIDE):
        stored = stored_map(told.opened.run, row, told.image(row))
        explained_picture(stored, key="guide.map", style=Style(smooth=True, scale=told.opened.map_scale))
    height, width = told.opened.run.needed_maps.shape[1:]
    # the last layer's receptive field is larger than small images and smaller than large ones
    run = told.opened.run
    whole = run.side <= OLD_SIDE and run.target_layer == OLD_LAYER
    seen = "the whole image" if whole else "far more than their own place"
    st.markdown(
        f"A heat map ({KEPT_MAPS.title}) colours the places whose features speak for {CLASS_WORDS['REAL']} blue and "
        f"those that speak for {CLASS_WORDS['FAKE']} orange. **It says where the score comes from. It does not say "
        f"what is wrong there.** Its {height} x {width} squares have each seen {seen}, so read it as a "
        "direction, not as an outline.",
        help=explain(*terms_in(KEPT_MAPS.title), "Margin map"),
    )


def one_colour(told: Told) -> None:
    """Draw step 3: why the paper's figures came out in one colour; they are by LIME, so this step is about it."""
    chosen = CUT.value
    left, right = st.columns([2, 3], gap="large")
    with right:
        st.markdown(
            "LIME covers parts of the image and watches the score. The paper draws what speaks for the verdict green "
            "and what speaks against it red, and its figures came out **all red**. Its way of cutting was made for "
            "large photographs and finds one or two parts in images of 32 x 32 pixels, and one part has one colour: "
            "red, or just as well green. Move the slider and watch; with more parts, blue speaks for "
            f"{CLASS_WORDS['REAL']} and orange for {CLASS_WORDS['FAKE']}.",
            help=explain("LIME", "Segment"),
        )
        name_paper()
        keyed_slider(
            CUT,
            "How the image is cut",
            tuple(CUTS),
            lambda cut: CUTS[cut],
            less="Fewer parts",
            more="More parts",
            way=1,
        )
    with left:
        lime(told, cut_as(chosen), told.cast.red, slot="guide.lime", paper=chosen == "paper")
    measured(told, "one_colour", "paper-FAKE", "ours-FAKE")


def cut_as(chosen: str) -> LimeSettings:
    """Return LIME's settings for a value of the slider."""
    return LimeSettings.paper() if chosen == "paper" else LimeSettings(n_segments=int(chosen))


def lime(told: Told, settings: LimeSettings, row: int, *, slot: str, paper: bool) -> None:
    """Draw LIME of a FAKE image while it is computed."""

    def draw(standing: JobStatus) -> None:
        result: Explanation = standing.answer
        numbers = result.diagnostics.numbers
        with st.container(width=SMALL):
            explained_picture(result, key=f"{slot}.picture", style=Style("paper" if paper else "class"))
        count = numbers["segments"]
        few = ", too few to say where" if count <= 2 else ""
        red = " **All of it is red**: every part speaks against the verdict." if paper and is_all_red(result) else ""
        st.markdown(f"It found **{count} part{'' if count == 1 else 's'}**{few}.{red}")
        # without the diagnostics' advice, whose controls are on Inspect
        explained, decided = (percent(max(share, 0.0), 0) for share in (numbers["r2"], numbers["decided_share"]))
        st.caption(
            f"The surrogate explains {explained} of the variance, and {decided} of the area is decided.",
            help=explain("Surrogate", "Undecided"),
        )

    asked(told, ExplainRequest(LIME.name, settings), told.image(row)[None], draw, slot=slot)


def two_explanations(told: Told) -> None:
    """Draw step 4: why two explanations can disagree, and how often they do."""
    row = told.cast.fake
    left, right, beside = st.columns(3, gap="large")
    with left:
        st.markdown(f"##### {KEPT_MAPS.title}: where its features speak")
        stored = stored_map(told.opened.run, row, told.image(row))
        with st.container(width=SMALL):
            explained_picture(stored, key="guide.cam", style=Style(smooth=True, scale=told.opened.map_scale))
    with right:
        st.markdown(f"##### {LIME.title}: when parts are covered")
        lime(told, LimeSettings(), row, slot="guide.both", paper=False)
    with beside:
        st.markdown(
            "The two ask different questions: where the network's own features point, and what covering a part does. "
            "**Where both say the same, believe it more. Where they do not, neither is proof.** How often they agree, "
            "beside what maps of other images would reach by chance:",
            help=explain("Agreement"),
        )
    measured(told, "agreement", "beyond-FAKE", "beyond-REAL")


def what_it_reads(told: Told) -> None:
    """Draw step 5: the fine detail is removed, and the verdict flips."""
    if told.cast.tested or told.detector is None:
        detail(told, told.cast.detailed)
    else:
        rows = suspects(told.opened.table, library.pictures(told.opened).where >= 0)
        edited = without_detail(np.stack([told.image(int(row)) for row in rows]))

        def draw(standing: JobStatus) -> None:
            flipped = first_flipped(standing.answer.margins)
            if flipped is None:
                st.caption(f"None of {len(rows)} images that were tried flips without its detail; this one is typical.")
            detail(told, told.cast.detailed if flipped is None else int(rows[flipped]))

        asked(told, PredictRequest(), edited, draw, slot="guide.search", whole=True)
    measured(told, "probes", "detail-FAKE", "transplant-REAL")


def detail(told: Told, row: int) -> None:
    """Draw an image with less and less detail, and its verdict."""
    images = with_less_detail(told.image(row))
    number = RADII.index(KEPT.value)
    left, right = st.columns([2, 3], gap="large")
    with left:
        place = st.container(width=SIDE)
    with right:
        st.markdown(
            "A map cannot say *what* it sees there. An experiment can: remove the finest detail from this "
            f"{CLASS_WORDS['FAKE']} image, step by step, and run the detector again each time.",
            help=explain("Low-pass", "Probe"),
        )
        keyed_slider(KEPT, "Detail that is left", RADII, kept_words, less="Less detail", more="More detail", way=-1)

        def draw(standing: JobStatus) -> None:
            margins, p_real = standing.answer.margins, standing.answer.p_real
            now, before = (verdict_of(margins[which]) for which in (number, 0))
            p = float(p_real[number])
            with place:
                alt = f"The image, detail left: {kept_words(KEPT.value)}."
                plain_picture(images[number], key="guide.detail.picture", alt=alt, edge=now)
            st.markdown(f"### Called {CLASS_WORDS[now]}, {percent(max(p, 1 - p), 0)} sure")
            flipped = f" **The verdict has flipped**: before it was {CLASS_WORDS[before]}." if now != before else ""
            st.markdown(f"Score (margin): {plus(margins[number], 1)}.{flipped}", help=explain("Margin"))

        asked(told, PredictRequest(), images, draw, slot="guide.detail", whole=True)


def kept_words(radius: int) -> str:
    """Say what detail is left below a radius of the spectrum."""
    return "all of it" if radius == RADII[0] else f"waves of {wave_length(radius):.1f} pixels and longer"


def what_it_does_not_know(told: Told) -> None:
    """Draw step 6: other generators, other photographs."""
    st.markdown("It knows the images that it was trained on. Shown others, it still says REAL or FAKE:")
    measured(told, "transfer", "large", "imitations", "photographs")
    answer = told.study("transfer")
    sure = None if answer is None else answer.finding("confidence_photographs")
    if sure is not None:
        st.markdown(f"And it sounds sure: on those photographs {percent(sure.measure.value, 0)} on average.")
    st.markdown(
        "**So its verdict is not evidence about any real-world picture, and must not be used against anyone.** On most "
        "of these Upload answers *Cannot tell*, and says why.",
        help=explain("Transfer"),
    )


def go_on(told: Told) -> None:
    """Draw step 7: where to go from here."""
    run = told.about.run.name
    st.markdown("Now ask your own questions:")
    ways = {
        "inspect": ("Inspect an image", "Both explanations, their diagnostics, and what flips the verdict."),
        "evidence": (
            "What the detector reads",
            "Every experiment on the test set or a sample, beside its control.",
        ),
        "trust": ("Can the explanations be trusted?", "How faithful, how stable, how often they agree."),
        "upload": ("Try your own image", "And see how far the verdict carries."),
        "game": ("Play against it", "Ten images, REAL or FAKE?"),
        "glossary": ("Look a word up", "Every term in plain words."),
    }
    with st.grid(3, min_column_width=220) as grid:
        for page, (name, text) in ways.items():
            with grid.cell(), st.container(border=True, height="stretch"):
                st.markdown(f"**{name}**")
                st.caption(text)
                if st.button("Open", key=f"guide.open.{page}"):
                    state.go(page, run=run)


def ask_ahead(told: Told, number: int) -> None:
    """Send the requests of this and all later steps, so that their answers are ready when a step is reached."""
    if told.detector is None:
        return
    fake, red = (told.image(row)[None] for row in (told.cast.fake, told.cast.red))
    # the first question of all is what loads the network
    put(told, PredictRequest(), fake, slot="guide.ahead")
    if number <= 3:
        put(told, ExplainRequest(LIME.name, cut_as(CUT.value)), red, slot="guide.ahead.red")
    if number <= 4:
        put(told, ExplainRequest(LIME.name, LimeSettings()), fake, slot="guide.ahead.both")
    if number <= 5 and told.cast.tested:
        less = with_less_detail(told.image(told.cast.detailed))
        put(told, PredictRequest(), less, slot="guide.ahead.detail")
    if number <= 3:
        # the slider's other positions, after what is shown by default
        for cut in CUTS:
            put(told, ExplainRequest(LIME.name, cut_as(cut)), red, slot=f"guide.ahead.{cut}")


STEPS: tuple[tuple[str, Callable[[Told], None]], ...] = (
    ("A machine that says REAL or FAKE", what_it_is),
    ("What a heat map says, and what it does not", heat_map),
    ("Why the paper's pictures came out all one colour", one_colour),
    ("Two explanations can disagree", two_explanations),
    ("What the detector really reads", what_it_reads),
    ("What it does not know", what_it_does_not_know),
    ("Over to you", go_on),
)
