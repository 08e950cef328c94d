"""Every image after every delivery: the margin that the detector gives to what is left of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.perturbations.delivery.delivering import deliver, seeing
from core.perturbations.delivery.registry import deliveries
from core.studies.study import Context, Study


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:  # noqa: ARG001
    """A row an image: its margin after each delivery that leaves the detector enough pixels."""
    wanted = [one for one in deliveries() if context.wants(one.name)]
    # they have been made to fit already
    pixels, see = np.asarray(context.pixels[rows]), seeing(context.detector.preprocessing.fitted)
    table = pd.DataFrame({"id": context.run.predictions["id"].iloc[rows].to_numpy()})
    for delivery in wanted:
        sent = [one for image in pixels for one in deliver(image, see, among=[delivery])]
        fits = np.array([one.fits for one in sent])
        margins = np.full(len(rows), np.nan, np.float32)
        if fits.any():
            margins[fits] = context.detector.margins(np.stack([one.pixels for one in sent if one.fits]))
        table[delivery.name] = margins
    return table


STUDY = Study(
    name="deliveries",
    title="Deliveries",
    question="Which verdicts survive what pictures ordinarily go through on their way?",
    columns={
        one.name: f"margin after the delivery {one.title}; none where it leaves fewer pixels of the resized image "
        "than the detector reads"
        for one in deliveries()
    },
    control="Saving as PNG, which changes no pixel.",
    compute=compute,
)
