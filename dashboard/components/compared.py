"""Two detectors on the same images: which is right more often, and where they differ, one level down."""

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
from core.studies.comparison import TRUST, Comparison, as_row
from core.studies.pair import pair_of
from core.studies.store import StudyResult
from core.studies.study import StudyError
from dashboard import catalogue, library, state
from dashboard.components import charts, curves
from dashboard.components.charts import rate_chart
from dashboard.components.component import key_of
from dashboard.components.downloads import csv_button
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain, with_code
from dashboard.components.study import command
from dashboard.library import BY_STAMP, Opened
from dashboard.sidebar import run_label
from dashboard.state import Setting
from dashboard.visitors import for_visitors

# outcome -> whether the first and the second are right, as filters have it
RIGHT = {
    "only first wrong": ("wrong", "right"),
    "only second wrong": ("right", "wrong"),
    "both wrong": ("wrong", "wrong"),
}
# part -> title, caption, the study that is compared, its attribute of `Comparison`, unit
STUDIES = {
    "reads": (
        "What each reads",
        "Share of verdicts that a change flips beyond its control, on images that both call the same.",
        ("probes", "reads", "flips beyond the control"),
    ),
    "deliveries": (
        "Deliveries",
        "Accuracy after the same images are saved, scaled or sent again.",
        ("deliveries", "deliveries", "accuracy"),
    ),
    "other": (
        "Other images",
        "Accuracy on pictures by other generators (FAKE) and on photographs (REAL), resampled by their source.",
        ("transfer", "other_images", "accuracy"),
    ),
}
PARTS = {
    "category": "By category",
    "source": "By source",
    "margins": "Margins",
    "calibration": "Calibration",
    **{part: title for part, (title, *_) in STUDIES.items()},
    "explanations": "Explanations",
}


def draw_comparison(opened: Opened) -> None:
    """Draw the choice of another run on the same images, and both runs side by side."""
    names = others(opened)
    if opened.judged.empty or not names:
        make = code("python -m core predict DETECTOR --data DATA")
        st.info(f"There is no other run on these images. Make one with {make} and reload this page.")
        return
    asked = st.query_params.get("versus")
    first = next((name for name in names if not refusal(opened, name)), names[0])
    if asked and asked not in names:
        sentence = refusal(opened, asked)
        st.info(f"{sentence} Showing {plain(run_label(first))} instead.", icon=":material/link_off:")
    versus = Setting("versus", first, choices=names)
    versus.linked(st.selectbox, "Compare with", options=names, format_func=run_label, width=340)
    if sentence := refusal(opened, versus.value):
        st.error(sentence)
        return
    other = library.open_run(catalogue.runs()[versus.value])
    comparison = compared(opened, other)
    if (accuracy := find(comparison.findings, "accuracy")) is not None:
        # the second stands for its control
        winner, loser = map(plain, comparison.pair.names[:: claim_status(accuracy).sign or 1])
        shown = f"{winner} is right more often than {loser}" if claim_status(accuracy).sign else (
            "No difference in accuracy was found"
        )  # fmt: skip
        st.markdown(f"**{shown}.**", help=explain("Interval", "McNemar's test"))
    pair_table(comparison, keys=("accuracy", "recall", "both_wrong", "auroc"))
    _draw_shared_networks(opened, other, comparison)
    _draw_outcomes(opened, other, comparison)
    more = Setting("more", None, {key: words for key, words in PARTS.items() if _has_part(comparison, key)})
    # only the chosen part is computed
    if part := more.choose("Look closer", required=False):
        _draw_part(part, opened, other, comparison)


def others(opened: Opened) -> list[str]:
    """Return the names of the other runs on the same images, by their manifests."""
    found = []
    for name, path in catalogue.runs().items():
        try:
            fingerprint = glance_at_folder(path, "run").get("set_fingerprint")
        except ContractError:
            # the sidebar says why
            continue
        if path != opened.run.path and fingerprint == opened.run.manifest["set_fingerprint"]:
            found.append(name)
    return found


def refusal(opened: Opened, name: str) -> str:
    """Say why a run cannot be compared; "" where it can."""
    path = catalogue.runs().get(name)
    if path is None or path == opened.run.path:
        return (
            "The other run in this address is this very run." if path else "The other run in this address is not here."
        )
    try:
        pair_of(opened.run, library.open_run(path).run)
    except (StudyError, ContractError) as error:
        return with_code(for_visitors(error, homes=catalogue.homes()))
    return ""


@st.cache_resource(max_entries=4, show_spinner="Comparing", hash_funcs=BY_STAMP)
def compared(opened: Opened, other: Opened) -> Comparison:
    """Compare two runs; remembered for all visitors."""
    return Comparison(pair_of(opened.run, other.run), (partial(_read, opened), partial(_read, other)))


def _read(opened: Opened, name: str) -> StudyResult | None:
    """Read a study of a run; None where there is none, or where it (or its findings) cannot be read."""
    try:
        found = library.study_of(opened, name)
        # of the other studies it is the values that are compared
        if found is not None and name in TRUST:
            _ = found.findings
    except ContractError:
        return None
    return found


def pair_table(comparison: Comparison, findings: Iterable[Finding] = (), *, keys: tuple[str, ...] = ()) -> None:
    """Draw findings on two detectors, or those with these keys: both numbers, and the difference."""
    table = findings_text(findings or [one for one in comparison.findings if one.key.startswith(keys)])
    if table.empty:
        return
    both = dict(zip(("Effect", "Control"), comparison.pair.names, strict=True))
    table["Control"] = table["Control"].str.partition(",")[0]
    table = table.rename(columns=both)[["Question", "Of", "Group", *both.values(), "Difference", "Status"]]
    st.dataframe(table.loc[:, (table != "").any()], hide_index=True, alt="Both detectors, and the difference")


def _draw_shared_networks(opened: Opened, other: Opened, comparison: Comparison) -> None:
    """Say where one detector is among the networks of the other, so that both share errors."""
    detectors = catalogue.detectors()
    for (run, name), (rest, part) in permutations(zip((opened.run, other.run), comparison.pair.names, strict=True)):
        made_by = detectors.get(find_maker(run.manifest, detectors) or "")
        if made_by is not None and contains(made_by.manifest, rest.manifest):
            st.caption(
                f"{plain(part)} is one of the {len(made_by.manifest['members'])} networks that {plain(name)} joins, so "
                "their errors are not independent."
            )


def _draw_outcomes(opened: Opened, other: Opened, comparison: Comparison) -> None:
    """Draw for each class how often only one detector, or both, are wrong; a bar opens those images."""
    first, second = comparison.pair.names
    words = {"only first wrong": f"only {first} is wrong", "only second wrong": f"only {second} is wrong"}
    rows = comparison.outcomes
    rows = rows.assign(value=rows["label"] + ": " + rows["outcome"].map(words).fillna("both are wrong"))
    st.markdown("#### Who is wrong where", help=explain("Interval"))
    st.caption("Diamond: how often both would be wrong if their errors had nothing in common. Click a bar to see it.")
    key = key_of("compare.outcomes", other.run.name)
    chosen = rate_chart(rows, key=key, title="Shares of each class", opens="Show the images of a bar")
    if chosen is not None:
        row = rows[rows["value"] == chosen].iloc[0]
        right, of_other = RIGHT[row["outcome"]]
        wanted = Filter().choosing("label", [row["label"]]).choosing("correct", [right])
        _open_mistakes(wanted.choosing("versus.correct", [of_other]), opened, other)


def _open_mistakes(wanted: Filter, opened: Opened, other: Opened) -> None:
    """Open Mistakes with the other detector's verdicts as filters beside this one's."""
    state.go("mistakes", run=opened.run.name, wanted=wanted, versus=other.run.name)


def _has_part(comparison: Comparison, part: str) -> bool:
    return part not in ("category", "source") or part in comparison.broken_down


def _draw_part(part: str, opened: Opened, other: Opened, comparison: Comparison) -> None:
    if part in comparison.broken_down:
        findings = comparison.broken_down[part]
        st.caption("Largest difference first; all intervals hold together with 95% confidence.")
        _draw_values(comparison, findings, "accuracy", name=lambda one: str(one.details["value"]).replace("_", " "))
        values = [str(finding.details["value"]) for finding in findings]
        label = f"Show the images of one {part}"
        if value := st.selectbox(label, values, index=None, key=f"compare.{part}.open", width=320):
            _open_mistakes(Filter().choosing(part, [value]), opened, other)
    elif part == "margins":
        st.caption(
            f"Each point is an image. At most {curves.MOST_POINTS:,} are drawn, those that either gets wrong first.",
            help=explain("Margin", "Rank correlation"),
        )
        charts.show(
            curves.margins(comparison.pair), key="compare.margins", alt="Margins of both; the table has numbers"
        )
        pair_table(comparison, keys=("margins", "auroc"))
    elif part == "calibration":
        st.caption("How often verdicts of each confidence are right.", help=explain("Calibration", "Brier score"))
        bins = {name: calibration(run.judged) for name, run in zip(comparison.pair.names, (opened, other), strict=True)}
        charts.show(curves.calibration(bins), key="compare.calibration", alt="Calibration of both detectors")
        pair_table(comparison, keys=("confidence",))
    elif part == "explanations":
        _draw_explanations(comparison)
    else:
        _draw_study(part, opened, other, comparison)


def _draw_values(
    comparison: Comparison, findings: list[Finding], unit: str, *, name: Callable[[Finding], str] | None = None
) -> None:
    """Draw findings as dots beside each other, and as a table."""
    rows = largest(pd.DataFrame([as_row(finding, (name or _name)(finding)) for finding in findings]))
    figure = curves.beside(rows, comparison.pair.names, unit=unit)
    charts.show(figure, key=f"compare.{findings[0].key}", alt=f"{unit} of both detectors; the table has the numbers")
    pair_table(comparison, findings)


def _name(finding: Finding) -> str:
    """Name what a finding of a comparison is about."""
    subject = finding.subject or str(finding.details.get("title") or finding.details.get("source") or finding.key)
    return f"{subject}, {finding.group}" if finding.group else subject


def _draw_study(part: str, opened: Opened, other: Opened, comparison: Comparison) -> None:
    """Draw what a study of both runs comes to; or which of the two lacks it, and how it is made."""
    _, about, (study, attribute, unit) = STUDIES[part]
    st.caption(about, help=explain("Control", "Interval"))
    lacking = [run for run, its in zip((opened, other), comparison.studies(study), strict=True) if its is None]
    for run in lacking:
        st.info(
            f"The study {study} of {plain(run.run.name)} has not been made, or cannot be read. To make it, run "
            f"{code(command(run, study, there=True))} and reload this page.",
            icon=":material/science:",
        )
    findings: list[Finding] = getattr(comparison, attribute)
    if findings:
        _draw_values(comparison, findings, unit)
    elif not lacking:
        again = code(command(opened, study))
        st.info(f"The two have nothing, or too few images, in common; {again} measures all images of one run.")
    if part == "reads" and findings:
        csv = f"{opened.run.name}-{other.run.name}-probes.csv"
        csv_button("Every change (CSV)", comparison.changes, csv, key="compare.reads.csv")


def _draw_explanations(comparison: Comparison) -> None:
    """Draw the findings on explanations that both runs have, those that differ in status first."""
    pairs = sorted(comparison.explanations, key=lambda pair: pair.alike)
    if not pairs:
        st.info(
            "The two have no study of explanations in common; the page *Can maps be believed?* says how one is made."
        )
        return
    table = pd.DataFrame({"study": [pair.title for pair in pairs], "finding": [_name(pair.first) for pair in pairs]})
    for detector, side in zip(comparison.pair.names, ("first", "second"), strict=True):
        text = findings_text([getattr(pair, side) for pair in pairs])
        table[detector] = text["Difference"].where(text["Difference"] != "", text["Effect"])
        table[f"{detector}, status"] = text["Status"]
    st.dataframe(table, hide_index=True, alt="Findings on explanations of both detectors, and their status")
