"""How well public detectors do on ordinary pictures, by source and delivery; the counts ship, the pictures do not.

The counts are of runs by `telltale predict` and their study `deliveries`: at the authors' threshold, and at one with at
most 2 % false alarms on these photographs as they are.
"""

import numpy as np
import pandas as pd

from core.detectors.known import AS_IT_IS, COUNTS

# name of a delivery -> its words
DELIVERED = {
    AS_IT_IS: AS_IT_IS,
    "jpeg_85": "JPEG 85",
    "jpeg_75": "JPEG 75",
    "scale_50_box": "halved",
    "screenshot": "screenshot",
}
# heading of all their sources together
PHOTOGRAPHS = "photographs"


def tables() -> dict[str, pd.DataFrame]:
    """Lay the counts out for people: detector -> a row a source and the sum of photographs, a column a delivery."""
    return {name: _table(own) for name, own in _counts().groupby("detector", sort=False)}


def _counts() -> pd.DataFrame:
    """Read the counts that are known for both thresholds."""
    return pd.read_csv(COUNTS).dropna().astype({"two_percent": int})


def _table(counts: pd.DataFrame) -> pd.DataFrame:
    photographs = counts[counts["label"] == "REAL"]
    every = photographs.groupby("delivery", as_index=False)[["pictures", "authors", "two_percent"]].sum()
    counts = pd.concat([counts, every.assign(source="all photographs", label="REAL")])
    texts = [f"{own.authors} / {own.two_percent} of {own.pictures}" for own in counts.itertuples()]
    counts = counts.assign(text=np.where(counts["pictures"] > 0, texts, "too small"))
    wide = counts.pivot(index=["label", "source"], columns="delivery", values="text")
    rows = counts[["label", "source"]].drop_duplicates().sort_values("label", kind="stable")
    wide = wide.loc[pd.MultiIndex.from_frame(rows), list(DELIVERED)].rename(columns=DELIVERED)
    return wide.reset_index().rename_axis(None, axis=1)


def by_generator() -> pd.DataFrame:
    """Lay out, for docs/results.md, what detectors find by generator after each delivery, and their false alarms."""
    counts = _counts()
    counts["of"] = counts["source"].where(counts["label"] == "FAKE", PHOTOGRAPHS)
    sums = counts.groupby(["detector", "delivery", "of"])[["pictures", "authors", "two_percent"]].sum()
    originals = sums["pictures"].groupby("of").max()
    # generators first
    sources = sorted(originals.index, key=lambda source: (source == PHOTOGRAPHS, source))
    rows = []
    for detector in counts["detector"].unique():
        for delivery, words in DELIVERED.items():
            row = {"detector": f"`{detector}`", "delivery": words}
            for source in sources:
                pictures, authors, two_percent = sums.loc[(detector, delivery, source)]
                fewer = f" of {pictures}" if pictures < originals[source] else ""
                row[f"{source} ({originals[source]})"] = f"{authors}/{two_percent}{fewer}"
            rows.append(row)
    return pd.DataFrame(rows)
