"""How well public detectors do on ordinary pictures, by source and delivery; the counts ship, the pictures do not.

The counts are of runs by `telltale predict` and their study `deliveries`: at the authors' threshold, and at one with at
most 2 % false alarms on these photographs as they are.
"""

import numpy as np
import pandas as pd

from core.detectors.known import AS_IT_IS, COUNTS
from core.findings.table import markdown

# name of a delivery -> its words
DELIVERED = {
    AS_IT_IS: AS_IT_IS,
    "jpeg_85": "JPEG 85",
    "jpeg_75": "JPEG 75",
    "scale_50_box": "halved",
    "screenshot": "screenshot",
}
# deliveries of docs/results.md
SHOWN = (AS_IT_IS, "jpeg_85")
LABELS = {"FAKE": "generated", "REAL": "photographs"}
# source -> its originals of which `core.images.provenance` reads that they are generated, or by a camera
SAYING = {"comfy": 14, "sdcpp": 21, "sdnext_ref": 58, "exif_samples": 21, "photo_sites": 6}


def tables() -> dict[str, pd.DataFrame]:
    """Lay the counts out for people: detector -> a row a source and the sum of photographs, a column a delivery.

    Empty where nothing ships.
    """
    if not COUNTS.is_file():
        return {}
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


def sections() -> list[str]:
    """Write the part of docs/results.md: what originals of each source say of themselves, and what detectors find."""
    counts = _counts()
    counts = counts[counts["delivery"].isin(SHOWN)]
    rows = []
    for (label, source), own in counts.groupby(["label", "source"]):
        row = {"originals": f"{source}, {LABELS[label]}", "pictures": f"{own['pictures'].max()}"}
        row["its files say so"] = f"{SAYING.get(source, 0)}"
        for detector, of in own.groupby("detector"):
            called_fake = of.set_index("delivery")["two_percent"]
            row[f"`{detector}`"] = " / ".join(f"{called_fake[delivery]}" for delivery in SHOWN)
        rows.append(row)
    return [
        "## Public detectors on ordinary pictures",
        "Originals whose file says that it is generated, or by a camera; after each of our deliveries none does, since "
        "they write pixels only. Then those called FAKE, as they are / after JPEG 85, at a threshold below which at "
        "most 2% of these photographs lie. Sources differ in format and size, so they are not added up.",
        markdown(pd.DataFrame(rows)),
    ]
