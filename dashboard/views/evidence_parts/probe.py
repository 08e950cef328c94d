"""One probe up close: what it does to a picture, how verdicts follow as it grows, and which images it flips."""

import numpy as np
import pandas as pd
import streamlit as st

from core.explainers.probing import amplified
from core.images.labels import other_class
from core.perturbations.probe import FAMILIES, Probe, Strength
from core.perturbations.table import PROBES
from dashboard.components import charts
from dashboard.components import charts as evidence_charts
from dashboard.components.glossary import explain
from dashboard.components.missing import how_to_get_pictures
from dashboard.components.picture_rows import Cell, Row, picture_rows
from dashboard.components.plain import plain
from dashboard.components.words import CLASS_WORDS, percent, section
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.views.evidence_parts.controlled_rates import controlled_rates
from dashboard.views.evidence_parts.ranking import bar_of
from dashboard.views.evidence_parts.setup import (
    Evidence,
    Shown,
    next_picture,
    open_turned,
    own_probes,
    rates_by,
    telling,
)

# of the heading that names in the ranking lead to
ANCHOR = "see-it"
BY = Setting("by", "category", choices=("category", "cell"))
BY_NAMES = {"category": "What it shows", "cell": "Right and wrong verdicts"}


def probe_setting(evidence: Evidence) -> Setting:
    """Return the setting for the probe shown; it defaults to the first in the ranking, of FAKE verdicts if any."""
    top = "lowpass" if evidence.first is None else str(evidence.first["probe"].iloc[0])
    return Setting("probe", top, choices=tuple(probe.key for probe in own_probes()))


def draw(opened: Opened, evidence: Evidence, shown: Shown | None, setting: Setting) -> None:
    """Draw the pictures of a probe, how verdicts follow as it grows, and which images it flips."""
    st.subheader("See what a change does", anchor=ANCHOR, help=explain("Low-pass", "Spectrum"))
    st.caption("One picture under each strength of a change and of its control, which changes something else as much.")
    probe = choose_probe(setting, shown)
    draw_pictures(evidence, shown, probe)
    section(
        "How verdicts follow as the change grows",
        f"Share of verdicts that flip, with 95% intervals: ● {CLASS_WORDS['FAKE']}, ■ {CLASS_WORDS['REAL']}, dashed "
        "and hollow the control. If a cue matters, its curve rises with the change and pulls away from the control.",
        help=explain("Interval", "Control"),
    )
    draw_responses(evidence, probe)
    section(
        "Which images it flips",
        "The same by group; dashed the share of all. A group that stands out has pictures that rest on this more than "
        "others do. A click shows them.",
    )
    draw_groups(opened, evidence, probe)


def told(setting: Setting) -> str:
    """The title of the probe that is looked at, as it stands in a sentence."""
    return PROBES[setting.value].inline


def choose_probe(setting: Setting, shown: Shown | None) -> Probe:
    """The select box, and the button for another picture."""
    rows = len(telling(shown.opened, setting.value)) if shown else 1
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        setting.linked(
            st.selectbox,
            "The change",
            options=list(setting.choices or ()),
            format_func=lambda key: f"{FAMILIES[PROBES[key].family].title}: {PROBES[key].inline}",
            width=420,
        )
        st.button(
            "Another picture", icon=":material/refresh:", on_click=next_picture, args=(rows,), key="evidence.next"
        )
    return PROBES[setting.value]


def draw_pictures(evidence: Evidence, shown: Shown | None, probe: Probe) -> None:
    """Draw the example under each strength of a probe and its controls, with the share of verdicts that each flips."""
    if shown is None:
        st.info(f"No picture is at hand to show it on. {how_to_get_pictures()}", icon=":material/hide_image:")
        return
    rows = [_changed(evidence, shown, probe, PROBES[probe.key]), _differences(shown, probe)]
    rows += [_changed(evidence, shown, probe, PROBES[key]) for key in probe.controls]
    picture_rows(["as it is", *(strength.told for strength in probe.at(shown.side))], rows, key="evidence.see")
    known = any(shown.verdict(column) for column in probe.columns)
    # another run's pictures may stand in for this one's, with what its detector calls them
    whose = plain(shown.opened.run.manifest["detector"])
    frames = f" The frame is what {whose} calls each picture." if known else ""
    if probe.controls:
        told = f"If a verdict flips here and not under the control, it rested on {probe.means}."
    else:
        told = "It has no control: a flip gives no reason."
    st.caption(
        f"Under the pictures: the share of the test set's FAKE and REAL verdicts that flip.{frames} {told} The picture "
        f"is from {plain(shown.opened.run.manifest['set'])}."
    )


def _changed(evidence: Evidence, shown: Shown, probe: Probe, made: Probe) -> Row:
    """The pictures of a probe, or of one of its controls beside it."""
    row = shown.opened.table.iloc[shown.example.row]
    own = made is probe
    first = None
    # without a donor there is no picture of the other class to begin with
    if own and not (probe.changes_donor and shown.example.donor is None):
        before = shown.example.before(probe)
        called = other_class(row["predicted"]) if probe.changes_donor else row["predicted"]
        first = Cell(before, f"An image called {called}", f"called {called}", edge=called)
    cells = [_cell(evidence, shown, made, strength) for strength in made.at(shown.side)]
    return Row(made.title if own else f"Control: {made.inline}", made.sentence, [first, *cells])


def _cell(evidence: Evidence, shown: Shown, probe: Probe, strength: Strength) -> Cell | None:
    column = probe.column(strength.key)
    picture = shown.example.pictures.get(column)
    if picture is None:
        return None
    rates = []
    for verdict in evidence.tops:
        rate = evidence.rate(verdict, column)
        if rate is not None and rate["images"]:
            ends = f"{percent(rate['low'])} to {percent(rate['high'])}"
            label = f"{percent(rate['share'])} ({ends}) of {rate['flipped']} verdicts flip"
            rates.append((rate["flipped"], f"{percent(rate['share'])} flip", label))
    called = shown.verdict(column)
    said = f", now called {called}" if called else ""
    made = "The other image with this image's fine detail" if probe.changes_donor else f"The image after {probe.inline}"
    return Cell(picture, f"{made}, {strength.label}{said}", "", called, tuple(rates))


def _differences(shown: Shown, probe: Probe) -> Row:
    before = shown.example.before(probe)
    cells: list[Cell | None] = []
    for strength in probe.at(shown.side):
        picture = shown.example.pictures.get(probe.column(strength.key))
        if picture is None:
            cells.append(None)
            continue
        difference, gain = amplified(picture, before)
        cells.append(
            Cell(
                difference,
                f"What {strength.label} changed, amplified",
                f"{gain} times as strong" if gain > 1 else "not amplified",
            )
        )
    return Row("What was changed", "The difference, amplified. Grey is where nothing changed.", [None, *cells])


def draw_responses(evidence: Evidence, probe: Probe) -> None:
    """How verdicts follow as each change of the probe's family grows."""
    rates = evidence.rates
    # a file of an earlier version lacks some
    family = [one for one in own_probes() if one.family == probe.family and one.key in set(rates["probe"])]
    with st.grid(3, min_column_width=250, gap="medium") as grid:
        for one in family:
            with grid.cell():
                st.markdown(f"**{one.title}**")
                if waves := "; ".join(
                    f"{strength.label}: {strength.waves}" for strength in one.strengths if strength.waves
                ):
                    st.caption(f"{waves[0].upper()}{waves[1:]}.")
                own = rates[(rates["probe"] == one.key) & (rates["images"] > 0)]
                beside = [
                    "no control" if pd.isna(share) else f"control {percent(share, 0)}" for share in own["control_share"]
                ]
                said = [
                    f"{row['flipped']}, {row['strength']}: {percent(row['share'], 0)}, {control}"
                    for (_, row), control in zip(own.iterrows(), beside, strict=True)
                ]
                charts.show(
                    evidence_charts.response(own),
                    key=f"evidence.response.{one.key}",
                    alt=f"Share of verdicts flipped by {one.inline}. {'; '.join(said)}",
                )


def draw_groups(opened: Opened, evidence: Evidence, probe: Probe) -> None:
    """Draw how often one strength of a probe flips verdicts, by category or by right and wrong verdicts."""
    ranked = {} if evidence.first is None else dict(zip(evidence.first["probe"], evidence.first["column"], strict=True))
    best = ranked.get(probe.key, probe.columns[-1])
    keys = [strength.key for strength in probe.strengths]
    chosen = Setting("strength", keys[probe.columns.index(best)], choices=tuple(keys))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen.linked(
            st.segmented_control,
            f"{probe.title}: how much",
            options=keys,
            format_func={strength.key: strength.told for strength in probe.at(opened.run.side)}.get,
            required=True,
        )
        BY.linked(st.segmented_control, "By", options=list(BY_NAMES), format_func=BY_NAMES.get, required=True)
    of, shown = len(set(evidence.turns.groups[BY.value])), len(evidence.turns.names(BY.value))
    if of > shown:
        st.caption(f"The {shown} of {of:,} categories of which the most images were asked.")
    rates = rates_by(evidence, BY.value, probe.key)
    rates = rates[(rates["column"] == probe.column(chosen.value)) & (rates["images"] > 0)]
    with st.grid(2, min_column_width=400, gap="large") as grid:
        for verdict in evidence.tops:
            with grid.cell():
                if probe.changes_donor:
                    turned = f"whose detail flips {other_class(verdict)} ones"
                    st.markdown(f"#### Images called {CLASS_WORDS[verdict]} {turned}")
                else:
                    st.markdown(f"#### {CLASS_WORDS[verdict]} verdicts that flip")
                _draw_group(opened, evidence, verdict, rates[rates["verdict"] == verdict])


def _draw_group(opened: Opened, evidence: Evidence, verdict: str, rates: pd.DataFrame) -> None:
    rates = rates.sort_values("share", ascending=False, kind="stable")
    column = str(rates["column"].iloc[0]) if len(rates) else ""
    bars = []
    for _, row in rates.iterrows():
        name = row["group"].replace("_", " ")
        if BY.value == "cell":
            name = f"is {row['group']}, {'rightly' if row['group'] == verdict else 'wrongly'} called {verdict}"
        bars.append(
            bar_of(row, key=row["group"], name=name, note=f"{row['images']:,} image{'s' * (row['images'] != 1)}")
        )
    turned = str(rates["flipped"].iloc[0]) if len(rates) else verdict
    overall = evidence.rate(verdict, column)
    clicked = controlled_rates(
        bars,
        key=f"evidence.groups.{verdict}",
        title=f"Share of {turned} verdicts that flip, by group",
        hue=turned,
        line=None if overall is None or np.isnan(overall["share"]) else float(overall["share"]),
    )
    # without a category there is nothing to filter by, but then the bar may be of all
    named = BY.value != "category" or clicked.rate != "unknown"
    if clicked.rate and (named or len(bars) == 1):
        field = "category" if BY.value == "category" else "label"
        open_turned(opened, verdict, column, [(field, clicked.rate)] if named else [])
