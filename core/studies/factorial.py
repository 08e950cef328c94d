"""Coarse by fine: whose detail of each kind carries a verdict, and must the two fit? From the study `probes`. No torch.

Two factors, the coarse and the fine half of the spectrum, each from one of `SOURCES`: the image itself, another image
of its verdict, or one of the other verdict, matched by category. A cell is the mean margin of such pictures. Those
whose coarse half is not the image's own are pictures of its donors, which the study has swapped in the same way; only
for (same class, own) it has none, and the fine half is that of a third image of the class.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.finding import Choice, Control, Finding, Measure, compare, mean_of
from core.findings.numbers import format_measure
from core.perturbations.registry import PROBES
from core.runs.run import Run
from core.studies.donors import choose_donors
from core.studies.groups import VERDICTS, with_predictions
from core.studies.study import WEIGHT

SOURCES = ("own", "same class", "other class")
SWAPS = ("transplant", "transplant_same", "lend")
Values = NDArray[np.float64]

_TEXTS = {
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
HEADLINES = {
    f"factorial-{effect}-{verdict}": {key: text.format(verdict) for key, text in texts.items()}
    for effect, texts in _TEXTS.items()
    for verdict in VERDICTS
}


def radii(table: pd.DataFrame) -> list[str]:
    """List the strengths that a table of `probes` has for all swaps, the strongest last."""
    keys = [step.key for step in PROBES["transplant"].strengths]
    return [key for key in keys if all(PROBES[probe].column(key) in table for probe in SWAPS)]


def margins_of(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> dict[str, Values]:
    """Collect the margins of the nine combinations, [coarse, fine] of `SOURCES`; finer waves than the radius are fine.

    Args:
        run: that was probed.
        table: of the study, M rows.
        parameters: of the study.

    Returns:
        Radius of `radii` -> float64 (3, 3, M), NaN where unknown.
    """
    where = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    donors = choose_donors(run, where, seed=int(parameters.get("seed", 0)))
    rows = np.full(len(run) + 1, -1)
    rows[where] = np.arange(len(where))
    margins = np.append(run.predictions["margin"].to_numpy(np.float64), np.nan)
    # a missing donor is the last, which is unknown
    by_same, by_other, cells = rows[donors.same], rows[donors.other], {}
    for radius in radii(table):
        other, same, lent = (np.append(table[PROBES[key].column(radius)].to_numpy(np.float64), np.nan) for key in SWAPS)
        cells[radius] = np.array([
            (margins[where], same[:-1], other[:-1]),
            (same[by_same], margins[donors.same], other[by_same]),
            (lent[:-1], other[by_other], margins[donors.other]),
        ])  # fmt: skip
    return cells


def effects_of(cells: Values, source: int) -> dict[str, Values]:
    """Compute the effects of swapping an image's halves with those of one source, in margins towards the verdict.

    Args:
        cells: as from `margins_of`, towards the verdict.
        source: its position in `SOURCES`.

    Returns:
        float64 (M,) each: main effects `coarse` and `fine`, how much more its own half adds than the other's, mean over
        both other halves; interaction `fit`, half of how much more the own fine half adds where the coarse half is its
        own too.
    """
    own, fine_swapped, coarse_swapped, both = cells[0, 0], cells[0, source], cells[source, 0], cells[source, source]
    return {
        "coarse": (own - coarse_swapped + fine_swapped - both) / 2,
        "fine": (own - fine_swapped + coarse_swapped - both) / 2,
        "fit": (own - fine_swapped - coarse_swapped + both) / 2,
    }


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> Iterator[Finding]:
    """Conclude `factorial-coarse`, `-fine` and `-fit` for each verdict; nothing where a file has no swaps.

    Main effects are of swaps with the other class, beside the same swaps within the class; `fit` is the interaction of
    swaps within the class, where nothing but the fit is lost. Each radius is a choice. Beside `fit` stand the mean
    margins at the strongest radius, see `cell_name`.
    """
    predicted, cells = with_predictions(table, run)["predicted"], margins_of(run, table, parameters)
    for verdict, sign in zip(VERDICTS, (-1, 1), strict=True):
        chosen = (predicted == verdict).to_numpy()
        weights = table[WEIGHT].to_numpy(np.float64)[chosen]
        own = {radius: values[..., chosen] for radius, values in cells.items()}
        for name in _TEXTS if own and chosen.any() else ():
            effects = {radius: _effect(name, sign * values, weights) for radius, values in own.items()}
            radius, strongest = list(own.items())[-1]
            means = {
                cell_name(coarse, fine): mean_of(strongest[at, to], weights)
                for (at, coarse), (to, fine) in product(enumerate(SOURCES), repeat=2)
            }
            if effects[radius]["measure"].known:
                yield Finding(
                    f"factorial-{name}-{verdict}", "probes", "margin_effect", group=verdict, **effects[radius],
                    choices=tuple(Choice("radius", of, **effect) for of, effect in effects.items()),
                    beside=means if name == "fit" else {}, details={"radius": radius}, subject=f"radius {radius}",
                )  # fmt: skip


def _effect(name: str, cells: Values, weights: Values) -> dict[str, Any]:
    other, same = (effects_of(cells, source)[name] for source in (2, 1))
    if name == "fit":
        measure = mean_of(same, weights)
        return {"measure": measure, "control": Control("no interaction", Measure(0.0)), "difference": measure}
    known = np.isfinite(other) & np.isfinite(same)
    return compare(other[known], same[known], weights[known], control="the same swap within the class")


def cell_name(coarse: str, fine: str) -> str:
    """Name the mean margin of pictures with a coarse and a fine half of `SOURCES`."""
    return f"coarse: {coarse}, fine: {fine}"


def cell_text(findings: Iterable[Finding]) -> pd.DataFrame:
    """Lay out mean margins (95 %): a row a verdict and coarse half, a column a fine half; no rows without swaps."""
    rows = [
        (
            finding.group,
            coarse,
            *(format_measure(finding.beside[cell_name(coarse, fine)], "margins") for fine in SOURCES),
        )
        for finding in findings
        if finding.key.startswith("factorial-fit")
        for coarse in SOURCES
    ]
    return pd.DataFrame(rows, columns=["verdict", "coarse half", *SOURCES])
