"""An audit made ready for a page: what could be learned, worst first, with what it shows in Explore. Needs no torch."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.finding import Finding
from core.runs.filter import Filter
from core.runs.run import Run
from core.studies.audit.findings import worst_first
from core.studies.audit.names import FACT_NAMES, LEAK, FactName
from core.studies.copies.nearest_copy import FILE, NEAR, SHOWN
from core.studies.result import StudyResult

BINS = 28
# what lies beyond is counted in the outermost bins
TAILS = 0.005
# lower end of an AUROC's interval from which a cue counts; of ten cues, one may reach it by chance
HINT = 0.53
SIDES = {"in_training": "training", "in_set": "set"}


@dataclass(frozen=True)
class Concern:
    """A shortcut that a detector could learn.

    Attributes:
        key: of a fact, or "leak".
        name: in words.
        cue: how well it separates the classes alone.
        lean: how well the detector does among images matched on it.
        shown: the button's label -> the filter that shows it in Explore.
    """

    key: str
    name: FactName
    cue: Finding
    lean: Finding
    shown: dict[str, Filter] = field(default_factory=dict)

    @property
    def is_flaw(self) -> bool:
        """Whether it certainly tells the classes apart by more than ten facts do by chance."""
        return self.cue.measure.low >= HINT


def concerns(audit: StudyResult) -> list[Concern]:
    """What an audit looked at, what certainly tells most first."""
    found = {one.key: one for one in audit.findings}
    keys = [key.removeprefix("lean.") for key in found if key.startswith("lean.")]
    names = {key: LEAK if key == "leak" else FACT_NAMES[key] for key in keys}
    return [
        Concern(key, name, found["leak" if key == "leak" else f"fact.{key}"], found[f"lean.{key}"], _shown(key, name))
        for key, name in names.items()
    ]


def _shown(key: str, name: FactName) -> dict[str, Filter]:
    if key == "leak":
        return {"Show them": Filter().choosing("duplicates.in_training", [FILE, SHOWN, NEAR])}
    if name.is_number:
        return {"Highest first": Filter(sort=f"-{key}"), "Lowest first": Filter(sort=key)}
    return {}


def guessing(run: Run) -> float:
    """Return the accuracy, 0 to 1, of always naming the larger class."""
    real = float(run.is_real.mean())
    return max(real, 1 - real)


def yardsticks(audit: StudyResult) -> pd.DataFrame:
    """The best fact alone, the regressions and the network by how many verdicts are right, weakest first.

    Returns:
        `name`, `about`; `value`, `low`, `high` of the share that is right, 0 to 1; `auroc`, `auroc_low`, `auroc_high`,
        `shuffled` (AUROC after labels were shuffled, NaN for the network), `fitted` (training images).
    """
    table = audit.table
    facts = worst_first(table[table["kind"] == "fact"]).head(1)
    chosen = pd.concat([facts, table[table["kind"].isin(["baseline", "network"])]], ignore_index=True)
    titles = {"spectrum": "16 numbers of the spectrum", "facts": "8 plain facts", "network": "The network"}
    abouts = {
        "spectrum": "logistic regression on the radial power spectrum",
        "facts": "logistic regression on brightness, contrast, colour, fine detail and file size",
        "network": "the detector of this run",
    }
    found = pd.DataFrame(
        {
            "name": [titles.get(name) or f"{FACT_NAMES[name].title} alone" for name in chosen["name"]],
            "about": [abouts.get(name, "the fact that tells most") for name in chosen["name"]],
            "value": chosen["accuracy"],
            "low": chosen["accuracy_low"],
            "high": chosen["accuracy_high"],
            **{name: chosen[name] for name in ("auroc", "auroc_low", "auroc_high", "shuffled", "fitted")},
        }
    )
    return found.sort_values("value", kind="stable").reset_index(drop=True)


def histogram(values: pd.Series, is_real: NDArray[np.bool_]) -> pd.DataFrame:
    """How the values of a fact are spread over each class.

    Args:
        values: (N,) numbers or names; images that lack one are left out.
        is_real: bool (N,).

    Returns:
        `real` and `fake`, the share of each class, 0 to 1, that lies in each bin; for numbers with the bin's ends `low`
        and `high`, for names with `value`, the commonest first.
    """
    known = values.notna().to_numpy()
    values, is_real = values[known], is_real[known]
    sides = {"real": is_real, "fake": ~is_real}
    if not pd.api.types.is_numeric_dtype(values):
        counts = {side: values[chosen].astype(str).value_counts(normalize=True) for side, chosen in sides.items()}
        found = pd.DataFrame(counts).fillna(0.0)
        found = found.loc[found.sum(axis=1).sort_values(ascending=False, kind="stable").index]
        return found.rename_axis("value").reset_index()
    numbers = values.to_numpy(np.float64)
    low, high = np.quantile(numbers, [TAILS, 1 - TAILS]) if len(numbers) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    clipped = np.clip(numbers, edges[0], edges[-1])
    shares = {
        side: np.histogram(clipped[chosen], edges)[0] / max(1, int(chosen.sum())) for side, chosen in sides.items()
    }
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], **shares})


def rings(audit: StudyResult) -> pd.DataFrame:
    """The rows of the radial power spectrum: `ring` 1 to 16 and the quartiles of both classes."""
    rows = audit.table[audit.table["kind"] == "ring"]
    return rows.assign(ring=rows["name"].astype(int)).sort_values("ring").reset_index(drop=True)


def copy_pairs(duplicates: StudyResult, side: str) -> pd.DataFrame:
    """The images that have a copy, near or of the same pixels in another file; each pair once.

    Those of the other class come first, then the nearest.

    Args:
        duplicates: the study.
        side: "in_training" or "in_set".

    Returns:
        `id` of the image; `kind`, `class`, `name`, `partner` (id) and `bits` of its copy.
    """
    short = SIDES[side]
    table = duplicates.table[duplicates.table[side].isin((NEAR, SHOWN))]
    names = {side: "kind", f"{short}_class": "class", f"{short}_name": "name", f"{short}_id": "partner"}
    found = table[["id", *names, f"{short}_bits"]].rename(columns={**names, f"{short}_bits": "bits"})
    # within a set a pair is found from both of its ends
    ends = [" ".join(sorted(pair)) for pair in zip(found["id"], found["partner"], strict=True)]
    found = found[~pd.Series(ends, index=found.index, dtype=str).duplicated()]
    order = pd.DataFrame({"same": found["class"] != "other", "bits": found["bits"].astype(float)})
    return found.loc[order.sort_values(["same", "bits"], kind="stable").index].reset_index(drop=True)
