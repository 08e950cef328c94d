"""The report of two runs on the same images: as sentences, or as one HTML file."""

from collections.abc import Sequence

import pandas as pd

from core.findings.finding import Finding
from core.findings.lines import Line, Part
from core.findings.numbers import unbroken_percent as percent
from core.findings.words import tell
from core.findings.words.comparison import (
    beside_control,
    by_value,
    reading,
    recalls,
    stands,
    subject,
)
from core.findings.words.elsewhere import after_deliveries, delivery_name, other_source
from core.report import figures
from core.report.page import gather
from core.report.parts import Block, Bullets, Note, Section, Table, limits, page, sentence
from core.report.settings import settings
from core.runs.metrics import largest
from core.runs.run import Run
from core.studies.comparison.comparison import Comparison, Read
from core.studies.comparison.findings import SEVERAL, as_row
from core.studies.comparison.pair import Pair, pair_of
from core.studies.registry import STUDIES

# keys of the findings in the report's lead, where the recalls of both classes join them
LEAD = ("accuracy", "both_wrong")


def gather_comparison(first: Run, second: Run) -> Comparison:
    """Bring two runs and their studies together.

    Raises:
        StudyError: they cannot be compared.
    """
    pair = pair_of(first, second)
    one, other = gather(first), gather(second)
    problems = [
        f"{name}: {problem}"
        for name, read in zip(pair.names, (one, other), strict=True)
        for problem in read["problems"]
    ]
    return Comparison(pair, (one["answers"].get, other["answers"].get), tuple(problems))


def comparison_words(compared: Comparison) -> str:
    """Write a comparison as Markdown: lists of sentences under headings."""
    parts: list[tuple[str, list[Part]]] = [("Verdicts", [tell(one).full for one in compared.findings])]
    parts += [
        (f"By {column}", [by_value(found, SEVERAL[column]), *(tell(one).full for one in found)])
        for column, found in compared.broken_down.items()
    ]
    parts += [
        ("What each reads, on images that both call the same", [tell(one).full for one in compared.reads]),
        ("After deliveries", [after_deliveries(compared.deliveries), *(tell(one).full for one in compared.deliveries)]),
        ("On images of other sources", [tell(one).full for one in compared.other_images]),
        ("Explanations", [": ".join((row[0], "; ".join(row[1:]))) for row in _explained(compared)]),
        ("Not read", list(compared.problems)),
    ]
    return "\n\n".join(
        f"## {title}\n\n" + "\n".join(f"- {one}" for one in lines if str(one))
        for title, lines in parts
        if any(map(str, lines))
    )


def comparison_report(compared: Comparison) -> str:
    """Write the HTML report of a comparison."""
    pair = compared.pair
    first, second = pair.names
    lead = [tell(one).full for one in compared.findings if one.key in LEAD]
    lead.insert(1, recalls(compared.findings))
    verdicts = [tell(one).full for one in compared.findings if one.key not in LEAD]
    sections = [
        Section("Who is wrong where", [_outcomes(compared), *_bullets(verdicts)]),
        *(Section(f"By {column}", _broken_down(found, pair, column)) for column, found in compared.broken_down.items()),
        Section("What each reads", _reads(compared)),
        Section("After deliveries", _deliveries(compared)),
        Section("On images of other sources", _other_images(compared)),
        Section("Which explanations hold for which detector", _explanations(compared)),
        *([Section("Not read", [Bullets(list(compared.problems))])] if compared.problems else []),
        limits(pair.first, pair.second),
        *(_settings(run, read) for run, read in zip((pair.first, pair.second), compared.readers, strict=True)),
    ]
    title = f"{first} and {second} on {pair.first.manifest['set']}"
    return page(pair.first, title, [sentence(one) for one in lead], sections, other=pair.second)


def _bullets(lines: Sequence[Line]) -> list[Block]:
    return [Bullets([sentence(one) for one in lines])] if lines else []


def _settings(run: Run, read: Read) -> Section:
    found = settings(run, None, {name: one for name in STUDIES if (one := read(name))})
    return Section(f"{found.title} of {run.name}", found.blocks)


def _outcomes(compared: Comparison) -> Table:
    first, second = compared.pair.names
    named = {"only first wrong": f"only {first} wrong", "only second wrong": f"only {second} wrong"}
    rows = []
    for row in compared.outcomes.to_dict("records"):
        share = f"{percent(row['rate'])} ({percent(row['low'])} to {percent(row['high'])})"
        alike = "" if pd.isna(row["expected"]) else percent(row["expected"])
        outcome = str(row["outcome"])
        rows.append([str(row["label"]), named.get(outcome, outcome), f"{row['wrong']:,}", share, alike])
    return Table(["Class", "Outcome", "Images", "Share of the class", "If errors were independent"], rows)


def _broken_down(found: list[Finding], pair: Pair, column: str) -> list[Block]:
    rows = largest(pd.DataFrame([as_row(one, str(one.details["value"])) for one in found]))
    caption = (
        f"Accuracy by {column}, with simultaneous 95% intervals; the largest difference on top. Differences in the "
        "text are paired, so they can be significant even where two intervals overlap."
    )
    if (many := len({*pair.values(column)} - {None})) > len(found):
        caption += f" Compared are the {len(found)} of {many:,} {SEVERAL[column]} with the most images."
    return [
        figures.beside(rows, pair.names, unit="accuracy", caption=caption),
        Bullets([sentence(by_value(found, SEVERAL[column]))]),
    ]


def _reads(compared: Comparison) -> list[Block]:
    if not compared.reads:
        why = "The runs have no probes in common, or too few images on which both were probed"
        how = "makes them, for one of the two without --images: samples of two runs share few images"
        return [Note(f"{why}; `python -m core.studies probes --run RUN` {how}.")]
    named = [f"{one.details['title']}, {one.group}" for one in compared.reads]
    rows = pd.DataFrame([as_row(one, name) for one, name in zip(compared.reads, named, strict=True)])
    caption = (
        "Share of verdicts that a change flips beyond its control (or at all, without one), on images that both "
        "detectors call the same; simultaneous 95% intervals."
    )
    drawn = figures.beside(rows, compared.pair.names, unit="verdicts flipped beyond the control", caption=caption)
    return [
        drawn,
        Bullets([sentence(one) for one in (reading(compared.reads), *(tell(one).full for one in compared.reads))]),
    ]


def _deliveries(compared: Comparison) -> list[Block]:
    if not compared.deliveries:
        why = "The runs have no study of deliveries in common, or too few images on which both were measured"
        return [Note(f"{why}; `python -m core.studies deliveries --run RUN` makes it.")]
    rows = pd.DataFrame([as_row(one, delivery_name(one)) for one in compared.deliveries])
    caption = (
        "Accuracy after the same images are saved, scaled or sent again. "
        "Simultaneous 95% intervals. Differences in the text are paired, so they can be significant even where two "
        "intervals overlap."
    )
    lines = [after_deliveries(compared.deliveries), *(tell(one).full for one in compared.deliveries)]
    return [
        figures.beside(rows, compared.pair.names, unit="accuracy", caption=caption),
        *_bullets(lines),
    ]


def _other_images(compared: Comparison) -> list[Block]:
    if not compared.other_images:
        return [Note("The runs were not measured on the same images of other sources (the study transfer).")]
    rows = pd.DataFrame([as_row(one, other_source(one)) for one in compared.other_images])
    caption = (
        "Accuracy on pictures by other generators (FAKE) and on photographs (REAL). Images of one generator or "
        "photograph are alike, so few of those make wide 95% intervals, however many the images."
    )
    drawn = figures.beside(rows, compared.pair.names, unit="accuracy", caption=caption)
    return [drawn, *_bullets([tell(one).full for one in compared.other_images])]


def _explanations(compared: Comparison) -> list[Block]:
    if not compared.explanations:
        return [Note("The runs have no study of explanations in common.")]
    note = Note(
        "Each number is the difference from the finding's own control, or the number itself where no such difference "
        "was measured; the choice that it was measured under, where there are several, is in brackets."
    )
    return [Table(["Finding", *compared.pair.names], _explained(compared)), note]


def _explained(compared: Comparison) -> list[list[str]]:
    return [
        [f"{one.title}: {subject(one.first)}", *map(_cell, (one.first, one.second))] for one in compared.explanations
    ]


def _cell(one: Finding) -> str:
    return f"{beside_control(one)}, {stands(one)}"
