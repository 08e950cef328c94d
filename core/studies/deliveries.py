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
from core.perturbations.postprocessing import DELIVERIES, deliver, seeing
from core.runs.run import Run
from core.studies.study import WEIGHT, Context, Study

# saving as PNG changes no pixel
UNCHANGED = "png"
CONTROL = "saving as PNG"
LEVEL = 0.05
Hits = NDArray[np.bool_]

HEADLINES: Headlines = {
    "flips_fake": {
        "question": "Do FAKE verdicts survive saving, resizing and sharing?",
        "subject": "at least one delivery",
        "holds": "Most FAKE verdicts flip under at least one of them.",
        "holds for some": "Some FAKE verdicts flip under at least one of them.",
        "holds slightly": "Nearly all FAKE verdicts survive all of them.",
        "not shown": "No FAKE verdict is shown to flip under any of them.",
    },
    "flips_real": {
        "question": "Do REAL verdicts survive saving, resizing and sharing?",
        "subject": "at least one delivery",
        "holds": "Most REAL verdicts flip under at least one of them.",
        "holds for some": "Some REAL verdicts flip under at least one of them.",
        "holds slightly": "Nearly all REAL verdicts survive all of them.",
        "not shown": "No REAL verdict is shown to flip under any of them.",
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
    pixels, see = np.asarray(context.pixels[rows]), seeing(context.detector.preprocessing.fitted)
    table = pd.DataFrame({"id": context.run.predictions["id"].iloc[rows].to_numpy()})
    for delivery in DELIVERIES:
        if not context.wants(delivery.name):
            continue
        sent = [version for image in pixels for version in deliver(image, see, among=[delivery])]
        fits = np.array([version.fits for version in sent])
        margins = np.full(len(rows), np.nan, np.float32)
        if fits.any():
            margins[fits] = context.detector.margins(np.stack([version.pixels for version in sent if version.fits]))
        table[delivery.name] = margins
    return table


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:  # noqa: ARG001
    """Conclude, for each class: `flips_<verdict>` of its verdicts, and `errors_<label>` of its images.

    `flips` measures the share of verdicts that at least one delivery flips; `errors` the error rate after the delivery
    with the most errors. The control of both is saving as PNG, which changes no pixel.
    """
    rows = run.predictions.set_index("id").loc[table["id"]]
    weights = table[WEIGHT].to_numpy(np.float64)
    predicted, label = ((rows[name].astype(str) == "REAL").to_numpy() for name in ("predicted", "label"))
    # a file lacks the deliveries that were added after it
    titles = {
        delivery.name: delivery.title
        for delivery in DELIVERIES
        if delivery.name in table and table[delivery.name].notna().all() and len(table)
    }
    after = {name: (table[name] > 0).to_numpy() for name in titles}
    flipped, wrong = ({name: real != before for name, real in after.items()} for before in (predicted, label))
    names = [name for name in titles if name != UNCHANGED]
    if not names or UNCHANGED not in titles:
        return []
    findings = []
    for number, group in enumerate(CLASSES):
        verdicts, images = predicted == bool(number), label == bool(number)
        if verdicts.any():
            key = f"flips_{group.lower()}"
            flips = np.any([flipped[name] for name in names], axis=0)
            findings.append(_finding(key, "flip_rate", flips, flipped, titles, verdicts, weights))
        if images.any():
            key = f"errors_{group.lower()}"
            rates = {name: np.average(wrong[name][images], weights=weights[images]) for name in names}
            worst = wrong[max(rates, key=rates.__getitem__)]
            # corrected for choosing the worst of so many
            confidence = 1 - LEVEL / len(rates)
            findings.append(_finding(key, "error_rate", worst, wrong, titles, images, weights, confidence=confidence))
    return findings


def _finding(  # noqa: PLR0917
    key: str,
    quantity: str,
    hits: Hits,
    hits_after: Mapping[str, Hits],
    titles: Mapping[str, str],
    chosen: Hits,
    weights: NDArray[np.float64],
    *,
    confidence: float = 0.95,
) -> Finding:
    """Compare a share of the chosen rows with that after saving as PNG, on the same images.

    Args:
        hits, hits_after: bool (N,), what is counted, and the same after each delivery.
        confidence: of their difference; higher where `hits` was chosen as the largest of several.
    """
    shares = {
        titles[name]: Measure.of(weighted_share(after[chosen], weights[chosen])) for name, after in hits_after.items()
    }
    control = shares.pop(titles[UNCHANGED])
    worst = max(shares, key=lambda title: shares[title].value)
    difference = hits[chosen].astype(np.float64) - hits_after[UNCHANGED][chosen]
    return Finding(
        key, "deliveries", quantity, Measure.of(weighted_share(hits[chosen], weights[chosen])),
        group=key.rpartition("_")[2].upper(), control=Control(CONTROL, control),
        difference=Measure.of(weighted_lead(difference, weights[chosen], confidence=confidence)),
        beside={"worst": shares[worst], **shares},
        details={"worst_name": worst, "deliveries": len(shares), "each": list(shares)},
        subject=worst if quantity == "error_rate" else "",
    )  # fmt: skip


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
