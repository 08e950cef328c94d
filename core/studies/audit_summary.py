"""An audit made ready for a page: its statistics in words, shortcuts worst first, tables for charts. Needs no torch."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines, with_headlines
from core.findings.finding import Finding
from core.runs.filter import Filter
from core.runs.run import Run
from core.studies.copies import FILE, NEAR, SHOWN
from core.studies.flips import flip_rates, read_flips
from core.studies.probes import answering_column, fair_rates, finding_of_rate
from core.studies.store import StudyResult

BINS = 28
# what lies beyond is counted in the outermost bins
TAILS = 0.005


@dataclass(frozen=True)
class StatisticName:
    """An image statistic in words.

    Attributes:
        title: for a heading.
        about: what is measured, for readers who are new to it.
        probes: keys of the probes that change this statistic, which show whether the detector reacts to it.
        is_number: whether its values are numbers.
    """

    title: str
    about: str
    probes: tuple[str, ...] = ()
    is_number: bool = True


STATISTIC_NAMES = {
    "brightness": StatisticName("Brightness", "mean of all pixels, 0 (black) to 255 (white)", ("brighter",)),
    "contrast": StatisticName(
        "Contrast", "how far pixels are from the image's mean, in grey levels", ("flatter", "harder")
    ),
    "greyness": StatisticName("Greyness", "1 is grey all over, lower is more colourful", ("fade",)),
    "red": StatisticName("Red", "mean of the red channel, 0 to 255", ("tint",)),
    "green": StatisticName("Green", "mean of the green channel, 0 to 255", ("tint",)),
    "blue": StatisticName("Blue", "mean of the blue channel, 0 to 255", ("tint",)),
    "fine_detail": StatisticName(
        "Fine detail", "share of an image's variation that is finer than 4 pixels, 0 to 1", ("lowpass",)
    ),
    "file_bytes": StatisticName("File size", "bytes of the file", ("jpeg",)),
    "compression": StatisticName(
        "Compression", "format and quantisation tables of the file", ("jpeg",), is_number=False
    ),
    "category": StatisticName("What the image shows", "the set's own categories", is_number=False),
}
LEAK = StatisticName("Copies of training images", "images of the test that are also, or nearly, in the training set")

# findings of `experiments_on`
EXPERIMENTS: Headlines = {
    "forced.*": {
        "question": "Does changing this image statistic flip verdicts?",
        "holds": "Changing it flips verdicts more often than its control does.",
    },
}


@dataclass(frozen=True)
class Concern:
    """A shortcut that a detector could learn.

    Attributes:
        key: of a statistic, or "leak".
        name: in words.
        cue: how well it separates the classes alone.
        lean: how well the detector does among images matched on it.
        shown: the button's label -> the filter that shows it in Explore.
    """

    key: str
    name: StatisticName
    cue: Finding
    lean: Finding
    shown: dict[str, Filter] = field(default_factory=dict)


def concerns(audit: StudyResult) -> list[Concern]:
    """List the statistics and leaks of an audit, those that certainly separate the classes best first."""
    findings = {finding.key: finding for finding in audit.findings}
    result = []
    for lean in (finding for key, finding in findings.items() if key.startswith("lean.")):
        key = lean.key.removeprefix("lean.")
        if key == "leak":
            shown = {"Show them": Filter().choosing("duplicates.in_training", [FILE, SHOWN, NEAR])}
            result.append(Concern(key, LEAK, findings[key], lean, shown))
        else:
            name = STATISTIC_NAMES[key]
            ends = {"Highest first": Filter(sort=f"-{key}"), "Lowest first": Filter(sort=key)}
            result.append(Concern(key, name, findings[f"fact.{key}"], lean, ends if name.is_number else {}))
    return result


def worst_first(table: pd.DataFrame) -> pd.DataFrame:
    """Select the rows of statistics and of leaks, those that certainly separate the classes best first."""
    rows = table[table["kind"].isin(["fact", "leak"])]
    return rows.sort_values("auroc_low", ascending=False, kind="stable").reset_index(drop=True)


def baselines(audit: StudyResult) -> pd.DataFrame:
    """Compare the best statistic alone, the regressions and the network by their accuracy, the weakest first.

    Returns:
        `name`, `about`; `value`, `low`, `high` of the accuracy, 0 to 1; `auroc`.
    """
    table = audit.table
    best = worst_first(table[table["kind"] == "fact"]).head(1)
    rows = pd.concat([best, table[table["kind"].isin(["baseline", "network"])]], ignore_index=True)
    titles = {"spectrum": "16 numbers of the spectrum", "facts": "8 plain facts", "network": "The network"}
    abouts = {
        "spectrum": "logistic regression on the radial power spectrum",
        "facts": "logistic regression on brightness, contrast, colour, fine detail and file size",
        "network": "the detector of this run",
    }
    frame = pd.DataFrame(
        {
            "name": [titles.get(name) or f"{STATISTIC_NAMES[name].title} alone" for name in rows["name"]],
            "about": [abouts.get(name, "the fact that tells most") for name in rows["name"]],
            "value": rows["accuracy"],
            "low": rows["accuracy_low"],
            "high": rows["accuracy_high"],
            "auroc": rows["auroc"],
        }
    )
    return frame.sort_values("value", kind="stable").reset_index(drop=True)


def histogram(values: pd.Series, is_real: NDArray[np.bool_]) -> pd.DataFrame:
    """Compute the distribution of a statistic over each class.

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
        shares = pd.DataFrame(counts).fillna(0.0)
        order = shares.sum(axis=1).sort_values(ascending=False, kind="stable").index
        return shares.loc[order].rename_axis("value").reset_index()
    numbers = values.to_numpy(np.float64)
    low, high = np.quantile(numbers, [TAILS, 1 - TAILS]) if len(numbers) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    clipped = np.clip(numbers, edges[0], edges[-1])
    columns = {
        side: np.histogram(clipped[chosen], edges)[0] / max(1, int(chosen.sum())) for side, chosen in sides.items()
    }
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], **columns})


def rings(audit: StudyResult) -> pd.DataFrame:
    """Select the rows of the radial power spectrum: `ring` 1 to 16 and the quartiles of both classes."""
    rows = audit.table[audit.table["kind"] == "ring"]
    return rows.assign(ring=rows["name"].astype(int)).sort_values("ring").reset_index(drop=True)


def experiments_on(run: Run, probes: StudyResult, statistic: str) -> list[Finding]:
    """Conclude from the probes that change a statistic: for each verdict the strength that answers, as on Evidence.

    Args:
        run: that was probed.
        probes: the study `probes` of it.
        statistic: a key of `STATISTIC_NAMES`.
    """
    keys = STATISTIC_NAMES[statistic].probes
    if not keys:
        return []
    rows = read_flips(run, probes.table, probes.about.get("parameters"))
    rates = flip_rates(rows, side=run.side, probes=keys)
    findings = []
    for verdict, group in rates[rates["share"].notna()].groupby("verdict", sort=False):
        best = group.set_index("column", drop=False).loc[answering_column(group)]
        beyond = fair_rates(group)["net_low"]
        certain = float(beyond.max()) if len(beyond) else None
        key = f"forced.{statistic}.{str(verdict).lower()}"
        findings.append(finding_of_rate(key, best, study="audit", certain=certain))
    return with_headlines(findings, EXPERIMENTS)
