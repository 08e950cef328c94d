"""The study `deliveries`: the margin of every image after each kind of saving, resizing and sharing."""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.arrays import Float32
from core.findings.contrast import Finding
from core.findings.intervals import weighted_share
from core.findings.paired import compare_shares
from core.images.decoding import decode
from core.images.labels import CLASSES
from core.images.loading import read_files
from core.perturbations.delivery import DELIVERIES, Delivered, deliver
from core.runs.run import Run
from core.studies.shared.groups import with_predictions
from core.studies.study import WEIGHT, Context, Parameters, Rows, Study

if TYPE_CHECKING:
    from core.detectors.detector import Detector

# changes no pixel, so it is neither counted nor a control
UNCHANGED = "png"
LEVEL = 0.05
WORSE = {
    "FAKE": "Does saving, resizing or sharing hide generated images?",
    "REAL": "Does saving, resizing or sharing make photographs look generated?",
}


def compute(context: Context, rows: Rows, _parameters: Parameters) -> pd.DataFrame:
    """Compute each image's margin after each delivery that leaves the detector enough pixels, else NaN.

    Where files are larger than the detector's input, or it reads their own pixels, the whole picture is delivered.
    """
    wanted = [delivery for delivery in DELIVERIES if context.wants(delivery.column)]
    detector = context.detector
    chosen = context.run.predictions.iloc[rows]
    table = pd.DataFrame({"id": chosen["id"].to_numpy()})
    if context.data is not None and _has_other_files(context):
        files = read_files(context.data, context.run.split, chosen["name"])
        pictures = (decode(data) for data in files)
        margins = [_margins(detector, deliver(own, detector.preprocessing, among=wanted)) for own in pictures]
        columns = [delivery.column for delivery in wanted]
        return pd.concat([table, pd.DataFrame(np.stack(margins), columns=columns)], axis=1)
    # the images have been made to fit already
    pixels = context.pixels[rows]
    fitted = detector.preprocessing.fitted
    for delivery in wanted:
        sent = [version for image in pixels for version in deliver(image, fitted, among=[delivery])]
        table[delivery.column] = _margins(detector, sent)
    return table


def _has_other_files(context: Context) -> bool:
    """Check whether files hold more than the detector's input does; runs of earlier versions lack their sizes."""
    if context.detector.preprocessing.native:
        return True
    sizes = context.run.predictions.reindex(columns=["width", "height"]).dropna()
    return bool((sizes.min(axis=1) > context.detector.side).any())


def _margins(detector: "Detector", sent: Iterable[Delivered]) -> Float32:
    """Compute the margin of each delivered picture, NaN where too few pixels are left."""
    sent = list(sent)
    fits = np.array([version.fits for version in sent])
    margins = np.full(len(sent), np.nan, np.float32)
    if fits.any():
        margins[fits] = detector.margins(np.stack([version.pixels for version in sent if version.fits]))
    return margins


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """Conclude, for each class: `flips_<verdict>` of its verdicts, and `errors_<label>` of its images.

    `flips` measures the share of verdicts that the worst delivery flips, beside those that any of the others does;
    `errors` the error rate after the delivery with the most errors, beside that on the images as they are. Intervals
    are corrected for choosing the worst of so many (Bonferroni).
    """
    # a file lacks the deliveries that were added after it
    titles = {
        sent.column: sent.title
        for sent in DELIVERIES
        if sent.name != UNCHANGED and sent.column in table and table[sent.column].notna().all()
    }
    if not titles:
        return
    rows = with_predictions(table, run)
    called_real = rows[list(titles)] > 0
    for kind, group in product(("flips", "errors"), CLASSES):
        is_own = rows["predicted" if kind == "flips" else "label"] == group
        if not is_own.any():
            continue
        own = rows[is_own]
        outcomes = called_real[is_own] != (group == "REAL")
        rates = {column: weighted_share(outcomes[column], own[WEIGHT]) for column in titles}
        worst = max(rates, key=lambda column: rates[column].value)
        if kind == "flips":
            question = f"Does one delivery flip many more {group} verdicts than all others together?"
            quantity = "flip_rate"
            control = "any other delivery"
            others = outcomes.drop(columns=worst).any(axis=1)
        else:
            question = WORSE[group]
            quantity = "error_rate"
            control = "the images as they are"
            others = own["predicted"] != group
        contrast = compare_shares(
            "control", control, outcomes[worst], others, own[WEIGHT], control=control,
            confidence=1 - LEVEL / len(titles),
        )  # fmt: skip
        beside = {titles[column]: rate for column, rate in rates.items()}
        yield Finding(
            f"{kind}_{group.lower()}", question, quantity, (contrast,), group=group, subject=titles[worst],
            beside=beside, details={"worst_name": titles[worst]},
        )  # fmt: skip


STUDY = Study(
    name="deliveries",
    title="Deliveries",
    question="Which predictions survive saving, resizing and sharing?",
    columns={
        delivery.column: f"margin after the delivery {delivery.title}; none where it leaves fewer pixels of the "
        "resized image than the detector reads"
        for delivery in DELIVERIES
    },
    control="Of flips by the delivery that flips most, those by any other; of errors, those on the images as they are.",
    compute=compute,
    conclude=conclude,
)
