"""Evidence: what does the detector read?"""

import numpy as np
import pandas as pd
import streamlit as st

from core.explainers.probing import amplified
from core.images.labels import other_class
from core.images.palette import CLASS_COLOURS
from core.perturbations.probe import FAMILIES, Probe
from core.perturbations.table import PROBES
from core.runs.filter import Filter
from core.studies.neighbours import among_training
from core.studies.store import StudyResult
from dashboard import catalogue, library, state
from dashboard.components import charts
from dashboard.components.charts import rate_chart
from dashboard.components.findings import finding_table
from dashboard.components.fold import fold, unfold
from dashboard.components.glossary import explain
from dashboard.components.limits import draw_transfer
from dashboard.components.missing import how_to_get_pictures, offer_training_images
from dashboard.components.picture import Cell, picture_strip
from dashboard.components.plain import code, plain
from dashboard.components.probing import (
    Evidence,
    Shown,
    flipped,
    next_picture,
    rates_by,
    read_evidence,
    response,
    shown_picture,
    telling,
)
from dashboard.components.study import command, study_files, study_fold, study_of
from dashboard.components.words import CLASS_WORDS, heading, percent
from dashboard.library import Opened
from dashboard.state import Setting

OWN = [probe for probe in PROBES.values() if not probe.is_control]
BY = Setting("by", "category", {"category": "What it shows", "cell": "Right and wrong verdicts"})
RANKING = {
    "title": "change",
    "strength": "strength",
    "share": "flips",
    "control_share": "control flips",
    "net_low": "at least, beyond control",
    "size": "grey levels",
}


def draw_ranking(evidence: Evidence, setting: Setting) -> None:
    """Draw the changes that flip verdicts most easily, for each verdict; a ticked row is shown below."""
    for verdict, top in evidence.tops.items():
        st.markdown(f"#### What flips {CLASS_WORDS[verdict]} into {CLASS_WORDS[other_class(verdict)]}")
        key = f"evidence.ranking.{verdict}"

        def choose(key: str = key, top: pd.DataFrame = top) -> None:
            rows = st.session_state[key].selection.rows
            # as the browser sent it
            if rows and type(rows[0]) is int and 0 <= rows[0] < len(top):
                setting.set(str(top["probe"].iloc[rows[0]]))
                unfold("probe")

        shares = {
            name: st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
            for name in ("flips", "control flips", "at least, beyond control")
        }
        st.dataframe(
            top[list(RANKING)].rename(columns=RANKING),
            hide_index=True,
            key=key,
            on_select=choose,
            selection_mode="single-row",
            alt=f"Changes by how easily they flip {verdict} verdicts",
            column_config={**shares, "grey levels": st.column_config.NumberColumn(format="%.1f")},
        )


def draw_probe(opened: Opened, evidence: Evidence, setting: Setting) -> None:
    """Draw the pictures of a change, how verdicts follow as it grows, and which images it flips."""
    probe = PROBES[setting.value]
    shown = shown_picture(opened, probe.key)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        setting.linked(
            st.selectbox,
            "The change",
            options=list(setting.choices or ()),
            format_func=lambda key: f"{FAMILIES[PROBES[key].family].title}: {PROBES[key].inline}",
            width=420,
        )
        rows = len(telling(shown.opened, probe.key)) if shown else 1
        st.button(
            "Another picture", icon=":material/refresh:", on_click=next_picture, args=(rows,), key="evidence.next"
        )
    if shown is None:
        st.info(f"No picture is available to show it on. {how_to_get_pictures()}", icon=":material/hide_image:")
    else:
        for made in (probe, *(PROBES[key] for key in probe.controls)):
            _draw_row(evidence, shown, probe, made)
        whose, images = (plain(shown.opened.run.manifest[key]) for key in ("detector", "set"))
        st.caption(f"Frames are what {whose} calls each picture, which is from {images}.")
    st.markdown("**How verdicts follow as the change grows**")
    st.caption("Share of verdicts that flip: ◆ FAKE, ● REAL, dashed and hollow the control.", help=explain("Control"))
    family = [each for each in OWN if each.family == probe.family and each.key in set(evidence.rates["probe"])]
    with st.grid(3, min_column_width=250, gap="medium") as grid:
        for each in family:
            own = evidence.rates[(evidence.rates["probe"] == each.key) & (evidence.rates["images"] > 0)]
            said = "; ".join(f"{row.flipped}, {row.strength}: {percent(row.share, 0)}" for row in own.itertuples())
            with grid.cell():
                st.markdown(f"**{each.title}**")
                alt = f"Share of verdicts flipped by {each.inline}. {said}"
                charts.show(response(own), key=f"evidence.response.{each.key}", alt=alt)
    _draw_groups(opened, evidence, probe)


def _draw_row(evidence: Evidence, shown: Shown, probe: Probe, made: Probe) -> None:
    """Draw the example under each strength of a probe, or of one of its controls, with the shares that flip."""
    st.markdown(f"**{made.title if made is probe else f'Control: {made.inline}'}**")
    st.caption(made.sentence)
    before, cells = shown.example.before(probe), []
    # without a donor there is no picture of the other class to begin with
    if made is probe and not (probe.changes_donor and shown.example.donor is None):
        called = str(shown.opened.table["predicted"].iloc[shown.example.row])
        called = other_class(called) if probe.changes_donor else called  # type: ignore[arg-type]
        cells.append(Cell(before, f"An image called {called}", "as it is", called))
    for strength in made.at(shown.side):
        column = made.column(strength.key)
        picture = shown.example.pictures.get(column)
        if picture is None:
            continue
        rates = [evidence.rate(verdict, column) for verdict in evidence.tops]
        flips = [f"{CLASS_WORDS[row['flipped']]} {percent(row['share'])}" for row in rates if row and row["images"]]
        caption = f"{strength.told}; flip: {', '.join(flips) or 'not measured'}"
        alt = f"After {made.inline}, {strength.label}"
        cells.append(Cell(picture, alt, caption, shown.verdict(column)))
        if made is probe and strength is made.at(shown.side)[-1]:
            difference, gain = amplified(picture, before)
            cells.append(Cell(difference, "The difference", f"what {strength.label} changed, {gain} times as strong"))
    picture_strip(cells, width=130)


def _draw_groups(opened: Opened, evidence: Evidence, probe: Probe) -> None:
    """Draw how often one strength of a probe flips verdicts, by category or by right and wrong verdicts."""
    st.markdown("**Which images it flips**")
    ranked = {} if evidence.first is None else dict(zip(evidence.first["probe"], evidence.first["column"], strict=True))
    best = ranked.get(probe.key, probe.columns[-1])
    keys = [strength.key for strength in probe.strengths]
    words = {strength.key: strength.told for strength in probe.at(opened.run.side)}
    chosen = Setting("strength", keys[probe.columns.index(best)], words)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen.choose("How much")
        BY.choose("By")
    column = probe.column(chosen.value)
    rates = rates_by(evidence, BY.value, probe.key)
    rates = rates[(rates["column"] == column) & (rates["images"] > 0)]
    with st.grid(2, min_column_width=400, gap="large") as grid:
        for verdict in evidence.tops:
            own = rates[rates["verdict"] == verdict].sort_values("share", ascending=False, kind="stable")
            if own.empty:
                continue
            overall = evidence.rate(verdict, column)
            drawn = own.rename(columns={"group": "value", "share": "rate", "control_share": "expected"})
            drawn = drawn.drop(columns="wrong", errors="ignore").astype({"expected": float})
            with grid.cell():
                st.markdown(f"#### {CLASS_WORDS[str(own['flipped'].iloc[0])]} verdicts")
                value = rate_chart(
                    drawn,
                    key=f"evidence.groups.{verdict}",
                    title="Share of verdicts that flip, by group",
                    opens="Show the images of one group",
                    overall=None if overall is None or np.isnan(overall["share"]) else float(overall["share"]),
                    colour=CLASS_COLOURS[verdict],
                )
            if value is not None:
                # without a category there is nothing to filter by
                field = "category" if BY.value == "category" else "label"
                also = [] if (field, value) == ("category", "unknown") else [(field, value)]
                state.go("mistakes", run=opened.run.name, wanted=flipped(verdict, column, also))


def draw_neighbours(opened: Opened, answer: StudyResult) -> None:
    """Offer the training images where those were not searched, and the images whose neighbours disagree."""
    if len(answer.table) and not among_training(answer.table):
        some = f" --images {len(answer.table)}" if len(answer.table) < len(opened.run) else ""
        again = code(f"{command(opened, 'neighbours')}{some}")
        sentence = f"With its training images available, run {again} to look among those."
        offer_training_images(sentence, catalogue.maker(opened.run), key="evidence.fetch")
    if "neighbours.agrees" in opened.table and st.button(
        "Images whose neighbours disagree", icon=":material/grid_view:", key="evidence.disagree"
    ):
        state.go("mistakes", run=opened.run.name, wanted=Filter().choosing("neighbours.agrees", ["no"]))


opened = library.current()
heading(
    "What does the detector read?",
    "One thing about each image is changed and the detector is run again. If the verdict flips, but not under a "
    "control that changes something else by as much, it rested on that thing.",
    help=explain("Study", "Control"),
)
if opened.table.empty:
    st.info("This run holds no image, so nothing was asked; choose another one on the left.")
    st.stop()

probes = study_of(opened, "probes")
if probes is not None and len(probes.table):
    finding_table(probes.findings)
    evidence = read_evidence(opened, probes)
    # the first of the ranking, of FAKE verdicts if any
    top = "lowpass" if evidence.first is None else str(evidence.first["probe"].iloc[0])
    setting = Setting("probe", top, choices=tuple(probe.key for probe in OWN))
    with fold(
        "ranking",
        "Which change flips verdicts most easily?",
        explained="Each change at its best strength: the share that flips for sure beyond its control, for each grey "
        "level of change. Tick a row to see that change below.",
        help=explain("Probe", "Control", "Radius"),
    ) as is_open:
        if is_open:
            draw_ranking(evidence, setting)
    with fold("probe", "What does a change do?", f"Here: {PROBES[setting.value].inline}.") as is_open:
        if is_open:
            draw_probe(opened, evidence, setting)
    study_files(opened, probes, key="evidence.probes", tables={"Rates": lambda: evidence.rates})

with study_fold(
    opened,
    "transfer",
    "How far does a verdict carry?",
    explained="Pictures that the detector was not made for, saved as JPEG as CIFAKE's are; intervals resample "
    "generators and photographs, not pictures.",
    help=explain("Transfer", "Resampling filter"),
) as answer:
    if answer is not None:
        draw_transfer(answer)
        study_files(opened, answer, key="evidence.transfer")
with study_fold(
    opened,
    "deliveries",
    "Which verdicts survive delivery?",
    explained="Every image, resized for the detector, after JPEG, WebP, scaling, a screenshot, a messenger.",
    help=explain("Delivery", "Control"),
) as answer:
    if answer is not None:
        study_files(opened, answer, key="evidence.deliveries")
with study_fold(
    opened,
    "neighbours",
    "Which images look alike to it?",
    explained="For each image, the training images (or, without them, the run's other images) with the most similar "
    "features, and whether their labels match the verdict.",
    help=explain("Neighbours", "Features"),
) as answer:
    if answer is not None:
        draw_neighbours(opened, answer)
        study_files(opened, answer, key="evidence.neighbours")
