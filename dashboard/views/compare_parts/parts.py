"""Parts of the page Compare: who is wrong where, and what opens on demand."""

from collections.abc import Callable
from itertools import permutations

import pandas as pd
import streamlit as st

from core.detectors.identity import contains, find_maker
from core.findings.finding import Finding, find
from core.findings.words import comparison as words
from core.findings.words import elsewhere, tell
from core.runs.filter import Filter
from core.runs.metrics import calibration, largest
from core.studies.comparison import SEVERAL, Comparison, as_row
from dashboard import catalogue, state
from dashboard.components import charts
from dashboard.components.bars import rate_bars
from dashboard.components.component import key_of
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain
from dashboard.components.study import bullets, command, csv_button, markdown
from dashboard.components.words import section
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.views.compare_parts import figures

# outcome -> whether the first and the second are right
RIGHT = {"only first wrong": (False, True), "only second wrong": (True, False), "both wrong": (False, False)}
OUTCOMES = ("wrong", "right")


def draw_shared_networks(opened: Opened, other: Opened, names: tuple[str, str]) -> None:
    """Say where one detector is among the networks of the other, so that both share errors."""
    detectors = catalogue.detectors()
    for (one, name), (rest, part) in permutations(zip((opened.run, other.run), names, strict=True)):
        made_by = detectors.get(find_maker(one.manifest, detectors) or "")
        if made_by is not None and contains(made_by.manifest, rest.manifest):
            of = len(made_by.manifest["members"])
            st.markdown(
                f"**{plain(part)}** is one of the {of} networks that **{plain(name)}** joins, so their errors are not "
                "independent."
            )


def draw_outcomes(opened: Opened, other: Opened, found: Comparison) -> None:
    """Draw for each class how often only one detector, or both, are wrong; a click opens those images in Explore."""
    first, second = found.pair.names
    named = {"only first wrong": f"only {first} is wrong", "only second wrong": f"only {second} is wrong"}
    rows = found.outcomes
    rows = rows.assign(value=rows["label"] + ": " + rows["outcome"].map(lambda one: named.get(one, "both are wrong")))
    section(
        "Who is wrong where",
        "Share of each class, with 95% intervals. The diamond is how often both would be wrong if their errors had "
        "nothing in common. Click a bar to see its images.",
        help=explain("Interval"),
    )
    chosen = rate_bars(
        rows, overall=None, key=key_of("compare.outcomes", other.run.name), title="Shares of each class", wide=True
    )
    if chosen is not None:
        row = rows[rows["value"] == chosen].iloc[0]
        own, others = (OUTCOMES[right] for right in RIGHT[row["outcome"]])
        wanted = Filter().choosing("label", [row["label"]]).choosing("correct", [own])
        wanted = wanted.choosing("versus.correct", [others])
        state.go("explore", run=opened.run.name, wanted=wanted, versus=other.run.name)


def draw_more(opened: Opened, other: Opened, found: Comparison) -> None:
    """Draw a choice of further parts, and the chosen one; only that one is computed."""
    drawers: dict[str, tuple[str, Callable[[], None]]] = {
        column: (f"By {column}", lambda column=column: _draw_column(opened, other, found, column)) for column in SEVERAL  # type: ignore[misc]
        if column in found.broken_down
    }  # fmt: skip
    drawers |= {
        "margins": ("Margins", lambda: _draw_margins(found)),
        "calibration": ("Calibration", lambda: _draw_calibration(opened, other, found)),
        "reads": ("What each reads", lambda: _draw_reads(opened, other, found)),
        "deliveries": ("Deliveries", lambda: _draw_deliveries(opened, other, found)),
        "other": ("Other images", lambda: _draw_other_images(opened, other, found)),
        "explanations": ("Explanations", lambda: _draw_explanations(found)),
    }
    st.space("small")
    more = Setting("more", None, choices={key: title for key, (title, _) in drawers.items()})
    if chosen := more.choose("Look closer", required=False):
        drawers[chosen][1]()


def _draw_column(opened: Opened, other: Opened, found: Comparison, column: str) -> None:
    rows = found.broken_down[column]
    section(
        f"Accuracy by {column}",
        "Largest difference first. Intervals are simultaneous: all hold together with 95% confidence. The sentence "
        "goes by the paired differences.",
        help=explain("Accuracy", "Interval"),
    )
    st.markdown(markdown(words.by_value(rows, SEVERAL[column])))
    of = len(set(found.pair.values(column)) - {None})
    if of > len(rows):
        st.caption(f"The {len(rows)} of {of:,} {SEVERAL[column]} with the most images.")
    table = largest(pd.DataFrame([as_row(one, str(one.details["value"]).replace("_", " ")) for one in rows]))
    figure = figures.beside(table, found.pair.names, unit="accuracy")
    charts.show(figure, key=f"compare.{column}", alt=" ".join(str(tell(one).answer) for one in rows))
    value = st.selectbox(
        f"Show the images of one {column} in Explore",
        [str(one.details["value"]) for one in rows],
        index=None,
        placeholder=f"Choose one of {len(rows)}",
        key=f"compare.{column}.open",
        width=320,
        help="With the other detector's verdicts as filters beside them.",
    )
    if value is not None:
        wanted = Filter().choosing(column, [value])
        state.go("explore", run=opened.run.name, wanted=wanted, versus=other.run.name)
    with st.expander("Every number"):
        bullets(rows)


def _draw_margins(found: Comparison) -> None:
    first, second = (plain(name) for name in found.pair.names)
    section(
        "Margins against each other",
        f"Each point is an image: across the margin of {first}, up that of {second}. In the upper right both say REAL, "
        "in the lower left both say FAKE; in the other quarters they disagree.",
        help=explain("Margin", "Rank correlation"),
    )
    told = [one for one in found.findings if one.key.startswith("margins")]
    figure = figures.margins(found.pair)
    charts.show(figure, key="compare.margins", alt=" ".join(str(tell(one).answer) for one in told))
    if (images := len(found.pair.is_real)) > figures.MOST_POINTS:
        st.caption(
            f"{figures.MOST_POINTS:,} of the {images:,} images are drawn: first those that either gets wrong (an even "
            "selection where there are very many), then an even selection of the others."
        )
    bullets([*told, *_found(found, "auroc")])


def _draw_calibration(opened: Opened, other: Opened, found: Comparison) -> None:
    section(
        "Calibration",
        "How often verdicts of each confidence are right, with 95% intervals. If confidence could be taken at its "
        "word, all points would lie on the dotted line.",
        help=explain("Calibration", "Brier score"),
    )
    curves = [calibration(one.judged) for one in (opened, other)]
    told = _found(found, "confidence")
    alt = " ".join(str(tell(one).whole) for one in told)
    charts.show(figures.calibrations(curves[0], curves[1], found.pair.names), key="compare.calibration", alt=alt)
    bullets(told)


def _found(found: Comparison, key: str) -> list[Finding]:
    one = find(found.findings, key)
    return [] if one is None else [one]


def _draw_reads(opened: Opened, other: Opened, found: Comparison) -> None:
    section(
        "What each reads",
        "Share of verdicts that a change flips beyond its control (or at all, without one), on images that both "
        "detectors call the same. Intervals are simultaneous: all hold together with 95% confidence.",
        help=explain("Probe", "Control"),
    )
    nothing = (
        "The probes of the two have no change, or too few images, in common. Samples of two runs share few images: "
        f"make those of one run of all images, with {code(command(opened, 'probes'))}."
    )
    if not _has_values("probes", found.reads, opened, other, found, nothing=nothing):
        return
    table = pd.DataFrame([as_row(one, f"{one.details['title']}, {one.group}") for one in found.reads])
    figure = figures.beside(table, found.pair.names, unit="verdicts flipped beyond the control")
    charts.show(figure, key="compare.reads", alt="What flips verdicts of each detector; the list below has the numbers")
    st.markdown(markdown(words.reading(found.reads)))
    with st.expander("Every difference in full"):
        bullets(found.reads)
    csv_button(
        "Every change (CSV)",
        found.changes,
        f"{opened.run.name}-{other.run.name}-probes.csv",
        key="compare.reads.csv",
        help="Every strength of every change that both files have, with paired intervals of the difference.",
    )


def _has_values(
    study: str, values: list[Finding], opened: Opened, other: Opened, found: Comparison, *, nothing: str
) -> bool:
    """Say which of the two runs lacks a study and how it is made, or `nothing`; returns whether there are values."""
    lacking = [one for one, its in zip((opened, other), found.studies(study), strict=True) if its is None]
    for one in lacking:
        st.info(
            f"The study {study} of {plain(one.run.name)} has not been made, or cannot be read. To make it, run "
            f"{code(command(one, study, there=True))} and reload this page.",
            icon=":material/science:",
        )
    if not values and not lacking:
        st.info(nothing)
    return bool(values)


def _draw_deliveries(opened: Opened, other: Opened, found: Comparison) -> None:
    section(
        "After deliveries",
        "How often each detector is right after the same images are saved, scaled or sent again. The sentence goes by "
        "differences on the same images, which can be clear even where two intervals overlap; all intervals hold "
        "together with 95% confidence.",
        help=explain("Delivery", "Accuracy"),
    )
    nothing = "The two have no delivery, or too few images, in common. Samples of two runs share few images."
    if not _has_values("deliveries", found.deliveries, opened, other, found, nothing=nothing):
        return
    table = pd.DataFrame([as_row(one, elsewhere.delivery_name(one)) for one in found.deliveries])
    told = elsewhere.after_deliveries(found.deliveries)
    charts.show(figures.beside(table, found.pair.names, unit="accuracy"), key="compare.deliveries", alt=str(told))
    st.markdown(markdown(told))
    with st.expander("Every number"):
        bullets(found.deliveries)


def _draw_other_images(opened: Opened, other: Opened, found: Comparison) -> None:
    section(
        "On images of other sources",
        "How often each detector is right on pictures by other generators (FAKE) and on photographs (REAL). Images of "
        "one generator or photograph are alike, so few of those make wide 95% intervals, however many the images.",
        help=explain("Interval"),
    )
    nothing = "The two were not measured on the same images of other sources."
    if not _has_values("transfer", found.other_images, opened, other, found, nothing=nothing):
        return
    table = pd.DataFrame([as_row(one, elsewhere.other_source(one)) for one in found.other_images])
    alt = " ".join(str(tell(one).answer) for one in found.other_images)
    charts.show(figures.beside(table, found.pair.names, unit="accuracy"), key="compare.other", alt=alt)
    bullets(found.other_images)


def _draw_explanations(found: Comparison) -> None:
    section(
        "Which explanations hold for which detector",
        "Findings on explanations that both runs have: each minus its own control, or the number alone where no such "
        "difference was measured. The choice that a number was measured under is in brackets.",
        help=explain("Control", "Faithfulness"),
    )
    if not found.explanations:
        st.info("The two have no study of explanations in common; the page Trust says how one is made.")
        return
    unlike = [one for one in found.explanations if not one.alike]
    many = len(found.explanations)
    st.markdown(
        f"{len(unlike)} of {many} findings differ in status." if unlike else
        f"All {many} findings have the same status."
    )  # fmt: skip
    st.dataframe(
        _table(found), hide_index=True, alt="Findings on explanations of both detectors, and whether each is claimed"
    )


def _table(found: Comparison) -> pd.DataFrame:
    first, second = found.pair.names
    rows = [
        {
            "study": one.title,
            "finding": words.subject(one.first),
            **{
                name: f"{words.beside_control(each)}, {words.stands(each)}"
                for name, each in zip((first, second), (one.first, one.second), strict=True)
            },
        }
        for one in found.explanations
    ]
    return pd.DataFrame(rows)
