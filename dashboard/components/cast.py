"""Choose a run's images for the guide, one for each of its points, and low-pass one of them step by step.

Needs no torch.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.drawing import orient
from core.explainers.explanation import Explanation
from core.perturbations.frequency import attenuated, ring, spectra_of
from core.runs.metrics import is_fresh

# low-pass radii in sixteenths of the Nyquist frequency, from keeping everything to almost nothing
RADII = (23, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6)
# those to try where no study says which image flips, the mildest first
TRIED = (12, 8, 6)
# below this confidence, LIME with the paper's settings gives regions a clear sign; above, most stay undecided
UNSURE = 0.8
# column of the study `probes` that chooses `Cast.detailed`: margins after a low-pass at radius 12
DETAIL_COLUMN = "lowpass_12"


@dataclass(frozen=True)
class Cast:
    """The images of the guide, as positions in the run.

    Attributes:
        real, fake: the correctly classified image of each class with the median margin.
        mistake: the most confident wrong prediction; None if every prediction is right.
        detailed: a FAKE that is called REAL without its fine detail, by the study `probes`; `fake` if it names none.
        tested: True if the study `probes` named `detailed`.
        red: a FAKE whose LIME weights under the paper's settings are all against its prediction, by the study
            `one_colour`; `fake` if it names none.
    """

    real: int
    fake: int
    mistake: int | None
    detailed: int
    tested: bool
    red: int


def choose_cast(
    table: pd.DataFrame,
    pictured: NDArray[np.bool_],
    probes: pd.DataFrame | None = None,
    one_colour: pd.DataFrame | None = None,
) -> Cast | None:
    """Choose the images of the guide, always the same ones for a run.

    Args:
        table: from `core.studies.columns.browse_table`.
        pictured: bool (N,), which rows have a picture.
        probes: the table of the study `probes`, or None.
        one_colour: the table of the study `one_colour`, or None.

    Returns:
        None where the pictured images do not hold a right verdict of each class.
    """
    usable = pictured & is_fresh(table)
    label, predicted = table["label"].astype(str).to_numpy(), table["predicted"].astype(str).to_numpy()
    real, fake = (_typical(table, usable & (label == name) & (predicted == name)) for name in ("REAL", "FAKE"))
    if real is None or fake is None:
        return None
    wrong = np.flatnonzero(usable & (label != predicted))
    sure = table["confidence"].to_numpy()
    mistake = int(wrong[np.argmax(sure[wrong])]) if len(wrong) else None
    recognised = usable & (label == "FAKE") & (predicted == "FAKE")
    detailed = red = None
    if probes is not None and DETAIL_COLUMN in probes:
        flipped = set(probes["id"][probes[DETAIL_COLUMN].to_numpy(np.float64) > 0])
        detailed = _typical(table, recognised & _among(table, flipped))
    if one_colour is not None and {"paper_against", "paper_segments"} <= set(one_colour):
        against = one_colour[one_colour["paper_against"].to_numpy(bool)]
        several = against[against["paper_segments"].to_numpy() > 1]
        # masking a region hardly changes the probability of a confident prediction, so LIME decides nothing there
        unsure = sure < UNSURE
        for part, among in ((several, unsure), (against, unsure), (against, ~unsure)):
            found = np.flatnonzero(recognised & among & _among(table, set(part["id"])))
            if red is None and len(found):
                red = int(found[np.argmin(sure[found])])
    return Cast(
        real, fake, mistake, fake if detailed is None else detailed, detailed is not None, fake if red is None else red
    )


def _among(table: pd.DataFrame, ids: set[str]) -> NDArray[np.bool_]:
    # one by one: pandas looks texts up in a set twenty times slower
    return np.fromiter((id_ in ids for id_ in table["id"]), bool, len(table))


def is_all_red(explanation: Explanation) -> bool:
    """Check whether a map is all red in the paper's palette: decided everywhere, and against the verdict."""
    values = orient(explanation.map, verdict=explanation.verdict, palette="paper")
    return bool((values < 0).all() and (explanation.undecided is None or not explanation.undecided.any()))


def _typical(table: pd.DataFrame, chosen: NDArray[np.bool_]) -> int | None:
    """Return the image with the median margin: neither the easiest nor the hardest."""
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return None
    return int(rows[np.argsort(table["margin"].to_numpy()[rows], kind="stable")[len(rows) // 2]])


def suspects(table: pd.DataFrame, pictured: NDArray[np.bool_], *, count: int = 24) -> NDArray[np.intp]:
    """Choose up to `count` correctly classified FAKE images, spread from most to least confident: intp positions."""
    usable = pictured & is_fresh(table)
    rows = np.flatnonzero(usable & ((table["label"] == "FAKE") & (table["predicted"] == "FAKE")).to_numpy(bool))
    rows = rows[np.argsort(table["margin"].to_numpy()[rows], kind="stable")]
    return rows[np.unique(np.linspace(0, max(len(rows) - 1, 0), count).astype(int))] if len(rows) else rows


def without_detail(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Low-pass N images at each radius of `TRIED`: uint8 (len(TRIED) * N, side, side, 3), radius by radius."""
    spectra = spectra_of(images)
    return np.concatenate([attenuated(spectra, ring(radius, side=images.shape[1])) for radius in TRIED])


def first_flipped(margins: NDArray[np.float32]) -> int | None:
    """Find the image that is called REAL at the mildest edit of `without_detail`.

    Args:
        margins: float (len(TRIED) * N,), of the edits.

    Returns:
        Its index, 0 to N - 1, the middle one where several flip at that radius; None where none flips.
    """
    for is_real in margins.reshape(len(TRIED), -1) > 0:
        if len(flipped := np.flatnonzero(is_real)):
            return int(flipped[len(flipped) // 2])
    return None


def with_less_detail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Low-pass an image at each of `RADII`: uint8 (len(RADII), side, side, 3)."""
    spectra, side = spectra_of(image[None]), len(image)
    return np.concatenate([image[None], *(attenuated(spectra, ring(radius, side=side)) for radius in RADII[1:])])
