"""The study `deliveries`: the margin of every image after each kind of saving, resizing and sharing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.arrays import Float32
from core.findings.contrast import Contrast, Finding
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
    if not titles or table.empty:
        return
    rows = with_predictions(table, run)
    called_real = rows[list(titles)] > 0
    for group in CLASSES:
        own = rows["predicted"] == group
        # a single one has no others
        if own.any() and len(titles) > 1:
            flipped = called_real[own] != (group == "REAL")
            worst, about = _worst(flipped, rows[own], titles)
            others = flipped.drop(columns=worst).any(axis=1)
            contrast = _compare(flipped[worst], others, rows[own], "any other delivery", len(titles))
            question = f"Does one delivery flip many more {group} verdicts than all others together?"
            yield Finding(f"flips_{group.lower()}", question, "flip_rate", (contrast,), group=group, **about)
    for group in CLASSES:
        own = rows["label"] == group
        if own.any():
            wrong = called_real[own] != (group == "REAL")
            worst, about = _worst(wrong, rows[own], titles)
            before = rows["predicted"][own] != group
            contrast = _compare(wrong[worst], before, rows[own], "the images as they are", len(titles))
            yield Finding(f"errors_{group.lower()}", WORSE[group], "error_rate", (contrast,), group=group, **about)


def _worst(outcomes: pd.DataFrame, rows: pd.DataFrame, titles: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Find the delivery after which an outcome is most frequent; returns its name, and what a finding says beside."""
    rates = {name: weighted_share(outcomes[name], rows[WEIGHT]) for name in titles}
    worst = max(rates, key=lambda name: rates[name].value)
    beside = {titles[name]: rate for name, rate in rates.items()}
    return worst, {"subject": titles[worst], "beside": beside, "details": {"worst_name": titles[worst]}}


def _compare(own: pd.Series, others: pd.Series, rows: pd.DataFrame, control: str, tried: int) -> Contrast:
    """Compare the outcome after the worst of so many deliveries with that under a control."""
    return compare_shares("control", control, own, others, rows[WEIGHT], control=control, confidence=1 - LEVEL / tried)


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
