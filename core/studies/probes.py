"""The study `probes`: the margin of every image after each small change that has a name, and how large the change was.

For each family of probes and each verdict one finding answers the family's question. Its measure is the strength that
certainly flips most beyond the strongest of its controls; where none does, or no probe of the family has a control, the
one that flips most. Its controls, and the other ways of making the same change, are its choices.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.finding import Choice, Control, Finding, Measure
from core.perturbations.flips import short_margins, short_sizes, summarise_flips
from core.perturbations.photometric import rms
from core.perturbations.probe import FAMILIES, Batch, Chance, inline, size_column
from core.perturbations.registry import OTHER_WAYS, PROBES, in_every_way, probe_columns
from core.runs.run import Run
from core.studies import factorial
from core.studies.donors import choose_donors, class_means
from core.studies.flips import flip_rates, ranking, rate_of, read_flips, strengths_in
from core.studies.groups import VERDICTS, with_predictions
from core.studies.study import Context, Parameters, Rows, Study

# a share of verdicts below which a change hardly matters
FEW = 0.05
# probes reported beside an answer but never as one
_NO_ANSWERS = OTHER_WAYS | {key for key, of in PROBES.items() if of.beside or of.is_control or of.changes_donor}

# family -> what a verdict does that holds beyond every control
RESTS = {
    "detail": "rest on fine detail", "blocks": "rest on spatial layout", "place": "rest on one place",
    "colour": "rest on colour",
}  # fmt: skip
# family -> what a verdict may survive
SURVIVES = {
    "light": "a change of light", "compression": "compression, blurring and sharpening",
    "geometry": "another orientation", "levels": "a change of the finest grey levels",
}  # fmt: skip
NONE_FLIPS = {verdict: f"No change flips {verdict} verdicts more often than its control does." for verdict in VERDICTS}


def _rests(verdict: str, what: str) -> dict[str, str]:
    """Word the headlines of a family: "FAKE verdicts rest on fine detail."."""
    verb, rest = what.split(" ", 1)
    return {
        "question": f"Do {verdict} verdicts {what}?",
        "holds": f"{verdict} verdicts {what}.",
        "holds for some": f"Some {verdict} verdicts {what}.",
        "holds slightly": f"Hardly any {verdict} verdict {verb}s {rest}.",
    }


HEADLINES = {
    **{
        f"smallest-{verdict}": {
            "question": f"What flips {verdict} verdicts most, for its size?",
            "holds": f"This change flips most {verdict} verdicts for its size.",
            "no control": NONE_FLIPS[verdict],
            "unknown": NONE_FLIPS[verdict],
        }
        for verdict in VERDICTS
    },
    **{f"{family}-{verdict}": _rests(verdict, what) for family, what in RESTS.items() for verdict in VERDICTS},
    "transplant-FAKE": _rests("FAKE", "follow the fine detail of photographs"),
    "transplant-REAL": _rests("REAL", "follow the fine detail of fakes"),
    **{
        f"{family}-{verdict}": {"question": f"Do {verdict} verdicts survive {what}?"}
        for family, what in SURVIVES.items()
        for verdict in VERDICTS
    },
    **factorial.HEADLINES,
}


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Compute the margin of each image under each strength of each probe, and the size of the change."""
    seed, run, pixels = parameters["seed"], context.run, context.pixels[rows]
    donors, means = choose_donors(run, rows, seed=seed), class_means(run)
    # an image without a donor is its own, and those results are dropped
    other, same = (np.asarray(context.pixels[np.where(chosen < 0, rows, chosen)]) for chosen in donors)
    verdict, ids = (run.predictions["predicted"] == "REAL").to_numpy(int)[rows], run.predictions["id"].to_numpy()[rows]
    chance = Chance.of(list(ids.astype(str)), side=pixels.shape[1], seed=seed)
    batch = Batch(pixels, other, same, means[1 - verdict], means[verdict], chance)
    lacking = {"other": donors.other < 0, "same": donors.same < 0}
    table: dict[str, NDArray[Any]] = {"id": ids}
    for column, (probe, strength) in probe_columns().items():
        if context.wants(column, size_column(column)):
            changed, lacks = probe.edit(batch, strength.value), lacking.get(probe.needs, np.zeros(len(rows), bool))
            sizes = short_sizes(rms(changed, batch.other if probe.changes_donor else batch.pixels))
            margins = short_margins(context.detector.margins(changed))
            table[column] = np.where(lacks, np.nan, margins).astype(np.float16)
            table[size_column(column)] = np.where(lacks, np.nan, sizes).astype(np.float16)
    return pd.DataFrame(table)


def derive(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Summarise what flips each verdict, from the margins and sizes under all probes."""
    return summarise_flips(table, table, (with_predictions(table, run)["predicted"] == "REAL").to_numpy())


def conclude(run: Run, table: pd.DataFrame, parameters: Parameters) -> Iterator[Finding]:
    """Conclude `smallest-<verdict>`, `<family>-<verdict>`, and `factorial-<effect>-<verdict>` from `factorial`."""
    rows = read_flips(run, table, parameters)
    rates = flip_rates(rows, side=run.side)
    of_verdict = {verdict: own for verdict in VERDICTS if len(own := rows[rows["verdict"] == verdict])}
    for verdict, own in of_verdict.items():
        yield _smallest(own, ranking(rates, verdict=verdict), verdict)
    answers = rates[rates["share"].notna() & ~rates["probe"].isin(_NO_ANSWERS)]
    for family, (verdict, own) in product(FAMILIES, of_verdict.items()):
        candidates = answers[(answers["verdict"] == verdict) & (answers["family"] == family)]
        # a file may lack all that answer the family's question
        if len(candidates):
            column = answering_column(candidates)
            (probe, strength), choices = probe_columns()[column], (_choice(own, "", "", column), *_choices(own, column))
            told = strength.at(run.side).told
            yield Finding(
                f"{family}-{verdict}", "probes", "flip_rate", choices[0].measure, verdict, choices[0].control,
                choices[0].difference, choices[1:], subject=_subject(probe.title, told),
                details={"probe": probe.key, "title": probe.title, "strength": told},
            )  # fmt: skip
    yield from factorial.conclude(run, table, parameters)


def answering_column(rows: pd.DataFrame) -> str:
    """Choose the column that answers a question, among rows of `flip_rates` about one verdict."""
    fair = fair_rates(rows)
    certain = fair[fair["net_low"] > 0]
    if len(certain):
        return str(certain.loc[certain["net_low"].idxmax(), "column"])
    most = fair if len(fair) else rows[~_exceeds(rows)]
    return str(most.loc[most["share"].idxmax(), "column"])


def fair_rates(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of `flip_rates` that have a control and change no more than what is tested.

    If some are of strengths at which the change is made in every other way too, only those are kept.
    """
    fair = rows[~_exceeds(rows) & rows["control"].notna()]
    every_way = fair[fair["column"].map(in_every_way).astype(bool)]
    return every_way if len(every_way) else fair


def _exceeds(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["column"].map(lambda column: probe_columns()[column][1].excess).astype(bool)


def finding_of_rate(key: str, row: "pd.Series[Any]", **details: Any) -> Finding:
    """Make a finding of one row of `flip_rates`, beside the strongest of its controls."""

    def measure(*names: str) -> Measure:
        value, low, high = (float(row[name]) for name in names)
        return Measure(value, low, high, int(row["images"]))

    control, difference = None, None
    if isinstance(row["control"], str):
        against = measure("control_share", "control_low", "control_high")
        control, difference = Control(PROBES[row["control"]].inline, against), measure("net", "net_low", "net_high")
    return Finding(
        key, "probes", "flip_rate", measure("share", "low", "high"), str(row["verdict"]), control, difference,
        details={"title": row["title"], "strength": row["strength"], **details},
        subject=_subject(row["title"], row["strength"]),
    )  # fmt: skip


def _subject(title: str, strength: str) -> str:
    return f"{inline(title)} ({strength})"


def _choice(rows: pd.DataFrame, kind: str, value: str, column: str, control: str = "") -> Choice:
    """A change beside the strongest of its controls, or beside the named one."""
    rate = rate_of(rows, column, (control,) if control else None)
    if rate.control is None:
        return Choice(kind, value, Measure.of(rate.share))
    against = Control(PROBES[rate.control].inline, Measure.of(rate.control_share))
    return Choice(kind, value, Measure.of(rate.share), against, Measure.of(rate.net))


def _choices(rows: pd.DataFrame, column: str) -> Iterator[Choice]:
    """The same against each control, in each other way of making the change, and with each fill."""
    probe, strength = probe_columns()[column]
    if len(probe.controls) > 1:
        for key in probe.controls:
            yield _choice(rows, "control", PROBES[key].inline, column, key)
    for kind, keys in probe.others.items():
        for way in (PROBES[key] for key in (probe.key, *keys)):
            if strength.key in {step.key for step in strengths_in(rows, way)}:
                yield _choice(rows, kind, way.way, way.column(strength.key))
    if probe.strengths_are:
        for step in strengths_in(rows, probe):
            yield _choice(rows, probe.strengths_are, step.label, probe.column(step.key))


def _smallest(rows: pd.DataFrame, top: pd.DataFrame, verdict: str) -> Finding:
    """The probe that flips most for its size; without a known number where none flips more than its control."""
    key, top = f"smallest-{verdict}", top[~top["probe"].isin(OTHER_WAYS)]
    fair = top[top["control"].notna() & (top["per_level"] > 0)]
    alone = top[top["control"].isna() & (top["low"] > FEW)]
    if fair.empty and alone.empty:
        return Finding(key, "probes", "flip_rate", Measure(np.nan), group=verdict)
    first = (alone if fair.empty else fair).iloc[0]
    finding = finding_of_rate(key, first, size=float(first["size"]))
    return replace(finding, choices=tuple(_choices(rows, first["column"])))


DERIVED = {
    "smallest_flip": "Smallest change that flips it, while its controls do not; none where none does",
    "turned_by": "Kind of that change, the probe that flips it while its controls do not; none where none does",
    "turned_size": "Size of the smallest flip, root mean square in grey levels, 0 to 255",
    "turned_families": "Kinds of probes that flip it while their controls do not, 0 to 9",
    "detail_radius": "Mildest low-pass that flips it, radius of the spectrum, 8 to 14; none where none does",
    "detail_both_ways": "Fine detail decides, both ways: removed or replaced, it flips; lent to the other class, "
    "that flips",
}
MARGINS = {
    column: f"{probe.title}: {step.at_any_side}, margin after it{' of the donor' if probe.changes_donor else ''}"
    for column, (probe, step) in probe_columns().items()
}
SIZES = {
    size_column(column): f"{probe.title}: {step.at_any_side}, root mean square of the change, grey levels"
    for column, (probe, step) in probe_columns().items()
}
STUDY = Study(
    name="probes",
    title="Probes",
    question="Which named small change flips the verdict?",
    columns=DERIVED | MARGINS | SIZES,
    control="each probe has its own: as much energy taken from or put into other rings, a donor of the same class, "
    "the class's own mean colour, the seams without shuffling, as large a square or as wide a frame covered elsewhere",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"seed": 0},
    derived=tuple(DERIVED),
    derive=derive,
    explore=tuple(name for name in DERIVED if name != "turned_by"),
)
