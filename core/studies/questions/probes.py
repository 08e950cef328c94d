"""The study `probes`: the margin of every image after each small change that has a name, and how large the change was.

For each family of probes and each verdict one finding answers the family's question: at the strength that certainly
flips most beyond the strongest of its controls. Each control and each other way of making the change is a choice.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from operator import attrgetter

import numpy as np
import pandas as pd

from core.findings.contrast import Contrast, Finding
from core.findings.paired import strongest_first
from core.perturbations.edits import rms
from core.perturbations.flips import short_margins, short_sizes, summarise_flips
from core.perturbations.probe import FAMILIES, Batch, Chance, Probe, Strength, margin_column, size_column
from core.perturbations.registry import OTHER_WAYS, PROBES, in_every_way, other_ways, probe_columns
from core.runs.run import Run
from core.studies.shared.flips import (
    FlipRate,
    by_change,
    compare_flips,
    flip_rates,
    lent_images,
    read_flips,
    strengths_in,
)
from core.studies.shared.groups import VERDICTS, with_predictions
from core.studies.study import Context, Parameters, Rows, Study

# probes reported beside an answer but never as one
_NO_ANSWERS = OTHER_WAYS | {
    key for key, probe in PROBES.items() if probe.beside or probe.is_control or probe.changes_donor
}
# family -> its question
QUESTIONS = {
    "detail": "Do {} verdicts rest on fine detail?",
    "transplant": "Do {} verdicts follow the fine detail of the other class?",
    "blocks": "Do {} verdicts rest on spatial layout?",
    "place": "Do {} verdicts rest on one place?",
    "colour": "Do {} verdicts rest on colour?",
    "light": "Do {} verdicts rest on brightness?",
    "compression": "Do compression and sharpening flip {} verdicts?",
    "geometry": "Does another orientation flip {} verdicts?",
    "levels": "Do the finest grey levels flip {} verdicts?",
}


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Compute the margin of each image under each strength of each probe, and the size of the change."""
    seed = parameters["seed"]
    donors, lacking = lent_images(context, rows, seed=seed)
    lacking["nothing"] = np.zeros(len(rows), bool)
    pixels = context.pixels[rows]
    chance = Chance.of(context.ids(rows).astype(str).tolist(), side=pixels.shape[1], seed=seed)
    batch = Batch(pixels, donors["other"], donors["same"], chance)
    table = {"id": context.ids(rows)}
    for column, (probe, strength) in probe_columns().items():
        if not context.wants(margin_column(column), size_column(column)):
            continue
        changed = probe.edit(batch, strength.value)
        before = batch.other if probe.changes_donor else batch.pixels
        values = {
            margin_column(column): short_margins(context.detector.margins(changed)),
            size_column(column): short_sizes(rms(changed, before)),
        }
        for name, numbers in values.items():
            table[name] = np.where(lacking[probe.needs], np.nan, numbers).astype(np.float16)
    return pd.DataFrame(table)


def derive(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Summarise what flips each verdict, from the margins and sizes under all probes."""
    return summarise_flips(by_change(table), table, (with_predictions(table, run)["predicted"] == "REAL").to_numpy())


def conclude(run: Run, table: pd.DataFrame, parameters: Parameters) -> Iterator[Finding]:
    """Conclude `<family>-<verdict>`; the parameter `like` may name details of the probe that answers, by finding."""
    rows = read_flips(run, table)
    like = parameters.get("like", {})
    rates = flip_rates(rows, probes=[key for key in PROBES if key not in _NO_ANSWERS])
    answers = [rate for rate in rates if rate.contrast.measure.known]
    for family, verdict in product(FAMILIES, VERDICTS):
        key = f"{family}-{verdict}"
        candidates = [rate for rate in answers if (rate.probe.family, rate.verdict) == (family, verdict)]
        if key in like:
            candidates = [rate for rate in candidates if _details(rate, run) == like[key]]
        # a file may lack all that answer the family's question
        if not candidates:
            continue
        rate = answering_rate(candidates)
        own = rows[rows["verdict"] == verdict]
        details = _details(rate, run)
        yield Finding(
            key, QUESTIONS[family].format(verdict), "flip_rate", _contrasts(own, rate.column),
            group=verdict, subject=f"{rate.probe.inline} ({details['strength']})", details=details,
        )  # fmt: skip


def _details(rate: FlipRate, run: Run) -> dict[str, str]:
    """Name the probe and strength of a rate."""
    strength = rate.strength.at(run.side).full_label
    return {"probe": rate.probe.key, "title": rate.probe.title, "strength": strength}


def answering_rate(rates: Sequence[FlipRate]) -> FlipRate:
    """Choose the rate that answers a question, among those about one verdict and family.

    That is the one that certainly flips most beyond its strongest control; where none does, or none has a control, the
    one that flips most. Where some strengths are made in every other way too, only those are considered.
    """
    controlled = [rate for rate in rates if rate.contrast.difference is not None]
    in_all_ways = [rate for rate in controlled if in_every_way(rate.column)]
    candidates = in_all_ways or controlled or rates
    certain = [rate for rate in candidates if _low(rate) > 0]
    if certain:
        return max(certain, key=_low)
    return max(candidates, key=attrgetter("contrast.measure.value"))


def _low(rate: FlipRate) -> float:
    """Return the least difference from the strongest control that the interval allows."""
    difference = rate.contrast.difference
    if difference is None:
        return -np.inf
    return difference.low


def _contrasts(rows: pd.DataFrame, column: str) -> tuple[Contrast, ...]:
    """Compare a change with each control, and in each other way of making it or with each fill."""
    probe, _ = probe_columns()[column]
    against = [compare_flips(rows, column, (key,)) for key in probe.controls]
    against = [contrast for contrast in against if contrast.control is not None]
    contrasts = list(strongest_first(against)) or [compare_flips(rows, column, ())]
    for kind, columns in other_ways(column).items():
        for other in columns:
            way, step = probe_columns()[other]
            if step in strengths_in(rows, way):
                contrasts.append(compare_flips(rows, other, way.controls, kind=kind, value=way.way))
    if probe.strengths_are:
        for step in strengths_in(rows, probe):
            other = probe.column(step.key)
            if other != column:
                contrasts.append(compare_flips(rows, other, probe.controls, kind=probe.strengths_are, value=step.label))
    return tuple(contrasts)


DERIVED = {
    "smallest_flip": "Smallest change that flips it, while its controls do not; none where none does",
    "smallest_flip_probe": "Kind of that change, the key of the probe; none where none flips it",
    "smallest_flip_size": "Size of the smallest flip, root mean square in grey levels, 0 to 255",
    "flipping_families_count": "Number of kinds of probes that flip it while their controls do not, 0 to 9",
    "detail_radius": "Mildest low-pass that flips it, radius of the spectrum, 2 to 14; none where none does",
    "is_detail_decisive": "Fine detail decides, both ways: removed or replaced, it flips; lent to the other class, "
    "that flips",
}


def _margin_words(probe: Probe, strength: Strength) -> str:
    words = f"{probe.title}: {strength.at_any_side}, margin after it"
    if probe.changes_donor:
        words += " of the donor"
    return words


MARGINS = {margin_column(column): _margin_words(probe, step) for column, (probe, step) in probe_columns().items()}
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
    "the seams without shuffling, as large a square or as wide a frame covered elsewhere",
    compute=compute,
    conclude=conclude,
    parameters={"seed": 0},
    derived=tuple(DERIVED),
    derive=derive,
    explore=tuple(name for name in DERIVED if name != "smallest_flip_probe"),
)
