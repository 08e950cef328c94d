"""Overview: how good is the detector?"""

from typing import Any

import streamlit as st

from core.metrics.intervals import share_difference
from core.runs.filter import Filter
from core.runs.metrics import HALF, metrics_at, without_leaks_and_repeats
from core.runs.rows import at_threshold
from dashboard import catalogue, library, state
from dashboard.components.downloads import report_download
from dashboard.components.glossary import explain
from dashboard.components.limits import draw_reach
from dashboard.components.plain import plain
from dashboard.components.words import heading, name_paper, percent
from dashboard.state import Setting
from dashboard.views.overview_parts import performance, provenance, sources

COUNT = Setting("count", "all", {"all": "All images", "clean": "Without leaks and repeats"})


def conclusion(numbers: dict[str, Any]) -> str | None:
    """Sum up the numbers in one sentence."""
    if not numbers["images"]:
        return None
    if numbers["accuracy"] == 1:
        return "It is wrong on none of these images."
    (right_fake, missed), (alarms, right_real) = numbers["confusion"]
    fakes, reals = right_fake + missed, alarms + right_real
    more = share_difference(alarms, reals, missed, fakes) if fakes and reals else None
    if more is None:
        lean = "since they are of one class, they do not show which error is more frequent"
    elif more.low > 0:
        lean = "calls REAL images FAKE more often than the reverse"
    elif more.high < 0:
        lean = "calls FAKE images REAL more often than the reverse"
    else:
        lean = "calls neither class the other significantly more often"
    at = (
        "" if performance.THRESHOLD.value == HALF else f"At a threshold of {percent(performance.THRESHOLD.value, 0)} it"
    )
    return f"{at or 'It'} is wrong on {percent(1 - numbers['accuracy']).removesuffix('%')} of 100 images, and {lean}."


opened = library.current()
manifest, run = opened.run.manifest, opened.run.name
rows = opened.judged if COUNT.value == "all" else without_leaks_and_repeats(opened.judged)
threshold = performance.THRESHOLD.value
numbers = manifest["metrics"][COUNT.value]
if not rows.empty:
    numbers = metrics_at(rows, numbers, threshold)
# a detector of the same name that was trained again is another detector
detector = catalogue.detectors().get(catalogue.maker(opened.run) or "")
heading(
    "How good is the detector?",
    f"The verdicts of **{plain(manifest['detector'])}** on the {manifest['images']:,} images of "
    f"**{plain(manifest['set'])}**: photographs (REAL) and pictures made by an image generator (FAKE).",
    conclusion(numbers),
    help=explain("Detector", "REAL", "FAKE"),
)
if detector is not None:
    draw_reach(detector)
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    st.caption(
        "Telltale shows how a detector of AI-generated images decides, and how far its verdicts can be believed.",
        width="content",
    )
    st.page_link("views/guide.py", label="New here? Start the guide", query_params={"run": run})
if opened.judged.empty:
    st.info("This run holds no image, so there is nothing to measure; choose another one on the left.")
    st.stop()

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    if manifest["leaked"] or manifest["repeats"]:
        leaked, rest = f"{manifest['leaked']:,}", "are those on images that the detector has never seen"
        if not opened.run.leaks_checked:
            leaked, rest = "an unknown number", "are without repeats only, because leaks were not looked for"
        COUNT.choose(
            "Images counted",
            help=explain(
                "Leak",
                "Repeat",
                also=f"Here {leaked} and {manifest['repeats']:,}. The numbers without them {rest}.",
            ),
        )
    else:
        seen = "No file of this run was in the training set"
        if not opened.run.leaks_checked:
            seen = "It was not checked whether files of this run were in the training set"
        st.caption(f"{seen}, and none repeats another.", width="content")
    performance.draw_threshold()
    report_download(opened, key="overview.report")
base = Filter() if COUNT.value == "all" else Filter().choosing("in_train", ["no"]).choosing("is_repeat", ["no"])
if rows.empty:
    st.info("Every image of this run is a leak or a repeat, so nothing is left to count.")
    st.stop()

is_cifake = manifest["set"].startswith("cifake-test")
performance.draw_headlines(numbers, beside_paper=is_cifake)
if is_cifake:
    name_paper()
chosen = (
    performance.draw_matrix_and_curves(rows, base)
    or performance.draw_scores_and_categories(rows, base, beside_paper=is_cifake)
    or sources.draw_sources(rows, base, run=run)
)
if chosen is not None:
    state.go("explore", run=run, wanted=chosen)
performance.draw_confidence(at_threshold(rows, threshold), rows, numbers["ece"])
provenance.draw_training_and_run(opened.run, detector)
if detector is not None:
    st.space("small")
    provenance.draw_model_card(detector.path)
