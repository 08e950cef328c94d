"""Does a map find the FAKE part of a picture that is half REAL and half FAKE? A known answer for any detector.

Each image is joined with one of the other class, and then the two change places. A map finds the FAKE part if its cells
there speak more for FAKE than those of the REAL part (the AUROC over all such pairs of cells). A map that always
colours the same place gains nothing, because it loses in the reverse what it has won.

The controls were declared before looking. The first is the same parts and the same seam, with the other part from
another image of the *same* class: it measures what place and verdict give away alone, such as a map that is orange in
the middle whenever the verdict is FAKE. The second is a random map.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
from scipy import ndimage

from core.arrays import Float64, Mask, Pixels, Positions
from core.explainers.measures import segment_values
from core.explainers.registry import find_explainer
from core.explainers.segmentation import grid
from core.findings.contrast import Contrast, Finding
from core.findings.paired import compare_means, strongest_first
from core.findings.separation import auroc
from core.perturbations.frequency import to_pixels
from core.perturbations.probe import number_of
from core.runs.run import Run
from core.studies.shared.explanations import CHEAP_PASSES, can_explain, explain_all, settings_of
from core.studies.shared.groups import with_predictions
from core.studies.study import WEIGHT, Context, Parameters, Rows, Study, StudyError

# the last needs a detector that adds up patches
METHODS = ("gradcam", "integrated_gradients", "lime_grid", "exact")
# maps are compared over so many cells a side, which the parts consist of
CELLS = 4
# settings that are cheap enough for thousands of pictures; LIME weighs the cells that are compared
SETTINGS = {
    "integrated_gradients": {"steps": 8},
    "lime_grid": {"cells": CELLS, "n_samples": 64},
}
# pixels a side from which on costlier methods than `CHEAP_PASSES`, which would take hours, are left out
LARGE = 128
# the cells of the first part
PARTS = {
    "left and right": np.s_[:, :2],
    "top and bottom": np.s_[:2, :],
    "a window": np.s_[1:3, 1:3],
}
SEAMS = {"hard": "as it is", "blended": "blended"}
# width of a blended seam, as a part of the side
BLEND = 8


def column_of(method: str, seam: str, *, control: bool = False) -> str:
    """Name the column of a method's score under a seam, or that of the method's control."""
    if control:
        return f"{method}_{seam}_same_auroc"
    return f"{method}_{seam}_auroc"


def part_mask(layout: str, side: int) -> Mask:
    """Select the pixels of the first part of a layout: bool (side, side)."""
    cells = np.zeros((CELLS, CELLS), bool)
    cells[PARTS[layout]] = True
    return cells.ravel()[grid(side, side, rows=CELLS, columns=CELLS)]


def join(first: Pixels, rest: Pixels, mask: Mask, seam: str) -> Pixels:
    """Put a part of one image into another.

    Args:
        first: uint8 (side, side, 3), shown where the mask is True.
        rest: uint8 (side, side, 3), shown elsewhere.
        mask: bool (side, side).
        seam: a key of `SEAMS`; a blended one is a linear cross-fade over an eighth of the side.
    """
    share = mask.astype(np.float32)
    if seam == "blended":
        share = ndimage.uniform_filter(share, mask.shape[0] // BLEND, mode="nearest")
    share = share[..., None]
    return to_pixels(share * first + (1 - share) * rest)


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Score the maps of each image's composites, of its controls, and random ones; NaN for images that are misjudged.

    Whether a map finds the FAKE part can only be asked where the detector recognises both.
    """
    seed = parameters["seed"]
    ids = context.ids(rows)
    layouts = [tuple(PARTS)[number_of(f"layout {image}", seed) % len(PARTS)] for image in ids]
    partners = _partners(context.run, rows, seed=seed)
    cells = grid(*context.pixels.shape[1:3], rows=CELLS, columns=CELLS)
    fake_cells = [part_mask(layout, CELLS).ravel() for layout in layouts]
    table = pd.DataFrame(np.nan, range(len(rows)), list(STUDY.columns), np.float32).assign(layout=layouts)
    table.insert(0, "id", ids)
    for number in partners:
        chance = np.random.default_rng((seed, rows[number])).random((2, CELLS**2))
        table.loc[number, "random_auroc"] = _score(chance, fake_cells[number])
    if not partners:
        return table
    pictures = {seam: _composites(context.pixels, partners, layouts, seam) for seam in SEAMS}
    for seam, name in product(SEAMS, METHODS):
        explainer = find_explainer(name)
        settings = settings_of(explainer, seed).changed(**SETTINGS.get(name, {}))
        columns = [column_of(name, seam), column_of(name, seam, control=True)]
        is_too_slow = context.detector.side >= LARGE and explainer.cost(settings) > CHEAP_PASSES
        if is_too_slow or not context.wants(*columns) or not can_explain(explainer, context.detector):
            continue
        passes = explain_all(context.detector, pictures[seam], explainer, settings)
        values = np.concatenate([segment_values(explained.values[None], cells) for explained in passes])
        for number, own in zip(partners, values.reshape(len(partners), 4, -1), strict=True):
            is_fake = fake_cells[number]
            table.loc[number, columns] = _score(own[:2], is_fake), _score(own[2:], is_fake)
    return table


def _composites(pixels: Pixels, partners: Mapping[int, Positions], layouts: Sequence[str], seam: str) -> Pixels:
    """Join pictures, four of each row: FAKE in the part, REAL in the part, then both parts FAKE, both parts REAL."""
    pictures = []
    for number, drawn in partners.items():
        mask = part_mask(layouts[number], pixels.shape[1])
        fake, real, other_fake, other_real = pixels[drawn]
        for first, rest in ((fake, real), (real, fake), (fake, other_fake), (real, other_real)):
            pictures.append(join(first, rest, mask, seam))
    return np.stack(pictures)


def _score(values: Float64, is_fake: Mask) -> float:
    """Measure how often a cell of the FAKE part speaks more for FAKE than one of the rest, ties counting half.

    Args:
        values: float (2, S), means of two maps over cells: of the picture with FAKE in the part, and with REAL in it.
        is_fake: bool (S,), the part.

    Returns:
        The mean of both, 0 to 1; 0.5 is chance.
    """
    return (auroc(values[0], ~is_fake).value + auroc(values[1], is_fake).value) / 2


def _partners(run: Run, rows: Rows, *, seed: int) -> dict[int, Positions]:
    """Choose for each image a FAKE one, a REAL one, another FAKE and another REAL one, all judged right.

    Returns:
        Number of the row -> positions (4,), of which the first of its own class is the row itself; misjudged rows are
        left out.

    Raises:
        StudyError: the detector recognises fewer than three images of a class.
    """
    is_right = run.is_real == run.predicted_real
    usable = is_right & ~run.predictions["is_repeat"].to_numpy(bool)
    pools = [np.flatnonzero(usable & (run.is_real == real)) for real in (False, True)]
    if min(map(len, pools)) < 3:
        raise StudyError(
            f"the study composite needs three images of each class that are judged right, and {run.name} has fewer"
        )
    ids = run.predictions["id"].astype(str).to_numpy()
    partners = {}
    for number, row in enumerate(rows):
        if not is_right[row]:
            continue
        generator = np.random.default_rng(number_of(f"partners {ids[row]}", seed))
        fake, real = (generator.choice(pool[pool != row], 2, replace=False) for pool in pools)
        own = real if run.is_real[row] else fake
        own[0] = row
        partners[number] = np.array([fake[0], real[0], fake[1], real[1]])
    return partners


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """Conclude `find-<method>`: the score beside its controls; choices are the seam and the layout."""
    rows = with_predictions(table, run)
    for name in METHODS:
        if rows[column_of(name, "hard")].isna().all():
            continue
        contrasts = list(strongest_first(_against_controls(rows, name, "hard")))
        contrasts.append(_choice(rows, name, "blended", "seam", SEAMS["blended"]))
        for layout, part in rows.groupby("layout", sort=False):
            contrasts.append(_choice(part, name, "hard", "layout", str(layout)))
        yield Finding(
            f"find-{name}",
            "Does the map find the FAKE part of a composite?",
            "part_auroc",
            tuple(contrasts),
            subject=find_explainer(name).title,
        )


def _choice(rows: pd.DataFrame, method: str, seam: str, kind: str, value: str) -> Contrast:
    """Compare a method with the strongest of its controls under a choice."""
    strongest = strongest_first(_against_controls(rows, method, seam))[0]
    return replace(strongest, kind=kind, value=value)


def _against_controls(rows: pd.DataFrame, method: str, seam: str) -> list[Contrast]:
    others = {
        "pictures of one class, joined alike": column_of(method, seam, control=True),
        "a random map": "random_auroc",
    }
    own = rows[column_of(method, seam)]
    return [
        compare_means("control", control, own, rows[column], rows[WEIGHT], control=control)
        for control, column in others.items()
    ]


def _columns() -> dict[str, str]:
    columns = {
        "layout": "kind of layout, how the parts lie",
        "random_auroc": "share of pairs of cells that a random map orders rightly, as below, 0 to 1",
    }
    for name in METHODS:
        title = find_explainer(name).title
        for seam, words in SEAMS.items():
            score = f"{title}, the seam {words}: how often cells of the FAKE part speak more for FAKE, 0 to 1"
            columns[column_of(name, seam)] = score
            columns[column_of(name, seam, control=True)] = f"{score}, with the other part of the same class"
    return columns


STUDY = Study(
    name="composite",
    title="Composites",
    question="Does a map find the FAKE part of a picture that is half REAL and half FAKE?",
    columns=_columns(),
    control="Pictures of one class that are cut and joined alike, and a random map.",
    compute=compute,
    conclude=conclude,
    parameters={"seed": 0},
    shard=16,
)
