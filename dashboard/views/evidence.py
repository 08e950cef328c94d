"""Evidence, a tab of What it reads: changed pictures beside their controls, all experiments, and curves by strength."""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter

import numpy as np
import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from core.findings.answer import answer_of, ruling_of
from core.findings.contrast import Finding
from core.images.labels import CLASS_COLOURS, other_class
from core.perturbations.probe import FAMILIES, Probe
from core.perturbations.registry import PROBES, in_every_way
from core.runs.filter import Filter
from core.studies.questions.bands import cell_flips
from core.studies.shared.flips import FlipRate
from core.studies.shared.groups import VERDICTS
from core.studies.store import StudyResult
from dashboard import state
from dashboard.catalogue import how_to_get_pictures
from dashboard.components import charts
from dashboard.components.charts import SYMBOLS, Line, line_figure, rate_table
from dashboard.components.component import fold
from dashboard.components.picture import Cell, picture_grid
from dashboard.components.probing import (
    changed_cell,
    example_of,
    next_picture,
    rates_of,
    stored_changes,
)
from dashboard.components.study import (
    Bar,
    bars_of,
    draw_bars,
    draw_study,
    finding_table,
    study_files,
    study_of,
)
from dashboard.components.words import CLASS_WORDS, explain, percent, plain
from dashboard.library import Opened
from dashboard.state import Setting

# families with a strip of pictures, in the order of the page
STRIPS = ("transplant", "detail", "geometry", "colour")
CHANGES = {key: f"{FAMILIES[probe.family]}: {probe.inline}" for key, probe in PROBES.items() if not probe.is_control}
# finding of the study `deliveries` -> heading of the rates beside it
SURVIVAL = {
    "flips_fake": "FAKE verdicts flipped",
    "flips_real": "REAL verdicts flipped",
    "errors_fake": "FAKE called REAL",
    "errors_real": "REAL called FAKE",
}
AS_THEY_ARE = "As they are"


def draw(opened: Opened) -> None:
    """Draw the tab."""
    probes = study_of(opened, "probes")
    if probes is not None and len(probes.table):
        draw_strips(opened, probes)
        st.subheader("Every experiment", anchor=False)
        finding_table(probes.findings)
        setting = Setting("probe", "lowpass", CHANGES)
        with fold("probe", "What does a change do as it grows?", PROBES[setting.value].title) as is_open:
            if is_open:
                draw_probe(opened, probes, setting)
        study_files(opened, probes, key="evidence.probes")
    draw_study(
        opened,
        "bands",
        "Does it need fine detail, medium detail, or one relative to the other?",
        "Fine detail: waves of 1.4 to 4 pixels. Medium: 4 to 8 pixels. Each is kept, halved or absent. Tables: share "
        "of FAKE verdicts that flip.",
        ("Spectrum", "Control"),
        beneath=partial(draw_cells, opened),
    )
    draw_study(
        opened,
        "deliveries",
        "Which verdicts survive saving, resizing and sharing?",
        "Every image, resized for the detector, after JPEG, WebP, scaling, a screenshot, a messenger.",
        ("Delivery", "Control"),
        beneath=draw_survival,
    )
    draw_study(
        opened,
        "neighbours",
        "Which images look alike to it?",
        "For each image, the training images (or, without them, the run's other images) with the most similar "
        "features, and whether their labels match the verdict.",
        ("Neighbours", "Features"),
        beneath=partial(draw_neighbours, opened),
    )


def draw_strips(opened: Opened, probes: StudyResult) -> None:
    """Draw a picture, the same changed, and its control, for the strongest experiment of each family."""
    with st.grid(2, min_column_width=440, gap="medium") as grid:
        for family in STRIPS:
            keys = [f"{family}-{verdict}" for verdict in VERDICTS]
            strongest = max((finding for finding in probes.findings if finding.key in keys), key=_effect, default=None)
            if strongest is not None:
                with grid.cell():
                    draw_strip(opened, strongest)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Other pictures", icon=":material/refresh:", on_click=next_picture, key="evidence.next")
        st.caption("Control: another change, as large.")


def _effect(finding: Finding) -> float:
    """Return how much more a finding's change flips than its strongest control; what it flips without one."""
    return (finding.difference or finding.measure).value


def strip_bars(finding: Finding) -> list[Bar]:
    """Return the bars of a finding's effect and control, and beneath them those of the first that contradicts it."""
    verdict = str(finding.group)
    bars = bars_of(finding, f"{verdict} that flip", verdict)
    main = ruling_of(finding, finding.main)
    for contrast in finding.contrasts:
        if {main, ruling_of(finding, contrast)} == {"yes", "no"}:
            return bars + bars_of(contrast, f"{contrast.kind}: {contrast.value}", verdict, "its control")
    return bars


def draw_strip(opened: Opened, finding: Finding) -> None:
    """Draw one experiment: three pictures framed in their verdicts, and the shares that flip."""
    probe = PROBES[finding.details["probe"]]
    verdict = str(finding.group)
    answer = answer_of(finding)
    steps = {step.at(opened.run.side).full_label: step.key for step in probe.strengths}
    about = f"Of {finding.main.n:,} {verdict} verdicts, changed by {plain(finding.subject)}."
    made = [probe]
    if finding.control is not None:
        about += f" Control: {plain(finding.control.name)}."
        made += [PROBES[key] for key in probe.controls if PROBES[key].inline == finding.control.name]
    st.markdown(f"{plain(finding.question)} **{answer.mark} {plain(str(answer)).capitalize()}.**", help=about)
    # a picture that shows what is claimed
    shows_flip = {"yes": True, "no": False}.get(answer.word)
    with st.container(key=f"strip_{finding.key}"):
        strength = steps[finding.details["strength"]]
        draw_pictures(opened, made, strength, verdict, is_strip=True, shows_flip=shows_flip)
    draw_bars(strip_bars(finding))


def draw_pictures(
    opened: Opened,
    made: Sequence[Probe],
    strength: str,
    verdict: str | None = None,
    *,
    is_strip: bool = False,
    shows_flip: bool | None = None,
) -> None:
    """Draw a picture as it is, under one strength of a probe, and under that of its controls.

    Args:
        opened: the run on the page.
        made: the probe, and controls of it.
        strength: its key.
        verdict: of the picture as it is; None for either.
        is_strip: draw three in a row, the picture, its change and a control; all in rows of six otherwise.
        shows_flip: whether the change flips the picture's verdict; None for what most of them do.
    """
    probe = made[0]
    example = example_of(opened, probe.column(strength), verdict, shows_flip)
    stored = None if example is None else stored_changes(*example)
    if example is None or stored is None:
        st.caption(f"No picture is available to show it on. {how_to_get_pictures()}")
        return
    run, row = example
    called = run.judged["predicted"].iloc[row]
    changes, donor = stored
    before = changes.loc["", "picture"]
    if probe.changes_donor and donor is not None:
        called = other_class(called)
        before = donor
    cells = [Cell(before, f"A picture called {called}", f"before  \n{CLASS_WORDS[called]}", called)]
    for change in made:
        name = change.inline
        if is_strip:
            name = "control" if change.is_control else "changed"
        column = change.column(strength)
        if pd.notna(changes.loc[column]).all():
            cells.append(changed_cell(changes, column, name))
    picture_grid(cells, columns=3 if is_strip else 6, least=100)


def draw_probe(opened: Opened, probes: StudyResult, setting: Setting) -> None:
    """Draw the pictures of a change, how verdicts follow as it grows, and which images it flips."""
    probe = PROBES[setting.value]
    side = opened.run.side
    # the strongest that was tried in every way
    default = [step.key for step in probe.strengths if in_every_way(probe.column(step.key))][-1]
    strength = Setting("strength", default, {step.key: step.at(side).label for step in probe.strengths})
    setting.choose("The change", st.selectbox, width=420)
    strength.choose("How much")
    st.caption(probe.sentence)
    draw_pictures(opened, [probe, *(PROBES[key] for key in probe.controls)], strength.value)
    rates = rates_of(opened.origin, probes, "verdict", (probe.key,))
    st.caption("Share of verdicts that flip: ◆ FAKE, ● REAL, dashed and hollow the control.", help=explain("Control"))
    shares = "; ".join(
        f"{rate.flipped}, {rate.strength.at(side).label}: {percent(rate.contrast.measure.value, 0)}" for rate in rates
    )
    charts.show(response(rates, side), key="evidence.response", alt=f"Share of verdicts that flip. {shares}")
    if opened.run.classes:
        grouped = rates_of(opened.origin, probes, "cell", (probe.key,))
        column = probe.column(strength.value)
        draw_groups(opened, [rate for rate in grouped if rate.column == column])


def response(rates: Sequence[FlipRate], side: int) -> Figure:
    """Plot the share of verdicts flipped by strength, with 95% intervals; the control dashed and hollow.

    Args:
        rates: of one probe.
        side: of the images in pixels.
    """
    lines = []
    for verdict in VERDICTS:
        own = [rate for rate in rates if rate.flipped == verdict]
        names = [rate.strength.at(side).label for rate in own]
        table = _rates_table(own)
        colour = CLASS_COLOURS[verdict]
        symbol = SYMBOLS[verdict]
        lines.append(Line(verdict, names, table["rate"], colour, "solid", symbol, table["low"], table["high"]))
        if table["expected"].notna().any():
            name = f"{verdict}, control"
            lines.append(Line(name, names, table["expected"], colour, "dash", f"{symbol}-open", width=1.5))
    figure = line_figure(lines, height=220, showlegend=False)
    figure.update_yaxes(range=[-0.04, 1.04], tickformat=".0%", dtick=0.25, gridcolor=charts.GRID)
    return figure.update_xaxes(type="category")


def draw_groups(opened: Opened, rates: Sequence[FlipRate]) -> None:
    """Draw how often one strength of a probe flips right and wrong verdicts, and open those that it flips."""
    with st.grid(2, min_column_width=400, gap="large") as grid:
        for verdict in VERDICTS:
            own = [rate for rate in rates if rate.verdict == verdict]
            own.sort(key=attrgetter("contrast.measure.value"), reverse=True)
            if not own:
                continue
            first = own[0]
            with grid.cell():
                st.markdown(f"{CLASS_WORDS[first.flipped]} verdicts, by label")
                key = f"evidence.groups.{verdict}"
                title = "Share of verdicts that flip, by label"
                label = rate_table(_rates_table(own), key=key, title=title, expected="control")
            if label is not None:
                name = f"probes.{first.column}"
                # where a donor is changed, a flip means that the donor gets the image's verdict
                toward_real = (verdict == "FAKE") != first.probe.changes_donor
                wanted = Filter(sort=f"-{name}" if toward_real else name).choosing("predicted", [verdict])
                wanted = wanted.ranging(name, **{"low" if toward_real else "high": 0})
                state.show_images(opened.run.name, wanted.choosing("label", [label]))


def _rates_table(rates: Sequence[FlipRate]) -> pd.DataFrame:
    """Lay out flip rates for `rate_table`, their controls as what is expected."""
    rows = []
    for rate in rates:
        share = rate.contrast.measure
        control = rate.contrast.control
        expected = np.nan if control is None else control.measure.value
        rows.append((rate.group, share.value, share.low, share.high, share.n, expected))
    return pd.DataFrame(rows, columns=["value", "rate", "low", "high", "images", "expected"])


def draw_cells(opened: Opened, answer: StudyResult) -> None:
    """Draw how many FAKE verdicts flip in each cell of the study `bands`, a table for each kind of absence."""
    tables = cell_flips(opened.run, answer.table, "FAKE")
    with st.grid(3, min_column_width=220, gap="small") as grid:
        for words, shares in tables.items():
            with grid.cell():
                st.markdown(f"**Absent detail: {words}**")
                st.table(shares.map(partial(percent, digits=0)))


def draw_survival(answer: StudyResult) -> None:
    """Draw a row a delivery: the share of each verdict that it flips, and of each class that is wrong after it."""
    columns = {}
    for key, words in SURVIVAL.items():
        finding = answer.finding(key)
        if finding is not None:
            columns[words] = {title: rate.value for title, rate in finding.beside.items()}
            if finding.control is not None and finding.quantity == "error_rate":
                columns[words][AS_THEY_ARE] = finding.control.measure.value
    table = pd.DataFrame(columns)
    if table.empty:
        return
    table = table.sort_index(key=lambda titles: titles != AS_THEY_ARE, kind="stable").rename_axis("delivery")
    st.dataframe(
        table,
        height="content",
        alt="Verdicts flipped and errors after each delivery",
        column_config={words: st.column_config.NumberColumn(format="percent") for words in table},
    )


def draw_neighbours(opened: Opened, _answer: StudyResult) -> None:
    """Offer the images whose neighbours disagree."""
    if "neighbours.is_agreeing" in opened.table and st.button(
        "Images whose neighbours disagree", icon=":material/grid_view:", key="evidence.disagree"
    ):
        state.show_images(opened.run.name, Filter().choosing("neighbours.is_agreeing", ["no"]))
