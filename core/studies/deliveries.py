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
    with the most errors, its interval corrected for choosing the worst of so many. The control of both is saving as
    PNG, which changes no pixel.
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
        for key, quantity, hits_after, chosen in (
            (f"flips_{group.lower()}", "flip_rate", flipped, predicted == bool(number)),
            (f"errors_{group.lower()}", "error_rate", wrong, label == bool(number)),
        ):
            if not chosen.any():
                continue
            own = weights[chosen]
            rates = {name: weighted_share(hits[chosen], own) for name, hits in hits_after.items()}
            worst = max(names, key=lambda name: rates[name].value)
            hits, confidence = hits_after[worst], 1 - LEVEL / len(names)
            if quantity == "flip_rate":
                # under any of them; nothing was chosen
                hits, confidence = np.any([hits_after[name] for name in names], axis=0), 0.95
            leads = hits[chosen].astype(np.float64) - hits_after[UNCHANGED][chosen]
            shares = {titles[name]: Measure.of(rates[name]) for name in names}
            findings.append(Finding(
                key, "deliveries", quantity, Measure.of(weighted_share(hits[chosen], own)), group,
                Control(CONTROL, Measure.of(rates[UNCHANGED])),
                Measure.of(weighted_lead(leads, own, confidence=confidence)),
                beside={"worst": shares[titles[worst]], **shares},
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
