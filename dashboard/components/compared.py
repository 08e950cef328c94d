"""Two detectors on the same images: which is right more often, and where they differ, one level down."""

from collections.abc import Sequence
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
from dashboard.components.component import key_of
from dashboard.components.downloads import csv_button
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain, with_code
from dashboard.components.study import command
from dashboard.library import BY_STAMP, Opened
from dashboard.sidebar import run_label
from dashboard.state import Setting
from dashboard.visitors import for_visitors

# outcome -> whether the first and the second are right, as filters have it; else both are wrong
RIGHT = {"only first wrong": ("wrong", "right"), "only second wrong": ("right", "wrong")}
COLUMNS = {"category": "By category", "source": "By source"}
# part -> its title, the study that both runs need, its attribute of `Comparison`, its unit
STUDIES = {
    "reads": ("What each reads", "probes", "reads", "verdicts that a change flips beyond its control"),
    "deliveries": ("Deliveries", "deliveries", "deliveries", "accuracy after saving, scaling and sending"),
    "other": ("Other images", "transfer", "other_images", "accuracy on other generators and on photographs"),
}
TITLES = COLUMNS | {"margins": "Margins", "calibration": "Calibration", **{part: STUDIES[part][0] for part in STUDIES}}
TITLES |= {"explanations": "Explanations"}


def draw_comparison(opened: Opened) -> None:
    """Draw the choice of another run on the same images, and both runs side by side."""
    names = _others(opened)
    if opened.judged.empty or not names:
        make = code("python -m core predict DETECTOR --data DATA")
        st.info(f"There is no other run on these images. Make one with {make} and reload this page.")
        return
    asked = st.query_params.get("versus", "")
    first = next((name for name in names if not _refusal(opened, name)), names[0])
    if asked and asked not in names:
        sentence = _refusal(opened, asked)
        st.info(f"{sentence} Showing {plain(run_label(first))} instead.", icon=":material/link_off:")
    versus = Setting("versus", first, choices=names)
    versus.linked(st.selectbox, "Compare with", options=names, format_func=run_label, width=340)
    if sentence := _refusal(opened, versus.value):
        st.error(sentence)
        return
    other = library.open_run(catalogue.runs()[versus.value])
    comparison = compared(opened, other)
    accuracy = find(comparison.findings, "accuracy")
    if accuracy is not None and (sign := claim_status(accuracy).sign):
        winner, loser = map(plain, comparison.pair.names[::sign])
        st.markdown(f"**{winner} is right more often than {loser}.**", help=explain("McNemar's test"))
    _pair_table(comparison, keys=("accuracy", "recall", "both_wrong", "auroc"))
    _draw_shared_networks(opened, other, comparison)
    _draw_outcomes(opened, other, comparison)
    titles = {part: title for part, title in TITLES.items() if part not in COLUMNS or part in comparison.broken_down}
    # only the chosen part is computed
    if part := Setting("more", None, titles).choose("Look closer", required=False):
        _draw_part(part, opened, other, comparison)


def _others(opened: Opened) -> list[str]:
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


def _refusal(opened: Opened, name: str) -> str:
    """Say why a run cannot be compared; "" where it can."""
    path = catalogue.runs().get(name)
    if path is None or path == opened.run.path:
        return f"The other run in this address is {'not here' if path is None else 'this very run'}."
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


def _pair_table(comparison: Comparison, findings: Sequence[Finding] = (), *, keys: tuple[str, ...] = ()) -> None:
    """Draw findings on two detectors, or those with these keys: both numbers, and the difference."""
    table = findings_text(findings or [one for one in comparison.findings if one.key.startswith(keys)])
    both = dict(zip(("Effect", "Control"), comparison.pair.names, strict=True))
    table["Control"] = table["Control"].str.partition(",")[0]
    table = table.rename(columns=both)[["Question", "Of", "Group", *both.values(), "Difference", "Status"]]
    st.dataframe(
        table.loc[:, (table != "").any()], hide_index=True, alt=f"Both detectors: {', '.join(keys) or findings[0].key}"
    )


def _draw_shared_networks(opened: Opened, other: Opened, comparison: Comparison) -> None:
    """Say where one detector is among the networks of the other, so that both share errors."""
    detectors = catalogue.detectors()
    for (run, name), (rest, part) in permutations(zip((opened.run, other.run), comparison.pair.names, strict=True)):
        made_by = detectors.get(find_maker(run.manifest, detectors) or "")
        if made_by is not None and contains(made_by.manifest, rest.manifest):
            st.caption(f"{plain(name)} joins {plain(part)} with other networks, so their errors are not independent.")


def _draw_outcomes(opened: Opened, other: Opened, comparison: Comparison) -> None:
    """Draw for each class how often only one detector, or both, are wrong; a bar opens those images."""
    first, second = comparison.pair.names
    words = {"only first wrong": f"only {first} is wrong", "only second wrong": f"only {second} is wrong"}
    rows = comparison.outcomes
    rows = rows.assign(value=rows["label"] + ": " + rows["outcome"].map(words).fillna("both are wrong"))
    st.markdown("#### Who is wrong where", help=explain("Interval"))
    st.caption("Diamond: how often both would be wrong if their errors had nothing in common. Click a bar to see it.")
    key = key_of("compare.outcomes", other.run.name)
    chosen = charts.rate_chart(rows, key=key, title="Shares of each class", opens="Show the images of a bar")
    if chosen is not None:
        row = rows[rows["value"] == chosen].iloc[0]
        right, of_other = RIGHT.get(row["outcome"], ("wrong", "wrong"))
        wanted = Filter().choosing("label", [row["label"]]).choosing("correct", [right])
        wanted = wanted.choosing("versus.correct", [of_other])
        state.go("mistakes", run=opened.run.name, wanted=wanted, versus=other.run.name)


def _draw_part(part: str, opened: Opened, other: Opened, comparison: Comparison) -> None:
    """Draw one of `TITLES`: a figure, and its numbers as a table."""
    findings: Sequence[Finding] = ()
    keys: tuple[str, ...] = ()
    if part == "explanations":
        _draw_explanations(comparison)
        return
    if part == "margins":
        figure, keys = curves.margins(comparison.pair), ("margins", "auroc")
        st.caption(f"Each point is an image; {curves.MOST_POINTS:,} at most, those that either gets wrong first.")
    elif part == "calibration":
        runs = zip(comparison.pair.names, (opened, other), strict=True)
        figure, keys = curves.calibration({name: calibration(run.judged) for name, run in runs}), ("confidence",)
    else:
        _, study, attribute, unit = STUDIES.get(part, ("", "", "", "accuracy"))
        findings = comparison.broken_down[part] if part in COLUMNS else getattr(comparison, attribute)
        for run, its in zip((opened, other), comparison.studies(study), strict=True) if study else ():
            if its is None:
                make = code(command(run, study, there=True))
                st.info(f"The study {study} of {plain(run.run.name)} is not there, or cannot be read; {make} makes it.")
        if not findings:
            st.caption("The two have nothing, or too few images, in common.")
            return
        rows = pd.DataFrame([as_row(finding, _name(finding)) for finding in findings])
        figure = curves.beside(largest(rows), comparison.pair.names, unit=unit)
    charts.show(figure, key=f"compare.{part}", alt=f"{TITLES[part]}, both detectors; the table has the numbers")
    _pair_table(comparison, findings, keys=keys)
    if part in COLUMNS:
        values = [str(finding.details["value"]) for finding in findings]
        label = f"Show the images of one {part}"
        if value := st.selectbox(label, values, index=None, key=f"compare.{part}.open", width=320):
            wanted = Filter().choosing(part, [value])
            state.go("mistakes", run=opened.run.name, wanted=wanted, versus=other.run.name)
    if part == "reads":
        name = f"{opened.run.name}-{other.run.name}-probes.csv"
        csv_button("Every change (CSV)", comparison.changes, name, key="compare.reads.csv")


def _name(finding: Finding) -> str:
    """Name what a finding of a comparison is about."""
    details = finding.details
    subject = str(finding.subject or details.get("title") or details.get("source") or finding.key)
    return f"{subject}, {finding.group}" if finding.group else subject


def _draw_explanations(comparison: Comparison) -> None:
    """Draw the findings on explanations that both runs have, those that differ in status first."""
    pairs = sorted(comparison.explanations, key=lambda pair: pair.alike)
    if not pairs:
        st.info("The two have no study of explanations in common; *Can maps be believed?* says how one is made.")
        return
    table = pd.DataFrame({"study": [pair.title for pair in pairs], "finding": [_name(pair.first) for pair in pairs]})
    for detector, side in zip(comparison.pair.names, ("first", "second"), strict=True):
        text = findings_text([getattr(pair, side) for pair in pairs])
        table[detector] = text["Difference"].where(text["Difference"] != "", text["Effect"])
        table[f"{detector}, status"] = text["Status"]
    st.dataframe(table, hide_index=True, alt="Findings on explanations of both detectors, and their status")
