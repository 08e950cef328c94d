"""How much does each ring of the spectrum give to the margin, alone and in company? Exact Shapley values.

Absence is tried in two ways: a ring is removed, or replaced by that of the mean image of the predicted class.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.rings import RINGS, ring_effects, ring_label, ring_parts, ring_versions
from core.findings.contrast import Contrast, Control, Finding, Measure
from core.findings.intervals import weighted_mean
from core.runs.run import Run
from core.studies.groups import groups
from core.studies.study import Context, Study

REMOVED, MEAN = "removed", "mean"
KINDS = {
    "shapley": "mean gain over all orders",
    "alone": "gain with no other ring",
    "last": "gain with all others there",
}
COLUMNS = {
    f"{absence}_{kind}_{number}": f"{words} of {ring_label(number)}, margins towards REAL, absent rings {text}"
    for absence, text in {REMOVED: "removed", MEAN: "those of the mean image of the predicted class"}.items()
    for kind, words in KINDS.items()
    for number in range(RINGS)
}
# one average of this many images stands for the run's
MOST = 4000


@lru_cache(maxsize=1)
def mean_rings(context: Context) -> dict[bool, NDArray[np.float64]]:
    """Split the mean image of each predicted class into its rings, by whether that is REAL; computed once for a run."""
    called, some = context.run.predicted_real, np.arange(0, len(context.run), max(1, len(context.run) // MOST))
    return {
        real: ring_parts(np.asarray(context.pixels[some[called[some] == real]], np.float32).mean(axis=0))
        for real in set(called.tolist())
    }


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:  # noqa: ARG001
    """Compute the effects of each image's rings under both kinds of absence."""
    called, means, records = context.run.predicted_real, mean_rings(context), []
    for row in rows:
        image = np.asarray(context.pixels[row])
        record: dict[str, float] = {}
        for absence, absent in ((REMOVED, None), (MEAN, means[bool(called[row])])):
            effects = ring_effects(context.detector.margins(ring_versions(image, absent)))._asdict()
            record |= {f"{absence}_{kind}_{n}": value for kind in KINDS for n, value in enumerate(effects[kind])}
        records.append(record)
    table = pd.DataFrame(records, columns=list(COLUMNS)).astype(np.float32)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> Iterator[Finding]:
    """Conclude `ring-<number>-<verdict>`: the mean Shapley value towards the verdict, coarse rings first."""
    nothing = Control("no effect", Measure(0.0))
    for verdict, part, weights in groups(table, run):
        sign = 1 if verdict == "REAL" else -1
        question = f"Does detail of this fineness speak for {verdict}?"
        for number in range(RINGS):
            contrasts = []
            for absence in (REMOVED, MEAN):
                mean = weighted_mean(sign * part[f"{absence}_shapley_{number}"].to_numpy(np.float64), weights)
                contrasts.append(Contrast("absent rings", absence, mean, nothing, mean))
            yield Finding(
                f"ring-{number}-{verdict}", question, "margin_effect", tuple(contrasts), group=verdict,
                subject=ring_label(number),
            )  # fmt: skip


STUDY = Study(
    name="rings",
    title="Rings of the spectrum",
    question="How much does each ring of the spectrum give to the margin, alone and in company?",
    columns=COLUMNS,
    control="No effect: an exact Shapley value has no sampling error, so its interval is that of the images.",
    compute=compute,
    conclude=conclude,
    shard=32,
)
