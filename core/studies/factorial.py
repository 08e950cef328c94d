"""Coarse by fine: whose detail of each kind carries a verdict, and must the two fit? From the study `probes`. No torch.

Two factors, the coarse and the fine half of the spectrum, each from one of `SOURCES`: the image itself, another image
of its verdict, or one of the other verdict, matched by category. A cell is the mean margin of such pictures. Those
whose coarse half is not the image's own are pictures of its donors, which the study has swapped in the same way; only
for (same class, own) it has none, and the fine half is that of a third image of the class.
"""

from collections.abc import Mapping
from typing import Any

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


def radii(table: pd.DataFrame) -> list[str]:
    """List the strengths that a table of `probes` has for all swaps, the strongest last."""
    keys = [step.key for step in PROBES["transplant"].strengths]
    return [key for key in keys if all(PROBES[probe].column(key) in table for probe in SWAPS)]


def margins_of(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any], radius: str) -> Values:
    """Collect the margins of the nine combinations: float64 (3, 3, M), [coarse, fine] of `SOURCES`, NaN where unknown.

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
    return np.array([
        (margins[where], same[:-1], other[:-1]),
        (same[by_same], margins[donors.same], other[by_same]),
        (lent[:-1], other[by_other], margins[donors.other]),
    ])  # fmt: skip


def effects_of(cells: Values, source: int, signs: Values) -> dict[str, Values]:
    """Compute the effects of swapping an image's halves with those of one source, in margins towards the verdict.

    Args:
        cells: from `margins_of`.
        source: its position in `SOURCES`.
        signs: float64 (M,), 1 for REAL verdicts, else -1.

    Returns:
        float64 (M,) each: main effects `coarse` and `fine`, how much more its own half adds than the other's, mean over
        both other halves; interaction `fit`, half of how much more the own fine half adds where the coarse half is its
        own too.
    """
    pairs = ((0, 0), (0, source), (source, 0), (source, source))
    own, fine_swapped, coarse_swapped, both = (signs * cells[pair] for pair in pairs)
    return {
        "coarse": (own - coarse_swapped + fine_swapped - both) / 2,
        "fine": (own - fine_swapped + coarse_swapped - both) / 2,
        "fit": (own - fine_swapped - coarse_swapped + both) / 2,
    }


def cell_text(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Lay out mean margins (95 %) at the strongest radius: a row a verdict and coarse half, a column a fine half."""
    cells, real = margins_of(run, table, parameters, radii(table)[-1]), _called_real(run, table)
    weights, rows = table[WEIGHT].to_numpy(np.float64), []
    for verdict in VERDICTS:
        chosen = real == (verdict == "REAL")
        for coarse, values in zip(SOURCES, cells, strict=True):
            means = (weighted_mean(cell[chosen], weights[chosen]) for cell in values)
            rows.append((verdict, coarse, *(format_measure(Measure(*mean[:3]), "margins") for mean in means)))
    return pd.DataFrame(rows, columns=["verdict", "coarse half", *SOURCES])


def _called_real(run: Run, table: pd.DataFrame) -> NDArray[np.bool_]:
    return np.asarray(run.predictions.set_index("id").loc[table["id"], "predicted"].astype(str) == "REAL")


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """Conclude `factorial-coarse`, `-fine` and `-fit` for each verdict; nothing where a file has no swaps.

    Main effects are of swaps with the other class, beside the same swaps within the class; `fit` is the interaction of
    swaps within the class, where nothing but the fit is lost. Each radius is a choice.
    """
    called_real = _called_real(run, table)
    signs, weights, names = np.where(called_real, 1.0, -1.0), table[WEIGHT].to_numpy(np.float64), radii(table)
    both = {}
    for radius in names:
        cells = margins_of(run, table, parameters, radius)
        both[radius] = [effects_of(cells, source, signs) for source in (2, 1)]

    def effect(name: str, radius: str, chosen: NDArray[np.bool_]) -> tuple[Measure, Control, Measure]:
        other, same = (effects[name][chosen] for effects in both[radius])
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
        for name in _TEXTS if names and chosen.any() else ():
            measure, control, difference = effect(name, names[-1], chosen)
            choices = tuple(Choice("radius", radius, *effect(name, radius, chosen)) for radius in names)
            findings.append(Finding(
                f"factorial-{name}-{verdict}", "probes", "margin_effect", measure, verdict, control, difference,
                choices, details={"effect": name, "radius": names[-1]}, subject=f"radius {names[-1]}",
            ))  # fmt: skip
    return [finding for finding in findings if finding.measure.known]
