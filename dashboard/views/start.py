"""Guide: a tour of seven steps, for a presenter and for those who are new to this."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.detectors.identity import same_maker
from core.detectors.manifest import OLD_LAYER, OLD_SIDE
from core.explainers.cam import KEPT as STORED_MAP
from core.explainers.cam import stored_map
from core.explainers.drawing import Style
from core.explainers.explanation import Explanation
from core.explainers.lime.regions import LIME, LimeSettings
from core.findings.numbers import format_measure, plus
from core.images.labels import verdict_of
from core.perturbations.frequency import wave_length
from dashboard import catalogue, library, state
from dashboard.components.cast import RADII, Cast, choose_cast, first_flipped, is_all_red, suspects, with_less_detail
from dashboard.components.cast import without_detail as detail_removed
from dashboard.components.charts import cached
from dashboard.components.glossary import explain, terms_in
from dashboard.components.missing import how_to_get_pictures
from dashboard.components.picture import explained_picture, plain_picture
from dashboard.components.plain import code, plain
from dashboard.components.requests import ask, keep_up, known_detectors, waiting
from dashboard.components.study import all_there, command, is_there, readable
from dashboard.components.words import CLASS_WORDS, name_paper, percent
from dashboard.jobs import ExplainRequest, JobStatus, PredictRequest
from dashboard.library import Opened
from dashboard.state import Setting

CUTS = {"paper": "the paper's way", **{count: f"{count} parts asked for" for count in ("8", "16", "30", "50", "100")}}
CUT = Setting("parts", "paper", choices=tuple(CUTS))
KEPT = Setting("kept", RADII[0], kind=int, choices=RADII)
WIDE = Setting("wide", "no", choices=("no", "yes"))
# widths of pictures in pixels that leave room for a step's text and numbers on one 1440 x 900 screen
SIDE, SMALL = 300, 190
# large enough to be read from the back of a room, and larger on a larger screen; nothing else is styled
LARGE = """<style>
.st-key-guide h1 { font-size: clamp(1.9rem, 1.6vw + 1.1rem, 3.4rem) }
.st-key-guide p, .st-key-guide li { font-size: clamp(1.15rem, .9vw + .6rem, 2rem); line-height: 1.5 }
.st-key-guide h3 { font-size: clamp(1.6rem, 1.2vw + .9rem, 2.8rem) }
.st-key-guide [data-testid=stSlider] p { font-size: 1.1rem; line-height: 1.3 }
.st-key-guide [data-testid=stCaptionContainer] p { font-size: clamp(1rem, .35vw + .75rem, 1.4rem) }
</style>"""
NO_SIDEBAR = "<style>[data-testid=stSidebar] { display: none }</style>"


@cached
def cast_of(shown: Opened, pictured: NDArray[np.bool_]) -> Cast | None:
    """Choose the images of the guide; see `choose_cast`."""
    tables = {name: found.table for name, found in all_there(shown, ("probes", "one_colour")).items()}
    return choose_cast(shown.table, pictured, tables.get("probes"), tables.get("one_colour"))


def choose_run() -> tuple[Opened, Opened, Cast]:
    """Choose the run whose images are shown, the one by the same detector whose numbers are shown, and the images.

    That is the run on the page, else one of the sample gallery; where none can be shown, say so and stop the page.
    """
    sentence = "This run holds no image; choose another one on the left."
    if len(opened.run):
        for shown in (opened, *library.with_samples()):
            pictured = library.pictures(shown).where >= 0
            if shown.run.maps is not None and pictured.any() and (cast := cast_of(shown, pictured)) is not None:
                about = opened if same_maker(shown.run.manifest, opened.run.manifest) else shown
                return shown, about, cast
        sentence = (
            "The guide needs maps, and pictures of an image of each class that the detector got right. "
            f"{how_to_get_pictures()} Or choose a run of the sample gallery."
        )
    st.title("Guide", anchor=False)
    st.info(sentence, icon=":material/hide_image:")
    return st.stop()


def image_of(row: int) -> NDArray[np.uint8]:
    """Return the picture of a row of the cast."""
    found = library.pictures(shown).get(row)
    assert found is not None  # noqa: S101 - the cast is chosen among rows with a picture
    return found


def measured(study: str, *keys: str) -> None:
    """Draw a study's findings with numbers in large type; without the study, the command that makes it."""
    answer = readable(about, study)
    found = [
        finding for key in keys if answer is not None and (finding := answer.finding(key)) and finding.measure.known
    ]
    if not found and not is_there(about, study):
        st.caption(f"This has not been measured for this run yet: {code(command(about, study))}")
    with st.grid(3, min_column_width=240) as grid:
        for finding in found:
            control = "" if finding.control is None else (
                f"Control: {format_measure(finding.control.measure, finding.about.unit)}, {finding.control.name}."
            )  # fmt: skip
            unit = finding.about.unit
            number = percent(finding.measure.value, 0) if unit == "share" else plus(finding.measure.value)
            with grid.cell(), st.container(border=True, height="stretch", gap=None):
                st.markdown(f"### {number}", help=f"{format_measure(finding.measure, unit)} {plain(control)}")
                st.markdown(plain(finding.headline))
                st.caption(plain(f"{finding.question or finding.subject} {finding.group or ''}"))


def request(settings: ExplainRequest | PredictRequest, pixels: NDArray[np.uint8], *, slot: str) -> JobStatus:
    """Put a question to the guide's detector, which must be here."""
    assert detector is not None  # noqa: S101 - callers have looked
    return ask(detector, pixels, settings, slot=slot)


def asked(
    settings: ExplainRequest | PredictRequest,
    pixels: NDArray[np.uint8],
    draw: Callable[[Any], None],
    *,
    slot: str,
    whole: bool = False,
) -> None:
    """Draw an answer as soon as there is a first one (`whole`: a complete one), and again while it improves."""
    if detector is None:
        st.caption("The detector that made this run is not among the detectors here, so it cannot be run.")
        return

    def show(now: JobStatus) -> None:
        if now.answer is not None and not (whole and now.busy):
            draw(now.answer)
        elif now.busy:
            st.skeleton(height=260)
        if now.busy:
            st.progress(now.share, waiting(now) or "Asking the detector")

    keep_up(lambda: request(settings, pixels, slot=slot), show, slot=slot)


def keyed_slider(
    setting: Setting, label: str, options: Sequence[Any], *, words: Callable[[Any], str], less: str, more: str, way: int
) -> None:
    """Draw a slider that a presenter can also move with the keys L and M; `way` is 1 where M goes to the right."""
    setting.linked(st.select_slider, label, options=list(options), format_func=words)
    place = list(options).index(setting.value)
    with st.container(horizontal=True):
        for name, key, to in ((less, "L", place - way), (more, "M", place + way)):
            there = 0 <= to < len(options)
            st.button(
                name, key=f"guide.{setting.name}.{key}", shortcut=key, disabled=not there, on_click=setting.set,
                args=(options[to] if there else None,),
            )  # fmt: skip


def draw_stored(row: int, *, key: str) -> None:
    """Draw the stored map of an image."""
    style = Style(smooth=True, scale=shown.map_scale)
    explained_picture(stored_map(shown.run, row, image_of(row)), key=key, style=style)


def lime_settings(cut: str) -> LimeSettings:
    """Return LIME's settings for a value of the slider."""
    return LimeSettings.paper() if cut == "paper" else LimeSettings(n_segments=int(cut))


def draw_lime(settings: LimeSettings, row: int, *, slot: str, paper: bool) -> None:
    """Draw LIME of a FAKE image while it is computed."""

    def draw(result: Explanation) -> None:
        numbers = result.diagnostics.numbers
        with st.container(width=SMALL):
            explained_picture(result, key=f"{slot}.picture", style=Style("paper" if paper else "class"))
        count = numbers["segments"]
        red = " **All of it is red**: every part speaks against the verdict." if paper and is_all_red(result) else ""
        st.markdown(f"It found **{count} part{'' if count == 1 else 's'}**.{red}")

    asked(ExplainRequest(LIME.name, settings), image_of(row)[None], draw, slot=slot)


def what_it_is() -> None:
    """Draw step 1: the detector, and how good it is."""
    metrics = about.run.manifest["metrics"]["all"]
    rows = [cast.real, cast.fake, *([] if cast.mistake is None else [cast.mistake])]
    for place, row in zip(st.columns(3, gap="large"), rows, strict=False):
        found = shown.table.iloc[row]
        with place:
            plain_picture(
                image_of(row), key=f"guide.image.{row}", alt=f"Called {found['predicted']}", edge=found["predicted"]
            )
            wrong = "" if found["correct"] == "right" else f" It is wrong: this is {CLASS_WORDS[found['label']]}."
            sure = percent(float(found["confidence"]), 0)
            st.markdown(f"Called {CLASS_WORDS[found['predicted']]}, {sure} sure.{wrong}")
    side = shown.run.side
    st.markdown(
        f"A neural network looks at {side} x {side} pixels and says {CLASS_WORDS['REAL']} (a photograph) or "
        f"{CLASS_WORDS['FAKE']} (made by an image generator). It is right on **{percent(metrics['accuracy'])}** of "
        f"{metrics['images']:,} images. What it does not say is why.",
        help=explain("Detector", "Accuracy", "Confidence"),
    )


def heat_map() -> None:
    """Draw step 2: what a heat map says, and what it does not."""
    left, right = st.columns(2, gap="large")
    with left, st.container(width=SIDE):
        plain_picture(image_of(cast.fake), key="guide.plain", alt="The image", edge="FAKE")
    with right, st.container(width=SIDE):
        draw_stored(cast.fake, key="guide.map")
    run = shown.run
    height, width = run.needed_maps.shape[1:]
    # the last layer's receptive field is larger than small images and smaller than large ones
    whole = run.side <= OLD_SIDE and run.target_layer == OLD_LAYER
    st.markdown(
        f"A heat map ({STORED_MAP.title}) colours the places whose features speak for {CLASS_WORDS['REAL']} blue and "
        f"those that speak for {CLASS_WORDS['FAKE']} orange. **It says where the score comes from, not what is wrong "
        f"there.** Its {height} x {width} squares have each seen "
        f"{'the whole image' if whole else 'far more than their own place'}: read it as a direction, not an outline.",
        help=explain(*terms_in(STORED_MAP.title), "Margin map"),
    )


def one_colour() -> None:
    """Draw step 3: why the paper's figures came out in one colour; they are by LIME, so this step is about it."""
    left, right = st.columns([2, 3], gap="large")
    with right:
        st.markdown(
            "LIME covers parts of the image and watches the score. The paper's figures came out **all red**: its way "
            "of cutting was made for large photographs and finds one or two parts in 32 x 32 pixels, and one part has "
            "one colour. Move the slider and watch.",
            help=explain("LIME", "Segment"),
        )
        name_paper()
        cut = lambda value: CUTS[value]  # noqa: E731
        keyed_slider(CUT, "How the image is cut", tuple(CUTS), words=cut, less="Fewer parts", more="More parts", way=1)
    with left:
        draw_lime(lime_settings(CUT.value), cast.red, slot="guide.lime", paper=CUT.value == "paper")
    measured("one_colour", "paper-FAKE", "ours-FAKE")


def two_explanations() -> None:
    """Draw step 4: why two explanations can disagree, and how often they do."""
    left, right, beside = st.columns(3, gap="large")
    with left:
        st.markdown(f"##### {STORED_MAP.title}: where its features speak")
        with st.container(width=SMALL):
            draw_stored(cast.fake, key="guide.cam")
    with right:
        st.markdown(f"##### {LIME.title}: when parts are covered")
        draw_lime(LimeSettings(), cast.fake, slot="guide.both", paper=False)
    with beside:
        st.markdown(
            "The two ask different questions: where the network's own features point, and what covering a part does. "
            "**Where both say the same, believe it more. Where they do not, neither is proof.**",
            help=explain("Agreement"),
        )
    measured("agreement", "beyond-FAKE", "beyond-REAL")


def what_it_reads() -> None:
    """Draw step 5: the fine detail is removed, and the verdict flips."""
    if cast.tested or detector is None:
        less_detail(cast.detailed)
    else:
        rows = suspects(shown.table, library.pictures(shown).where >= 0)
        edited = detail_removed(np.stack([image_of(int(row)) for row in rows]))
        now = request(PredictRequest(), edited, slot="guide.search")
        if now.busy or now.answer is None:
            # once it is there the whole page is drawn again: what it leads to asks for more itself
            asked(PredictRequest(), edited, lambda _answer: None, slot="guide.search", whole=True)
        else:
            flipped = first_flipped(now.answer.margins)
            less_detail(cast.detailed if flipped is None else int(rows[flipped]))
    measured("probes", "detail-FAKE", "transplant-REAL")


def less_detail(row: int) -> None:
    """Draw an image with less and less detail, and its verdict."""
    images, number = with_less_detail(image_of(row)), RADII.index(KEPT.value)
    left, right = st.columns([2, 3], gap="large")
    with right:
        st.markdown(
            "A map cannot say *what* it sees there. An experiment can: remove the finest detail from this "
            f"{CLASS_WORDS['FAKE']} image, step by step, and run the detector again each time.",
            help=explain("Low-pass", "Probe"),
        )
        keyed_slider(
            KEPT, "Detail that is left", RADII, words=kept_words, less="Less detail", more="More detail", way=-1
        )

    def draw(answer: Any) -> None:
        now, before = (verdict_of(answer.margins[which]) for which in (number, 0))
        p = float(answer.p_real[number])
        with st.container(width=SIDE):
            alt = f"The image, detail left: {kept_words(KEPT.value)}."
            plain_picture(images[number], key="guide.detail.picture", alt=alt, edge=now)
        st.markdown(f"### Called {CLASS_WORDS[now]}, {percent(max(p, 1 - p), 0)} sure")
        flipped = " **The verdict has flipped.**" if now != before else ""
        st.markdown(f"Margin {plus(answer.margins[number], 1)}.{flipped}", help=explain("Margin"))

    with left:
        # all in one place: what is drawn again on its own cannot reach into another column
        asked(PredictRequest(), images, draw, slot="guide.detail", whole=True)


def kept_words(radius: int) -> str:
    """Say what detail is left below a radius of the spectrum."""
    return "all of it" if radius == RADII[0] else f"waves of {wave_length(radius):.1f} pixels and longer"


def what_it_does_not_know() -> None:
    """Draw step 6: other generators, other photographs."""
    st.markdown("It knows the images that it was trained on. Shown others, it still says REAL or FAKE:")
    measured("transfer", "large", "imitations", "photographs")
    st.markdown(
        "**So its verdict is not evidence about any real-world picture, and must not be used against anyone.**",
        help=explain("Transfer"),
    )


def go_on() -> None:
    """Draw step 7: where to go from here."""
    ways = {
        "inspect": ("Inspect an image", "Both explanations, their diagnostics, and what flips the verdict."),
        "reads": ("What the detector reads", "Every experiment on the test set, beside its control."),
        "maps": ("Can the explanations be trusted?", "How faithful, how stable, how often they agree."),
        "try_picture": ("Try your own image", "And see how far the verdict carries."),
        "play": ("Play against it", "Ten images, REAL or FAKE?"),
        "help": ("Look a word up", "Every term in plain words."),
    }
    with st.grid(3, min_column_width=220) as grid:
        for page, (name, text) in ways.items():
            with grid.cell(), st.container(border=True, height="stretch"):
                st.markdown(f"**{name}**")
                st.caption(text)
                if st.button("Open", key=f"guide.open.{page}"):
                    state.go(page, run=about.run.name)


def ask_ahead() -> None:
    """Send the requests of this and all later steps, so that their answers are ready when a step is reached."""
    fake, red = (image_of(row)[None] for row in (cast.fake, cast.red))
    # the first question of all is what loads the network
    request(PredictRequest(), fake, slot="guide.ahead")
    if number <= 4:
        request(ExplainRequest(LIME.name, LimeSettings()), fake, slot="guide.ahead.both")
    if number <= 3:
        for cut in CUTS:
            request(ExplainRequest(LIME.name, lime_settings(cut)), red, slot=f"guide.ahead.{cut}")


STEPS: tuple[tuple[str, Callable[[], None]], ...] = (
    ("A machine that says REAL or FAKE", what_it_is),
    ("What a heat map says, and what it does not", heat_map),
    ("Why the paper's pictures came out all one colour", one_colour),
    ("Two explanations can disagree", two_explanations),
    ("What the detector really reads", what_it_reads),
    ("What it does not know", what_it_does_not_know),
    ("Over to you", go_on),
)
STEP = Setting("step", 1, kind=int, low=1, high=len(STEPS))
opened = library.current()
shown, about, cast = choose_run()
detector = known_detectors().get(catalogue.maker(shown.run) or "")
number = STEP.value


def move(by: int) -> None:
    """Move by some steps from the one in the URL, so that two quick presses count as two."""
    STEP.set(min(max(STEP.value + by, 1), len(STEPS)))


# by this page's own style: Streamlit's setting would outlast the page, and yields to what the browser has stored
st.html(LARGE + (NO_SIDEBAR if WIDE.value == "yes" else ""))
with st.container(horizontal=True, vertical_alignment="center"):
    st.caption(f"Step {number} of {len(STEPS)}", width="stretch")
    wide = WIDE.value == "yes"
    st.button("With the menu" if wide else "Full width", key="guide.wide", shortcut="F", type="tertiary",
              on_click=WIDE.set, args=("no" if wide else "yes",))  # fmt: skip
    st.button("Back", key="guide.back", shortcut="Left", on_click=move, args=(-1,), disabled=number == 1)
    st.button("Next", key="guide.next", shortcut="Right", on_click=move, args=(1,), type="primary",
              disabled=number == len(STEPS))  # fmt: skip
st.progress(number / len(STEPS))
if shown is not opened:
    st.caption(f"The pictures are of {plain(shown.run.name)}, the numbers of {plain(about.run.name)}.")
with st.container(key="guide"):
    st.title(STEPS[number - 1][0], anchor=False)
    STEPS[number - 1][1]()
if detector is not None:
    ask_ahead()
