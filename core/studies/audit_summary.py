"""An audit made ready for a page: its statistics in words, histograms, and probes that change them. Needs no torch."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines, with_headlines
from core.findings.finding import Finding
from core.runs.run import Run
from core.studies.flips import flip_rates, read_flips
from core.studies.probes import answering_column, fair_rates, finding_of_rate
from core.studies.store import StudyResult

BINS = 28
# what lies beyond is counted in the outermost bins
TAILS = 0.005


class StatisticName(NamedTuple):
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
# findings of `experiments_on`
EXPERIMENTS: Headlines = {
    "forced.*": {
        "question": "Does changing this image statistic flip verdicts?",
        "holds": "Changing it flips verdicts more often than its control does.",
    },
}


def worst_first(table: pd.DataFrame) -> pd.DataFrame:
    """Select the rows of statistics and of leaks, those that certainly separate the classes best first."""
    rows = table[table["kind"].isin(["fact", "leak"])]
    return rows.sort_values("auroc_low", ascending=False, kind="stable").reset_index(drop=True)


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
    sides = {"real": values[known & is_real], "fake": values[known & ~is_real]}
    if not pd.api.types.is_numeric_dtype(values):
        shares = pd.DataFrame(
            {side: part.astype(str).value_counts(normalize=True) for side, part in sides.items()}
        ).fillna(0.0)
        order = shares.sum(axis=1).sort_values(ascending=False, kind="stable").index
        return shares.loc[order].rename_axis("value").reset_index()
    low, high = values[known].quantile([TAILS, 1 - TAILS]).fillna(0.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    columns = {
        side: np.histogram(part.clip(edges[0], edges[-1]), edges)[0] / max(1, len(part)) for side, part in sides.items()
    }
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], **columns})


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
