"""The study `deliveries`: the margin of every image after each kind of saving, resizing and sharing."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd

from core.findings.finding import Control, Finding, Measure, share_of
from core.findings.intervals import weighted_lead
from core.images.labels import CLASSES
from core.perturbations.delivery import DELIVERIES, deliver
from core.runs.run import Run
from core.studies.groups import with_predictions
from core.studies.study import WEIGHT, Context, Parameters, Rows, Study

# saving as PNG changes no pixel
UNCHANGED = "png"
CONTROL = "saving as PNG"
LEVEL = 0.05
# what is counted -> its quantity, and the column of its groups
KINDS = {"flips": ("flip_rate", "predicted"), "errors": ("error_rate", "label")}

HEADLINES = {
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


def compute(context: Context, rows: Rows, _parameters: Parameters) -> pd.DataFrame:
    """Compute each image's margin after each delivery that leaves the detector enough pixels, else NaN."""
    # the images have been made to fit already
    pixels, preprocessing = context.pixels[rows], context.detector.preprocessing.fitted
    table = pd.DataFrame({"id": context.run.predictions["id"].to_numpy()[rows]})
    for delivery in (delivery for delivery in DELIVERIES if context.wants(delivery.name)):
        sent = [version for image in pixels for version in deliver(image, preprocessing, among=[delivery])]
        fits, margins = np.array([version.fits for version in sent]), np.full(len(rows), np.nan, np.float32)
        if fits.any():
            margins[fits] = context.detector.margins(np.stack([version.pixels for version in sent if version.fits]))
        table[delivery.name] = margins
    return table


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """Conclude, for each class: `flips_<verdict>` of its verdicts, and `errors_<label>` of its images.

    `flips` measures the share of verdicts that at least one delivery flips; `errors` the error rate after the delivery
    with the most errors, its interval corrected for choosing the worst of so many. The control of both is saving as
    PNG, which changes no pixel.
    """
    # a file lacks the deliveries that were added after it
    there = [sent for sent in DELIVERIES if sent.name in table and table[sent.name].notna().all()]
    titles = {sent.name: sent.title for sent in there}
    names = [name for name in titles if name != UNCHANGED]
    if not (names and len(table) and UNCHANGED in titles):
        return
    rows = with_predictions(table, run)
    for group, (key, (quantity, column)) in product(CLASSES, KINDS.items()):
        own = rows[rows[column] == group]
        if own.empty:
            continue
        wrong, weights = (own[list(titles)] > 0) != (group == "REAL"), own[WEIGHT].to_numpy(np.float64)
        rates = {name: share_of(wrong[name], weights) for name in titles}
        worst = max(names, key=lambda name: rates[name].value)
        # of flips under any of them nothing was chosen
        shown, tried = (wrong[names].any(axis=1), 1) if key == "flips" else (wrong[worst], len(names))
        leads = shown.to_numpy(np.float64) - wrong[UNCHANGED].to_numpy()
        yield Finding(
            f"{key}_{group.lower()}", "deliveries", quantity, share_of(shown, weights), group,
            Control(CONTROL, rates[UNCHANGED]), Measure.of(weighted_lead(leads, weights, confidence=1 - LEVEL / tried)),
            beside={titles[name]: rates[name] for name in names}, details={"worst_name": titles[worst]},
            subject=titles[worst] if key == "errors" else "",
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
