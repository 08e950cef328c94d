"""Coarse by fine: whose detail of each kind carries a verdict, and must the two fit? From the study `probes`. No torch.

Two factors, the coarse and the fine half of the spectrum, each from one of `SOURCES`: the image itself, another image
of its verdict, or one of the other verdict, matched by category. A cell is the mean margin of such pictures. Those
whose coarse half is not the image's own are pictures of its donors, which the study has swapped in the same way; only
for (same class, own) it has none, and the fine half is that of a third image of the class.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import weighted_mean
from core.findings.numbers import format_measure
from core.perturbations.table import PROBES
from core.runs.run import Run
from core.studies.donors import choose_donors
from core.studies.groups import VERDICTS
from core.studies.study import WEIGHT

SOURCES = ("own", "same class", "other class")
SWAPS = ("transplant", "transplant_same", "lend")
Values = NDArray[np.float64]

_TEXTS: Headlines = {
    "coarse": {
        "question": "Does the coarse content of its class carry a {} verdict?",
        "holds": "Coarse content of its class carries a {} verdict; swapping alone does not.",
    },
    "fine": {
        "question": "Does the fine detail of its class carry a {} verdict?",
        "holds": "Fine detail of its class carries a {} verdict; swapping alone does not.",
    },
    "fit": {
        "question": "Must fine detail fit its own picture for a {} verdict?",
        "holds": "A {} verdict needs fine detail that fits its own picture.",
        "holds below": "A {} verdict needs no fine detail that fits its own picture.",
        "not shown": "Not shown that fine detail must fit its own picture.",
    },
}
HEADLINES: Headlines = {
    f"factorial-{effect}-{verdict}": {key: text.format(verdict) for key, text in texts.items()}
    for effect, texts in _TEXTS.items()
    for verdict in VERDICTS
}


class Effects(NamedTuple):
    """Effects of swapping an image's halves with another's, float64 (M,) each, in margins towards the verdict.

    Attributes:
        coarse, fine: main effects: how much more its own half adds than the other's, mean over both other halves.
        fit: interaction: half of how much more the own fine half adds where the coarse half is its own too.
    """

    coarse: Values
    fine: Values
    fit: Values


def radii(table: pd.DataFrame) -> list[str]:
    """List the strengths that a table of `probes` has for all swaps, the strongest last."""
    keys = [step.key for step in PROBES["transplant"].strengths]
    return [key for key in keys if all(PROBES[probe].column(key) in table for probe in SWAPS)]


def margins_of(
    run: Run, table: pd.DataFrame, parameters: Mapping[str, Any], radius: str
) -> dict[tuple[str, str], Values]:
    """Collect the margins of the nine combinations: (coarse, fine) of `SOURCES` -> float64 (M,), NaN where unknown.

    Args:
        run: that was probed.
        table: of the study, M rows.
        parameters: of the study.
        radius: from `radii`; finer waves are the fine half.
    """
    where = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    donors = choose_donors(run, where, seed=int(parameters.get("seed", 0)))
    rows = np.full(len(run) + 1, -1)
    rows[where] = np.arange(len(where))
    margins = np.append(run.predictions["margin"].to_numpy(np.float64), np.nan)
    other, same, lent = (np.append(table[PROBES[key].column(radius)].to_numpy(np.float64), np.nan) for key in SWAPS)
    # a missing donor is the last, which is unknown
    by_same, by_other = rows[donors.same], rows[donors.other]
    columns = (
        (margins[where], same[:-1], other[:-1]),
        (same[by_same], margins[donors.same], other[by_same]),
        (lent[:-1], other[by_other], margins[donors.other]),
    )
    return {
        (coarse, fine): values
        for coarse, row in zip(SOURCES, columns, strict=True)
        for fine, values in zip(SOURCES, row, strict=True)
    }


def effects_of(cells: Mapping[tuple[str, str], Values], source: str, signs: Values) -> Effects:
    """Compute the effects of swaps with one source, for each image; `signs` (M,) are 1 for REAL verdicts, else -1."""
    own, fine_swapped, coarse_swapped, both = (
        signs * cells[coarse, fine] for coarse in ("own", source) for fine in ("own", source)
    )
    coarse = (own - coarse_swapped + fine_swapped - both) / 2
    return Effects(
        coarse, (own - fine_swapped + coarse_swapped - both) / 2, (own - fine_swapped - coarse_swapped + both) / 2
    )


def cell_table(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Lay out the 3 x 3 cells for each verdict and radius.

    Returns:
        Columns `verdict`, `radius`, `coarse`, `fine` (of `SOURCES`), and the mean margin `value` with `low` and `high`
        (above 0 is REAL, 95 %) over so many `images`.
    """
    called_real = run.predictions.set_index("id").loc[table["id"], "predicted"].to_numpy(str) == "REAL"
    weights, rows = table[WEIGHT].to_numpy(np.float64), []
    for radius in radii(table):
        cells = margins_of(run, table, parameters, radius)
        for verdict in VERDICTS:
            chosen = called_real == (verdict == "REAL")
            for (coarse, fine), values in cells.items():
                rows.append((verdict, radius, coarse, fine, *weighted_mean(values[chosen], weights[chosen])))
    return pd.DataFrame(rows, columns=["verdict", "radius", "coarse", "fine", "value", "low", "high", "images"])


def cell_text(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Lay out the cells at the strongest radius as text: a row a verdict and coarse half, a column a fine half."""
    cells = cell_table(run, table, parameters)
    cells = cells[cells["radius"] == cells["radius"].iloc[-1]]
    text = [format_measure(Measure(*row), "margins") for row in cells[["value", "low", "high"]].to_numpy().tolist()]
    wide = cells.assign(text=text).pivot(index=["verdict", "coarse"], columns="fine", values="text")
    ordered = wide.reindex(index=pd.MultiIndex.from_product([VERDICTS, SOURCES]), columns=list(SOURCES))
    return ordered.rename_axis(index=["verdict", "coarse half"], columns=None).fillna("").reset_index()


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """Conclude `factorial-coarse`, `-fine` and `-fit` for each verdict; nothing where a file has no swaps.

    Main effects are of swaps with the other class, beside the same swaps within the class; `fit` is the interaction of
    swaps within the class, where nothing but the fit is lost. Each radius is a choice.
    """
    called_real = run.predictions.set_index("id").loc[table["id"], "predicted"].to_numpy(str) == "REAL"
    signs, weights, names = np.where(called_real, 1.0, -1.0), table[WEIGHT].to_numpy(np.float64), radii(table)
    both = {}
    for radius in names:
        cells = margins_of(run, table, parameters, radius)
        both[radius] = [effects_of(cells, source, signs) for source in SOURCES[:0:-1]]

    def effect(name: str, radius: str, chosen: NDArray[np.bool_]) -> tuple[Measure, Control, Measure]:
        other, same = (getattr(effects, name)[chosen] for effects in both[radius])
        own = weights[chosen]
        if name == "fit":
            measure = Measure.of(weighted_mean(same, own))
            return measure, Control("no interaction", Measure(0.0)), measure
        known = np.isfinite(other) & np.isfinite(same)
        measures = (Measure.of(weighted_mean(values[known], own[known])) for values in (other, same, other - same))
        measure, control, difference = measures
        return measure, Control("the same swap within the class", control), difference

    findings = []
    for verdict in VERDICTS:
        chosen = called_real == (verdict == "REAL")
        for name in Effects._fields if names and chosen.any() else ():
            measure, control, difference = effect(name, names[-1], chosen)
            choices = tuple(Choice("radius", radius, *effect(name, radius, chosen)) for radius in names)
            findings.append(Finding(
                f"factorial-{name}-{verdict}", "probes", "margin_effect", measure, verdict, control, difference,
                choices, details={"effect": name, "radius": names[-1]}, subject=f"radius {names[-1]}",
            ))  # fmt: skip
    return [finding for finding in findings if finding.measure.known]
