"""How well public detectors do on ordinary pictures, by source and delivery; the counts ship, the pictures do not.

`write_counts(["ferretnet@pictures"])` counts anew, from runs by `telltale predict` with their study `deliveries`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.answers.judgement import highest_threshold
from core.answers.ordinary import MOST
from core.findings.table import markdown
from core.homes import SHIPPED
from core.runs.folders import find_named, find_runs
from core.runs.run import Run, read_run
from core.storage.atomic import write_bytes_atomically
from core.studies.store import find_studies

AS_IT_IS = "as it is"
# deliveries of docs/results.md
SHOWN = (AS_IT_IS, "JPEG 85")
LABELS = {"FAKE": "generated", "REAL": "photographs"}
# source -> its originals of which `core.images.provenance` reads that they are generated, or by a camera
SAYING = {"comfy": 14, "sdcpp": 21, "sdnext_ref": 58, "exif_samples": 21, "photo_sites": 6}
FILE = SHIPPED / "ordinary.csv"
DELIVERED = {
    "jpeg_85": "JPEG 85",
    "jpeg_75": "JPEG 75",
    "scale_50_box": "halved",
    "screenshot": "screenshot",
}


def count_called_fake(run: Run, deliveries: pd.DataFrame) -> pd.DataFrame:
    """Count what is called FAKE at the authors' threshold, and at one with at most 2 % false alarms untouched.

    Args:
        run: with labels and sources.
        deliveries: the table of its study of that name.

    Returns:
        A row for each source, label and delivery: `pictures`, and of them `authors` and `two_percent` called FAKE.
        Pictures that a delivery leaves too small are not counted.
    """
    about = run.predictions.set_index("id")[["source", "label", "margin"]]
    margins = deliveries.set_index("id")[list(DELIVERED)].rename(columns=DELIVERED)
    margins = about[["margin"]].rename(columns={"margin": AS_IT_IS}).join(margins)
    limit = highest_threshold(margins.loc[about["label"].astype(str) == "REAL", AS_IT_IS].to_numpy(), MOST)
    rows = []
    for (source, label), group in margins.groupby([about["source"].astype(str), about["label"].astype(str)]):
        for delivery in margins:
            scores = group[delivery].dropna()
            counts = {"authors": int((scores <= 0).sum()), "two_percent": int((scores < limit).sum())}
            rows.append({"source": source, "label": label, "delivery": delivery, "pictures": len(scores), **counts})
    return pd.DataFrame(rows)


def write_counts(names: Sequence[str]) -> None:
    """Write the counts of these runs, which have their study of deliveries, to the file that ships."""
    parts = []
    for name in names:
        run = read_run(find_named(name, find_runs(), "run"))
        studies, _ = find_studies(run)
        counts = count_called_fake(run, studies["deliveries"].table)
        counts.insert(0, "detector", run.manifest["detector"])
        parts.append(counts)
    counts = pd.concat(parts)
    write_bytes_atomically(FILE, lambda path: counts.to_csv(path, index=False))


def tables() -> dict[str, pd.DataFrame]:
    """Lay the counts out for people: detector -> a row a source and the sum of photographs, a column a delivery.

    Empty where nothing ships.
    """
    if not FILE.is_file():
        return {}
    counts = pd.read_csv(FILE)
    return {name: _table(own) for name, own in counts.groupby("detector", sort=False)}


def _table(counts: pd.DataFrame) -> pd.DataFrame:
    photographs = counts[counts["label"] == "REAL"]
    every = photographs.groupby("delivery", as_index=False)[["pictures", "authors", "two_percent"]].sum()
    counts = pd.concat([counts, every.assign(source="all photographs", label="REAL")])
    texts = [f"{own.authors} / {own.two_percent} of {own.pictures}" for own in counts.itertuples()]
    counts = counts.assign(text=np.where(counts["pictures"] > 0, texts, "too small"))
    wide = counts.pivot(index=["label", "source"], columns="delivery", values="text")
    rows = counts[["label", "source"]].drop_duplicates().sort_values("label", kind="stable")
    wide = wide.loc[pd.MultiIndex.from_frame(rows), [AS_IT_IS, *DELIVERED.values()]]
    return wide.reset_index().rename_axis(None, axis=1)


def sections() -> list[str]:
    """Write the part of docs/results.md: what originals of each source say of themselves, and what detectors find."""
    counts = pd.read_csv(FILE)
    counts = counts[counts["delivery"].isin(SHOWN)]
    rows = []
    for (label, source), own in counts.groupby(["label", "source"]):
        row = {"originals": f"{source}, {LABELS[label]}", "pictures": f"{own['pictures'].max()}"}
        row["its files say so"] = f"{SAYING.get(source, 0)}"
        for detector, of in own.groupby("detector"):
            found = of.set_index("delivery")["two_percent"]
            row[f"`{detector}`"] = " / ".join(f"{found[delivery]}" for delivery in SHOWN)
        rows.append(row)
    return [
        "## Public detectors on ordinary pictures",
        "Originals whose file says that it is generated, or by a camera; after each of our deliveries none does, since "
        "they write pixels only. Then those called FAKE, as they are / after JPEG 85, at a threshold below which at "
        "most 2% of these photographs lie. Sources differ in format and size, so they are not added up.",
        markdown(pd.DataFrame(rows)),
    ]
