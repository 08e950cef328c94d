"""The study `deliveries`: the margin of every image after each kind of saving, resizing and sharing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines
from core.findings.finding import Control, Finding, Measure
from core.findings.intervals import weighted_lead, weighted_share
from core.images.labels import CLASSES
from core.perturbations.postprocessing import DELIVERIES, deliver
from core.runs.run import Run
from core.studies.study import WEIGHT, Context, Study

# saving as PNG changes no pixel
UNCHANGED = "png"
CONTROL = "saving as PNG"
LEVEL = 0.05

HEADLINES: Headlines = {
    **{
        f"flips_{verdict.lower()}": {
            "question": f"Do {verdict} verdicts survive saving, resizing and sharing?",
            "subject": "at least one delivery",
            "holds": f"Most {verdict} verdicts flip under at least one of them.",
            "holds for some": f"Some {verdict} verdicts flip under at least one of them.",
            "holds slightly": f"Nearly all {verdict} verdicts survive all of them.",
            "not shown": f"No {verdict} verdict is shown to flip under any of them.",
        }
        for verdict in CLASSES
    },
    "errors_fake": {
        "question": "Does saving, resizing or sharing hide generated images?",
        "holds": "After the worst delivery most generated images pass as REAL.",
        "holds for some": "After the worst delivery more generated images pass as REAL.",
        "holds slightly": "Even the worst delivery hides few generated images.",
        "not shown": "No delivery is shown to hide generated images.",
    },
    "errors_real": {
        "question": "Does saving, resizing or sharing make photographs look generated?",
        "holds": "After the worst delivery most photographs are called FAKE.",
        "holds for some": "After the worst delivery more photographs are called FAKE.",
        "holds slightly": "Even the worst delivery makes few photographs look generated.",
        "not shown": "No delivery is shown to make photographs look generated.",
    },
}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:  # noqa: ARG001
    """Compute each image's margin after each delivery that leaves the detector enough pixels, else NaN."""
    # the images have been made to fit already
    pixels, preprocessing = np.asarray(context.pixels[rows]), context.detector.preprocessing.fitted
    table = pd.DataFrame({"id": context.run.predictions["id"].iloc[rows].to_numpy()})
    for delivery in (delivery for delivery in DELIVERIES if context.wants(delivery.name)):
        sent = [version for image in pixels for version in deliver(image, preprocessing, among=[delivery])]
        fits, margins = np.array([version.fits for version in sent]), np.full(len(rows), np.nan, np.float32)
        if fits.any():
            margins[fits] = context.detector.margins(np.stack([version.pixels for version in sent if version.fits]))
        table[delivery.name] = margins
    return table


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:  # noqa: ARG001
    """Conclude, for each class: `flips_<verdict>` of its verdicts, and `errors_<label>` of its images.

    `flips` measures the share of verdicts that at least one delivery flips; `errors` the error rate after the delivery
    with the most errors, its interval corrected for choosing the worst of so many. The control of both is saving as
    PNG, which changes no pixel.
    """
    rows = run.predictions.set_index("id").loc[table["id"]]
    # a file lacks the deliveries that were added after it
    there = [sent for sent in DELIVERIES if sent.name in table and table[sent.name].notna().all()]
    titles = {sent.name: sent.title for sent in there}
    names = [name for name in titles if name != UNCHANGED]
    if not (names and len(table) and UNCHANGED in titles):
        return []
    real, findings = table[list(titles)] > 0, []
    for group in CLASSES:
        for key, quantity, column in (("flips", "flip_rate", "predicted"), ("errors", "error_rate", "label")):
            before = (rows[column].astype(str) == "REAL").to_numpy()
            chosen = before == (group == "REAL")
            if not chosen.any():
                continue
            hits, weights = real[chosen].ne(before[chosen], axis=0), table[WEIGHT].to_numpy(np.float64)[chosen]
            rates = {name: Measure.of(weighted_share(hits[name].to_numpy(), weights)) for name in titles}
            worst = max(names, key=lambda name: rates[name].value)
            shown, confidence = hits[worst].to_numpy(), 1 - LEVEL / len(names)
            if quantity == "flip_rate":
                # under any of them; nothing was chosen
                shown, confidence = hits[names].any(axis=1).to_numpy(), 0.95
            leads = shown.astype(np.float64) - hits[UNCHANGED].to_numpy()
            shares = {titles[name]: rates[name] for name in names}
            findings.append(Finding(
                f"{key}_{group.lower()}", "deliveries", quantity, Measure.of(weighted_share(shown, weights)), group,
                Control(CONTROL, rates[UNCHANGED]), Measure.of(weighted_lead(leads, weights, confidence=confidence)),
                beside={"worst": rates[worst], **shares},
                details={"worst_name": titles[worst], "deliveries": len(shares), "each": list(shares)},
                subject=titles[worst] if quantity == "error_rate" else "",
            ))  # fmt: skip
    return findings


STUDY = Study(
    name="deliveries",
    title="Deliveries",
    question="Which predictions survive saving, resizing and sharing?",
    columns={
        delivery.name: f"margin after the delivery {delivery.title}; none where it leaves fewer pixels of the resized "
        "image than the detector reads"
        for delivery in DELIVERIES
    },
    control="Saving as PNG, which changes no pixel.",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
)
