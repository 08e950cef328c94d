"""The report of two runs on the same images, as one HTML file."""

from collections.abc import Sequence

import pandas as pd

from core.findings.finding import Finding
from core.findings.numbers import percent
from core.findings.table import findings_text
from core.images.palette import PAIR
from core.report.charts import Chart, row_chart
from core.report.html import Section, Table, limits, page, settings
from core.report.page import gather
from core.runs.metrics import largest
from core.runs.run import Run
from core.studies.comparison import Comparison, as_row, pair_of
from core.studies.registry import STUDIES

# rows of each table in the HTML report
MOST = 12
SIDES = ("first", "second")


def gather_comparison(first: Run, second: Run) -> Comparison:
    """Bring two runs and their studies together.

    Raises:
        StudyError: they cannot be compared.
    """
    pair = pair_of(first, second)
    own, other = gather(first), gather(second)
    problems = [
        f"{name}: {problem}"
        for name, gathered in zip(pair.names, (own, other), strict=True)
        for problem in gathered["problems"]
    ]
    return Comparison(pair, (own["answers"].get, other["answers"].get), tuple(problems))


def comparison_report(compared: Comparison) -> str:
    """Write the HTML report of a comparison."""
    pair = compared.pair
    first, second = pair.names
    counts = pair.counts()
    lead = [
        f"Accuracy: {first} {percent(float(pair.right[0].mean()))}, {second} {percent(float(pair.right[1].mean()))} "
        f"on the same {counts.images:,} images.",
        f"Only {first} is wrong on {counts.only_first_wrong:,} images, only {second} on {counts.only_second_wrong:,}, "
        f"both on {counts.both_wrong:,}.",
    ]
    charts = {f"By {column}": _chart(pair.names, column, rows) for column, rows in compared.broken_down.items()}
    sections = []
    for title, table in _tables(compared).items():
        shown = Table(list(table), table.head(MOST).to_numpy(str).tolist())
        note = [f"The first {MOST} of {len(table)} rows."] if len(table) > MOST else []
        block = shown if len(table) else "The runs have nothing of this in common."
        sections.append(Section(title, [*([charts[title]] if title in charts else []), block, *note]))
    if compared.problems:
        sections.append(Section("Not read", [list(compared.problems)]))
    sections.append(limits(pair.first, pair.second))
    for run, read in zip((pair.first, pair.second), compared.readers, strict=True):
        sections.append(settings(run, None, {name: study for name in STUDIES if (study := read(name))}))
    return page(pair.first, f"{first} and {second} on {pair.first.manifest['set']}", lead, sections, other=pair.second)


def _tables(compared: Comparison) -> dict[str, pd.DataFrame]:
    names = compared.pair.names
    return {
        "Verdicts": _table(names, compared.findings),
        **{f"By {column}": _table(names, rows) for column, rows in compared.broken_down.items()},
        "What each relies on, on images that both call the same": _table(names, compared.reads),
        "After saving, resizing and sending": _table(names, compared.deliveries),
        "On images of other sources": _table(names, compared.other_images),
        "Explanations: difference from the control": _explanations(compared),
    }


def _table(names: tuple[str, str], rows: Sequence[Finding]) -> pd.DataFrame:
    """Lay findings out as text, the first run's number beside the second's, which is its control."""
    table = findings_text(rows)[["Of", "Group", "Effect", "Control", "Difference", "Status"]]
    titles = [row.details.get("value") or row.details.get("title") or row.about.label for row in rows]
    table["Of"] = [subject or title for subject, title in zip(table["Of"], titles, strict=True)]
    table["Control"] = table["Control"].str.removesuffix(f", {names[1]}")
    table = table.loc[:, (table != "").any()]
    return table.rename(columns=dict(zip(("Effect", "Control"), names, strict=True)))


def _explanations(compared: Comparison) -> pd.DataFrame:
    first, second = (findings_text([getattr(both, side) for both in compared.explanations]) for side in SIDES)
    own = [both.title for both in compared.explanations]
    table = pd.DataFrame({"Study": own, "Of": first["Of"], "Group": first["Group"]})
    for name, side in zip(compared.pair.names, (first, second), strict=True):
        table[name] = [", ".join(filter(None, pair)) for pair in zip(side["Difference"], side["Status"], strict=True)]
    return table


def _chart(names: tuple[str, str], column: str, rows: Sequence[Finding]) -> Chart:
    table = largest(pd.DataFrame([as_row(found, str(found.details["value"])) for found in rows]))
    values = [
        table[["name"]].assign(series=number, **{end: table[f"{side}_{end}"] for end in ("value", "low", "high")})
        for number, side in enumerate(SIDES)
    ]
    pairs = table[["name", "first_value", "second_value"]].itertuples(index=False)
    listed = "; ".join(f"{name} {one:.1%} and {other:.1%}" for name, one, other in pairs)
    return row_chart(
        pd.concat(values),
        unit="accuracy",
        colours=PAIR,
        legend=names,
        alt=f"Accuracy by {column}, {' and '.join(names)}: {listed}.",
        caption=f"Accuracy by {column}, with simultaneous 95% intervals; the largest difference on top.",
    )
