"""Can maps be believed? A real map beside maps that know nothing, and every method measured beside its controls."""

from collections.abc import Sequence
from itertools import chain, cycle

import numpy as np
import pandas as pd
import streamlit as st

from core.explainers.cam import KEPT
from core.explainers.drawing import Style, common_scale, draw_overlay
from core.explainers.exact import stored_exact_map
from core.findings.answer import answer_of
from core.findings.contrast import Finding
from core.perturbations.masking import FILLS as FILLINGS
from core.runs.pictures import Pictures
from core.runs.rows import evenly
from core.studies.questions.faithfulness import CONTROLS, ORDERS, mean_curves
from core.studies.questions.truth import nearness
from core.studies.shared.groups import Cells
from core.studies.store import StudyResult
from dashboard import catalogue, library
from dashboard.components import charts
from dashboard.components.charts import Line, line_figure
from dashboard.components.component import fold
from dashboard.components.picture import Cell, picture_grid
from dashboard.components.probing import PICTURE, PICTURES, next_picture
from dashboard.components.study import bars_of, draw_bars, draw_study, finding_table, readable, study_files, study_of
from dashboard.components.words import CLASS_WORDS, explain, heading, name_paper, plain
from dashboard.library import Opened, cached
from dashboard.state import Setting

SIDE = 384
# of the maps at the top, which are compared at a glance
STRONG = 0.8
# of methods, where the class colours would mislead: distinct under any colour blindness
LINES = ("#9b59c9", "#0f9d8a", "#c2527b", "#8a8500", "#4a7fb5", "#c46a00", "#8d6e5b", "#2f7d4f")
MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "star")
DASHES = {"random": "dot", "other": "dash", "edges": "dash", "centre": "solid"}
DIRECTION_NAMES = {
    "deletion": "Deletion: share of the image that is filled",
    "insertion": "Insertion: share of the image that is shown",
}
# finding of the study `out_of_distribution` -> what its bar is a share of, and the class that is counted
OTHERS = {
    "large": ("Other generators' pictures called REAL", "REAL"),
    "imitations": ("Small imitations called REAL", "REAL"),
    "photographs": ("Ordinary photographs called FAKE", "FAKE"),
}


def draw_maps(shown: Opened, field: int | None) -> None:
    """Draw a picture with its own map, a shuffled one, and one of another picture.

    Args:
        shown: the run.
        field: side of the patches of a detector that adds up their scores, None for any other; the exact map is then
            drawn in the place of the shuffled one.
    """
    pictures = library.pictures(shown)
    rows = evenly(np.flatnonzero(pictures.where >= 0), PICTURES)
    if shown.run.maps is None or not len(rows):
        st.info("Maps need a detector with layers, and its pictures.", icon=":material/hide_image:")
        return
    row = int(rows[(PICTURE.value - 1) % len(rows)])
    with st.container(key=f"maps_{'first' if field is None else 'exact'}"):
        picture_grid(map_cells(shown, pictures, row, field), columns=4, least=150)


@cached(max_entries=64)
def map_cells(shown: Opened, pictures: Pictures, row: int, field: int | None) -> list[Cell]:
    """Draw the cells of `draw_maps` of a run with maps, for the picture of a row."""
    run = shown.run
    image = pictures.get(row)
    if image is None:
        return []
    own = np.asarray(run.needed_maps[row], np.float32)
    other = np.asarray(run.needed_maps[Cells(run).others(row, 1)[0]], np.float32) if len(run) > 1 else own[::-1]
    verdict = shown.judged["predicted"].iloc[row]
    scale = common_scale([own, other])
    cells = [Cell(image, f"The picture, called {verdict}", CLASS_WORDS[verdict], verdict)]
    if field is None:
        second = "the same shuffled", np.random.default_rng(row).permutation(own.ravel()).reshape(own.shape)
    else:
        second = "the exact map", stored_exact_map(run, row, side=len(image), field=field)
    for name, values in ((f"its {KEPT.title}", own), second, (f"another picture's {KEPT.title}", other)):
        # the exact map's values are of single pixels
        style = Style(scale=scale if values.shape == own.shape else None, opacity=STRONG)
        cells.append(Cell(draw_overlay(image, values, SIDE, style), name, name))
    return cells


def draw_answers(findings: Sequence[Finding]) -> None:
    """Draw the answer of each method and verdict: whether its maps beat both controls, under every fill.

    Methods with equal answers are in one row.
    """
    answers = {}
    words: dict[str, set[str]] = {}
    for finding in findings:
        answer = answer_of(finding)
        answers[plain(finding.subject), f"{finding.group} verdicts"] = f"{answer.mark} {answer}"
        words.setdefault(finding.subject, set()).add(answer.word)
    st.subheader(
        f"{'A' if {'yes'} in words.values() else 'No'} method here always beats a random map and another picture's",
        anchor=False,
        help=explain("Faithfulness", "Deletion and insertion", "Fill", "Control"),
    )
    st.caption("Cover what each marks: does the verdict fall sooner?")
    table = pd.Series(answers).unstack(sort=False, fill_value="").rename_axis("method").reset_index()
    table = table.groupby([*table.columns[1:]], sort=False)["method"].agg(", ".join).reset_index()
    st.table(table.set_index("method"), border="horizontal")


def known_truth() -> tuple[Opened, int] | None:
    """Find a run whose detector adds up scores of patches, and their side in pixels, this page's first."""
    maker = catalogue.maker(opened.run)
    for detector in (maker, *catalogue.detectors().values()):
        if detector is not None and detector.about.kind == "patch":
            for run in library.runs_by(detector.identity):
                return run, detector.about.config["field"]
    return None


def draw_truth(shown: Opened, *, field: int) -> None:
    """Draw a map beside the exact one, unless the page begins with them, and how near all maps are to it, folded."""
    st.subheader("Where the truth is known", anchor=False)
    st.markdown(
        f"The detector {plain(shown.run.manifest['detector'])} averages scores of {field} x {field} pixels: an "
        "exact map. 1 is the truth, 0 chance."
    )
    if shown.run.path != opened.run.path:
        draw_maps(shown, field)
    result = readable(shown, "truth")
    if result is not None:
        near = nearness(result.findings)
        bar = st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1)
        alt = "Correlation of each map with the truth, the nearest first"
        st.dataframe(near, height="content", column_config=dict.fromkeys(near.columns, bar), alt=alt)
    draw_study(
        shown,
        "truth",
        "How near are maps to the truth?",
        "Rank correlation with the truth over 16 cells; the controls are another image's truth and a random order. "
        "Grad-CAM on the last layer is near by construction: it is those scores, stretched.",
        ("Rank correlation", "Fill", "Grad-CAM", "LIME"),
    )


def draw_curves(result: StudyResult) -> None:
    """Draw deletion and insertion curves under one fill; controls are grey, baselines thin."""
    curves = curves_of(opened.origin, result)
    fills = {fill: FILLINGS[fill] for fill in curves["fill"].unique()}
    fill = Setting("filled", next(iter(fills)), fills)
    fill.choose("Fill", help=explain("Fill"))
    drawn = curves[curves["fill"] == fill.value]
    with st.grid(2, min_column_width=320) as grid:
        for (group, direction), part in drawn.groupby(["group", "direction"], sort=False):
            styles = cycle(zip(LINES, MARKS, strict=True))
            lines = []
            for (method, name), rows in part.groupby(["method", "name"], sort=False):
                x = rows["share"]
                y = rows["value"]
                if method in ORDERS:
                    kind, width = ("control", 2.5) if method in CONTROLS else ("baseline", 1.3)
                    lines.append(Line(f"{kind}: {name}", x, y, dash=DASHES[method], width=width))
                else:
                    colour, symbol = next(styles)
                    lines.append(Line(name, x, y, colour, "solid", symbol, rows["low"], rows["high"]))
            figure = line_figure(lines, DIRECTION_NAMES[direction], "margin for the verdict", height=460)
            charts.noise_band(figure, opened.run.noise)
            with grid.cell():
                st.markdown(f"**{group}**")
                key = f"trust.curves.{group}.{direction}"
                alt = f"Curves by {direction} of {group}"
                charts.show(figure.update_xaxes(tickformat=".0%", range=[-0.02, 1.02]), key=key, alt=alt)


@cached(max_entries=16)
def curves_of(opened: Opened, result: StudyResult) -> pd.DataFrame:
    """Return the mean curves of all methods and controls; cached."""
    return mean_curves(result.table, opened.run)


opened = library.current()
heading(
    "Can maps be believed?",
    "A map colours where a score comes from.",
    help=explain("Grad-CAM", "LIME", "Control"),
)
truth = known_truth()
draw_maps(opened, truth[1] if truth is not None and truth[0].run.path == opened.run.path else None)
with st.container(horizontal=True, vertical_alignment="center"):
    st.button("Another picture", icon=":material/refresh:", on_click=next_picture)
    st.caption(f"Orange speaks for {CLASS_WORDS['FAKE']}, blue for {CLASS_WORDS['REAL']}.")
faithfulness = study_of(opened, "faithfulness")
if faithfulness is not None:
    draw_answers(faithfulness.findings)
    with fold(
        "faithfulness",
        "How is that measured, and by how much are they better?",
        explained="Parts of the image are filled in the order that an explanation gives (deletion), or shown in that "
        "order (insertion; Petsiuk et al. 2018). Where it is right the margin falls fast, and rises fast. Edges are a "
        "baseline and no control: for a detector of fine detail they are nearly the right answer.",
        help=explain("Faithfulness", "Deletion and insertion", "Fill", "Margin", "Control"),
    ) as is_open:
        if is_open:
            draw_curves(faithfulness)
            finding_table(faithfulness.findings)
            study_files(opened, faithfulness, key="trust.faithfulness")
if truth is not None:
    draw_truth(truth[0], field=truth[1])
st.subheader("Half REAL, half FAKE", anchor=False)
st.markdown("Two pictures joined in one: how often is the FAKE part more orange than the rest? 50% is chance.")
composite = readable(opened, "composite")
if composite is not None:
    # cells of the FAKE part, by method, beside the strongest control
    draw_bars(chain.from_iterable(bars_of(finding, finding.subject, "FAKE", "") for finding in composite.findings))
draw_study(
    opened,
    "composite",
    "Do maps find the FAKE part?",
    "AUROC over 16 cells, averaged over a picture and its reverse, in which both parts change places. The controls: "
    "two pictures of the same class, joined alike, and a random map. Choices are the seam and how the parts lie.",
    ("AUROC", "Control", "Grad-CAM", "LIME"),
)
st.subheader("Other checks", anchor=False)
draw_study(
    opened,
    "single_sign",
    "Is LIME all one colour?",
    "The paper: “A large majority of the images I looked at are uniformly red”. A single colour does not say "
    "where. Its settings segment by quickshift; ours use about thirty segments and leave undecided ones grey.",
    ("LIME", "Segment", "Undecided"),
)
draw_study(
    opened,
    "agreement",
    "Does LIME contradict Grad-CAM?",
    "The paper: “the LIME method simply does not corroborate”. Rank correlation of both maps of one image over 64 "
    "cells; the control uses another image's Grad-CAM. Two methods can agree and both be wrong.",
    ("Agreement", "Rank correlation"),
)
draw_study(
    opened,
    "stability",
    "Are the maps repeatable?",
    "Rank correlation of an explanation with itself under another seed, and under noise of 1 in 255; the control "
    "is the explanation of another image.",
    ("Stability", "Rank correlation", "Seed"),
)
draw_study(
    opened,
    "certainty",
    "Does what LIME calls certain hold under another fill?",
    "Each image is explained again with every other fill. The control draws other samples with the same fill.",
    ("Fill", "Undecided", "LIME"),
)
draw_study(
    opened,
    "randomisation",
    "Does it depend on what the detector has learned?",
    "The detector's weights are randomised from the classifier down (Adebayo et al. 2018). A map that does not "
    "change shows the image and not the detector. The control is another image's map by the random detector.",
    ("Randomisation test",),
)
st.subheader("And on other pictures?", anchor=False)
others = readable(opened, "out_of_distribution")
if others is not None:
    bars = []
    for key, words in OTHERS.items():
        finding = others.finding(key)
        if finding is not None:
            bars += bars_of(finding, *words, "on the test set")
    draw_bars(bars)
draw_study(
    opened,
    "out_of_distribution",
    "How far does a verdict carry?",
    "Pictures that the detector was not made for, saved as JPEG as CIFAKE's are; intervals resample generators and "
    "photographs, not pictures.",
    ("Out of distribution", "Resampling filter"),
)
name_paper()
