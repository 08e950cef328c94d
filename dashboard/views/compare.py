"""Compare: which of two detectors is right more often, and where do they differ?"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import permutations

import pandas as pd
import streamlit as st

from core.detectors.identity import contains, find_maker
from core.findings.claims import claim_status
from core.findings.finding import Finding, find
from core.findings.table import findings_text
from core.runs.filter import Filter
from core.runs.metrics import calibration, largest
from core.storage import ContractError, glance_at_folder
from core.studies.comparison import SEVERAL, TRUST, Comparison, as_row
from core.studies.pair import pair_of
from core.studies.store import StudyResult
from core.studies.study import StudyError
from dashboard import catalogue, library, state
from dashboard.components import charts, curves
from dashboard.components.charts import rate_chart
from dashboard.components.component import key_of
from dashboard.components.curves import MOST_POINTS, beside, margins
from dashboard.components.downloads import csv_button
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain, with_code
from dashboard.components.study import command
from dashboard.components.words import heading, section
from dashboard.library import BY_STAMP, Opened
from dashboard.sidebar import run_label
from dashboard.state import Setting
from dashboard.visitors import for_visitors

# outcome -> whether the first and the second are right
RIGHT = {"only first wrong": (False, True), "only second wrong": (True, False), "both wrong": (False, False)}
OUTCOMES = ("wrong", "right")


def others(opened: Opened) -> list[str]:
    """Return the names of the other runs on the same images, by their manifests."""
    found = []
    for name, path in catalogue.runs().items():
        try:
            manifest = glance_at_folder(path, "run")
        except ContractError:
            # the sidebar says why
            continue
        if path != opened.run.path and manifest.get("set_fingerprint") == opened.run.manifest["set_fingerprint"]:
            found.append(name)
    return found


def refusal(opened: Opened, name: str) -> str:
    """Say why a run cannot be compared; "" where it can."""
    path = catalogue.runs().get(name)
    if path is None:
        return "The other run in this address is not here."
    if path == opened.run.path:
        return "The other run in this address is this very run."
    try:
        pair_of(opened.run, library.open_run(path).run)
    except (StudyError, ContractError) as error:
        return with_code(for_visitors(error, homes=catalogue.homes()))
    return ""


def choose_other(opened: Opened, there: list[str]) -> Opened:
    """Draw the choice of the other run and open it; where it cannot be compared, say why and stop the page."""
    asked = st.query_params.get("versus")
    first = next((name for name in there if not refusal(opened, name)), there[0])
    setting = Setting("versus", first, choices=there)
    if asked and asked not in there:
        st.info(f"{refusal(opened, asked)} Showing {plain(run_label(first))} instead.", icon=":material/link_off:")
    setting.linked(
        st.selectbox,
        "Compare with",
        options=there,
        format_func=run_label,
        width=340,
        help="Every other run on the same images; `python -m core predict` makes one.",
    )
    if sentence := refusal(opened, setting.value):
        st.error(sentence)
        st.stop()
    return library.open_run(catalogue.runs()[setting.value])


@st.cache_resource(max_entries=4, show_spinner="Comparing", hash_funcs=BY_STAMP)
def compared(opened: Opened, other: Opened) -> Comparison:
    """Compare two runs; remembered for all visitors."""
    return Comparison(pair_of(opened.run, other.run), (partial(read, opened), partial(read, other)))


def read(opened: Opened, name: str) -> StudyResult | None:
    """Read a study of a run; None where there is none, or where it (or its findings) cannot be read."""
    try:
        found = library.study_of(opened, name)
        # of the other studies it is the values that are compared
        if found is not None and name in TRUST:
            _ = found.findings
    except ContractError:
        return None
    return found


def verdict(accuracy: Finding | None, names: tuple[str, str]) -> str | None:
    """Say which detector is right more often."""
    if accuracy is None:
        return None
    first, second = map(plain, names)
    sign = claim_status(accuracy).sign
    if not sign:
        return "**No difference in accuracy was found.**"
    return f"**{first} is right more often than {second}.**" if sign > 0 else (
        f"**{second} is right more often than {first}.**"
    )  # fmt: skip


def pair_table(findings: Iterable[Finding], names: tuple[str, str], *, key: str) -> None:
    """Draw findings on two detectors: the number of the first, of the second, and the difference."""
    table = findings_text(findings)
    if table.empty:
        return
    both = {"Effect": names[0], "Control": names[1]}
    table["Control"] = table["Control"].str.partition(",")[0]
    table = table.rename(columns=both)[["Question", "Of", "Group", *both.values(), "Difference", "Status"]]
    table = table.loc[:, (table != "").any()]
    st.dataframe(table, hide_index=True, alt="Both detectors, and the difference", key=key)


def draw_shared_networks() -> None:
    """Say where one detector is among the networks of the other, so that both share errors."""
    detectors = catalogue.detectors()
    for (one, name), (rest, part) in permutations(zip((opened.run, other.run), names, strict=True)):
        made_by = detectors.get(find_maker(one.manifest, detectors) or "")
        if made_by is not None and contains(made_by.manifest, rest.manifest):
            st.caption(
                f"{plain(part)} is one of the {len(made_by.manifest['members'])} networks that {plain(name)} joins, so "
                "their errors are not independent."
            )


def draw_outcomes() -> None:
    """Draw for each class how often only one detector, or both, are wrong; a bar opens those images in Explore."""
    words = {"only first wrong": f"only {names[0]} is wrong", "only second wrong": f"only {names[1]} is wrong"}
    rows = comparison.outcomes
    rows = rows.assign(
        value=rows["label"] + ": " + rows["outcome"].map(lambda outcome: words.get(outcome, "both are wrong"))
    )
    section(
        "Who is wrong where",
        "Share of each class, with 95% intervals. The diamond is how often both would be wrong if their errors had "
        "nothing in common. Click a bar to see its images.",
        help=explain("Interval"),
    )
    key = key_of("compare.outcomes", other.run.name)
    chosen = rate_chart(rows, key=key, title="Shares of each class", opens="Show the images of a bar")
    if chosen is not None:
        row = rows[rows["value"] == chosen].iloc[0]
        own, of_other = (OUTCOMES[right] for right in RIGHT[row["outcome"]])
        wanted = Filter().choosing("label", [row["label"]]).choosing("correct", [own])
        explore(wanted.choosing("versus.correct", [of_other]))


def explore(wanted: Filter) -> None:
    """Open Explore with the other detector's verdicts as filters beside this one's."""
    state.go("mistakes", run=opened.run.name, wanted=wanted, versus=other.run.name)


def draw_values(findings: list[Finding], unit: str, key: str, name_of: Callable[[Finding], str] | None = None) -> None:
    """Draw findings as dots beside each other, and as a table."""
    rows = [as_row(finding, name_of(finding) if name_of else name(finding)) for finding in findings]
    figure = beside(pd.DataFrame(rows), names, unit=unit)
    charts.show(figure, key=f"compare.{key}", alt=f"{unit} of both detectors; the table has the numbers")
    pair_table(findings, names, key=f"compare.{key}.table")


def name(finding: Finding) -> str:
    """Name what a finding of a comparison is about."""
    subject = finding.subject or str(finding.details.get("title") or finding.details.get("source") or finding.key)
    return f"{subject}, {finding.group}" if finding.group else subject


def draw_column(column: str) -> None:
    """Draw the accuracy of both by the values of a column."""
    findings = comparison.broken_down[column]
    st.caption(
        f"Accuracy by {column}, largest difference first. Intervals are simultaneous: all hold together with 95% "
        "confidence.",
        help=explain("Accuracy", "Interval"),
    )
    rows = [as_row(finding, str(finding.details["value"]).replace("_", " ")) for finding in findings]
    figure = beside(largest(pd.DataFrame(rows)), names, unit="accuracy")
    charts.show(figure, key=f"compare.{column}", alt=f"Accuracy of both by {column}; the table has the numbers")
    value = st.selectbox(
        f"Show the images of one {column} in Explore",
        [str(finding.details["value"]) for finding in findings],
        index=None,
        placeholder=f"Choose one of {len(findings)}",
        key=f"compare.{column}.open",
        width=320,
    )
    if value is not None:
        explore(Filter().choosing(column, [value]))
    pair_table(findings, names, key=f"compare.{column}.table")


def draw_margins() -> None:
    """Draw the margins of both against each other."""
    st.caption(
        "Each point is an image. In the upper right both say REAL, in the lower left both say FAKE; in the other "
        f"quarters they disagree. At most {MOST_POINTS:,} are drawn, those that either gets wrong first.",
        help=explain("Margin", "Rank correlation"),
    )
    charts.show(margins(comparison.pair), key="compare.margins", alt="Margins of both detectors; the table has numbers")
    wanted = [finding for finding in comparison.findings if finding.key.startswith("margins") or finding.key == "auroc"]
    pair_table(wanted, names, key="compare.margins.table")


def draw_calibration() -> None:
    """Draw how often verdicts of each confidence are right."""
    st.caption("How often verdicts of each confidence are right.", help=explain("Calibration", "Brier score"))
    bins = {name: calibration(run.judged) for name, run in zip(names, (opened, other), strict=True)}
    charts.show(curves.calibration(bins), key="compare.calibration", alt="Calibration of both detectors")
    wanted = [finding for finding in comparison.findings if finding.key == "confidence"]
    pair_table(wanted, names, key="compare.calibration.table")


def draw_study(study: str, findings: list[Finding], about: str, unit: str) -> None:
    """Draw what a study of both runs comes to; or which of the two lacks it, and how it is made."""
    st.caption(about, help=explain("Control", "Interval"))
    lacking = [run for run, its in zip((opened, other), comparison.studies(study), strict=True) if its is None]
    for run in lacking:
        st.info(
            f"The study {study} of {plain(run.run.name)} has not been made, or cannot be read. To make it, run "
            f"{code(command(run, study, there=True))} and reload this page.",
            icon=":material/science:",
        )
    if findings:
        draw_values(findings, unit, study)
    elif not lacking:
        again = code(command(opened, study))
        st.info(f"The two have nothing, or too few images, in common; {again} measures all images of one run.")
    if study == "probes" and findings:
        csv = f"{opened.run.name}-{other.run.name}-probes.csv"
        csv_button("Every change (CSV)", comparison.changes, csv, key="compare.reads.csv")


def draw_explanations() -> None:
    """Draw the findings on explanations that both runs have, those that differ in status first."""
    if not comparison.explanations:
        st.info("The two have no study of explanations in common; the page Trust says how one is made.")
        return
    pairs = sorted(comparison.explanations, key=lambda pair: pair.alike)
    texts = [findings_text([finding for pair in pairs for finding in (getattr(pair, side),)])
             for side in ("first", "second")]  # fmt: skip
    table = pd.DataFrame({"study": [pair.title for pair in pairs], "finding": [name(pair.first) for pair in pairs]})
    for detector, text in zip(names, texts, strict=True):
        table[detector] = text["Difference"].where(text["Difference"] != "", text["Effect"])
        table[f"{detector}, status"] = text["Status"]
    st.dataframe(table, hide_index=True, alt="Findings on explanations of both detectors, and their status")


opened = library.current().origin
there = others(opened)
detector, images = (plain(str(opened.run.manifest[key])) for key in ("detector", "set"))
shows = f"**{detector}** beside another detector, image by image, on **{images}**."
title = "Which detector is right more often, and where do they differ?"
if opened.judged.empty or not there:
    heading(title, shows)
    if opened.judged.empty:
        st.info("This run holds no image, so there is nothing to compare; choose another one on the left.")
    else:
        make = code("python -m core predict DETECTOR --data DATA")
        st.info(f"There is no other run on these images. Make one with {make} and reload this page.")
    st.stop()

top = st.container()
other = choose_other(opened, there)
comparison = compared(opened, other)
names = comparison.pair.names
with top:
    conclusion = verdict(find(comparison.findings, "accuracy"), names)
    heading(title, shows, conclusion, help=explain("Detector", "Interval", "McNemar's test"))
first = [finding for finding in comparison.findings if not finding.key.startswith(("margins", "confidence"))]
pair_table(first, names, key="compare.accuracy")
draw_shared_networks()
draw_outcomes()

parts: dict[str, tuple[str, Callable[[], None]]] = {
    column: (f"By {column}", partial(draw_column, column)) for column in SEVERAL if column in comparison.broken_down
}
PROBES = "Share of verdicts that a change flips beyond its control, on images that both call the same."
DELIVERIES = "Accuracy after the same images are saved, scaled or sent again."
OTHER = "Accuracy on pictures by other generators (FAKE) and on photographs (REAL), resampled by their source."
parts |= {
    "margins": ("Margins", draw_margins),
    "calibration": ("Calibration", draw_calibration),
    "reads": ("What each reads", lambda: draw_study("probes", comparison.reads, PROBES, "flips beyond the control")),
    "deliveries": ("Deliveries", lambda: draw_study("deliveries", comparison.deliveries, DELIVERIES, "accuracy")),
    "other": ("Other images", lambda: draw_study("transfer", comparison.other_images, OTHER, "accuracy")),
    "explanations": ("Explanations", draw_explanations),
}
st.space("small")
more = Setting("more", None, choices={key: words for key, (words, _) in parts.items()})
# only the chosen part is computed
if part := more.choose("Look closer", required=False):
    st.subheader(parts[part][0], anchor=False)
    parts[part][1]()
