"""What the study `deliveries` concludes, REAL and FAKE apart: how many verdicts flip, and how many errors follow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.finding import Choice, Control, Finding, Measure
from core.images.labels import CLASSES
from core.metrics.intervals import weighted_lead, weighted_share
from core.perturbations.delivery.registry import deliveries
from core.runs.run import Run
from core.studies.study import WEIGHT

NOTHING = "png"
CONTROL = "saving as PNG"
LEVEL = 0.05


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:  # noqa: ARG001
    """Conclude, for each class: `flips_<verdict>` of its verdicts, and `errors_<label>` of its images.

    `flips` measures the share of verdicts that at least one delivery flips; `errors` the error rate after the delivery
    with the most errors. The control of both is saving as PNG, which changes no pixel.
    """
    rows = run.predictions.set_index("id").loc[table["id"]]
    weights = table[WEIGHT].to_numpy(np.float64)
    predicted, label = ((rows[name].astype(str) == "REAL").to_numpy() for name in ("predicted", "label"))
    # a file lacks the deliveries that were added after it
    there = [one for one in deliveries() if one.name in table]
    titles = {one.name: one.title for one in there if table[one.name].notna().all() and len(table)}
    after = {name: (table[name] > 0).to_numpy() for name in titles}
    found = []
    for number, name in enumerate(CLASSES):
        verdicts, images = predicted == bool(number), label == bool(number)
        changed = {key: said != predicted for key, said in after.items()}
        wrong = {key: said != label for key, said in after.items()}
        if verdicts.any() and len(changed) > 1:
            any_of_them = np.any([one for key, one in changed.items() if key != NOTHING], axis=0)
            found.append(
                _finding(f"flips_{name.lower()}", "flip_rate", name, any_of_them, changed, titles, verdicts, weights)
            )
        if images.any() and len(wrong) > 1:
            rates = {
                key: np.average(one[images], weights=weights[images]) for key, one in wrong.items() if key != NOTHING
            }
            most = max(rates, key=rates.__getitem__)
            found.append(
                _finding(
                    f"errors_{name.lower()}", "error_rate", name, wrong[most], wrong, titles, images, weights,
                    # the worst of so many
                    confidence=1 - LEVEL / len(rates),
                )
            )  # fmt: skip
    return found


def _finding(  # noqa: PLR0917
    key: str,
    quantity: str,
    group: str,
    main: NDArray[np.bool_],
    each: Mapping[str, NDArray[np.bool_]],
    titles: Mapping[str, str],
    where: NDArray[np.bool_],
    weights: NDArray[np.float64],
    *,
    confidence: float = 0.95,
) -> Finding:
    """A share of some rows beside that after the delivery that changes nothing, on the same images.

    Args:
        confidence: of their difference; higher where `main` was chosen as the largest of several.
    """
    nothing = each[NOTHING]
    choices = tuple(
        Choice("delivery", titles[name], *_beside(hits, nothing, where, weights))
        for name, hits in each.items()
        if name != NOTHING
    )
    measure, control, difference = _beside(main, nothing, where, weights, confidence=confidence)
    worst = max(choices, key=lambda one: one.measure.value)
    return Finding(
        key, "deliveries", quantity, measure, group, control, difference,
        beside={"worst": worst.measure, **{one.value: one.measure for one in choices}},
        details={"worst_name": worst.value, "deliveries": len(choices), "each": [one.value for one in choices]},
    )  # fmt: skip


def _beside(
    hits: NDArray[np.bool_],
    nothing: NDArray[np.bool_],
    where: NDArray[np.bool_],
    weights: NDArray[np.float64],
    *,
    confidence: float = 0.95,
) -> tuple[Measure, Control, Measure]:
    paired = hits[where].astype(np.float64) - nothing[where]
    return (
        Measure.of(weighted_share(hits[where], weights[where])),
        Control(CONTROL, Measure.of(weighted_share(nothing[where], weights[where]))),
        Measure.of(weighted_lead(paired, weights[where], confidence=confidence)),
    )
