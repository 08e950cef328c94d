"""What the studies of explanations come to, as tables for charts and sentences. Needs no torch.

Every table has a row for each `group` (a verdict, or with `by="cell"` a cell of the confusion matrix) with `value`,
`low` and `high` (its 95 % interval) and `images`; samples are weighted up to the run. The curves of the study
`faithfulness` are in `curves.py`.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.registry import find_explainer
from core.explainers.stored import KEPT
from core.metrics.intervals import weighted_mean, weighted_ratio, weighted_share
from core.perturbations.masking import FILLS
from core.runs.metrics import is_right
from core.runs.run import Run
from core.studies.groups import By, groups
from core.studies.result import StudyResult
from core.studies.trust.judged import SEED, column_of, compared, found_in, judged, others_of, owner_of

# what the study `sanity` has of every detector beside its levels
OTHER, EDGES = "other", "edges"
OTHER_IMAGE = "other image"


def means(table: pd.DataFrame, run: Run, columns: Mapping[str, str], *, by: By = "verdict") -> pd.DataFrame:
    """Weighted means of columns.

    Args:
        table: of a study, a row an image.
        run: that it was asked of.
        columns: column -> its name in the result.
        by: how to group.

    Returns:
        `group`, `column`, `name`, and the mean of each with its interval; rows without a number are left out of it.
    """
    return pd.DataFrame(
        [
            {"group": group, "column": column, "name": name, **weighted_mean(_numbers(part, column), weights)._asdict()}
            for group, part, weights in groups(table, run, by)
            for column, name in columns.items()
        ]
    )


def shares(table: pd.DataFrame, run: Run, columns: Mapping[str, str], *, by: By = "verdict") -> pd.DataFrame:
    """As `means`, for columns of booleans: the share of images with Wilson's interval."""
    return pd.DataFrame(
        [
            {"group": group, "column": column, "name": name}
            | weighted_share(part[column].to_numpy(bool), weights)._asdict()
            for group, part, weights in groups(table, run, by)
            for column, name in columns.items()
        ]
    )


def _numbers(part: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return np.asarray(part[column], np.float64)


AGREEMENT = {"rank": "{one} and {kept} of one image", "others_rank": "{one}, and {kept} of other images"}
STABILITY = {
    "seed": "{}, another seed",
    "kept": "{}, noise of 1 in 255, same segments",
    "noise": "{}, noise of 1 in 255",
    "other": "{} of other images",
}
ONE_COLOUR = {
    "paper_one_sign": "paper's settings: one colour",
    "paper_against": "paper's settings: all against the verdict",
    "ours_one_sign": "our settings: one colour",
    "ours_against": "our settings: all against the verdict",
    "ours_shown_one": "our settings, undecided segments left grey: one colour or none",
}


def agreement_summary(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Rank correlation of each explanation with the map that the run has kept, and of the control, see `means`."""
    named = {
        column_of(name, value): text.format(one=one.title, kept=KEPT.title)
        for name, one in compared().items()
        for value, text in AGREEMENT.items()
        if column_of(name, value) in table
    }
    return means(table, run, named, by=by)


def stability_summary(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Rank correlation of each explanation with itself made again, and with other images', see `means`."""
    named = {
        f"{method}_{kind}": text.format(title)
        for method, title in found_in(table, "{}_noise").items()
        for kind, text in STABILITY.items()
        if f"{method}_{kind}" in table
    }
    return means(table, run, named, by=by)


def certainty_summary(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Shares of the signs that each explainer calls certain.

    Returns:
        `group`, `name` (of the explainer and what is counted), and the share with an interval that resamples images.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        for method, title in found_in(table, "{}_certain").items():
            counted = {"alike under every fill": (f"{method}_every", f"{method}_certain")}
            if f"{method}_{SEED}_every" in part:
                counted["alike in as many further draws"] = (f"{method}_{SEED}_every", f"{method}_certain")
            for other in (*others_of(find_explainer(method)), SEED):
                told = "another draw" if other == SEED else FILLS[other].title  # type: ignore[index]
                counted[f"reversed by {told}"] = (f"{method}_{other}_reversed", f"{method}_{other}_both")
            for told, (hits, trials) in counted.items():
                found = weighted_ratio(_numbers(part, hits), _numbers(part, trials), weights)
                rows.append({"group": group, "name": f"{title}: {told}", **found._asdict()})
    return pd.DataFrame(rows)


def one_colour_summary(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Shares of one-colour LIME results under the paper's settings and ours, see `shares`."""
    return shares(table, run, ONE_COLOUR, by=by)


def sanity_summary(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """How far maps change as weights are randomised from the top down.

    Returns:
        `group`, `method` (an explainer's name), `level` (the lowest part that is random; "other image" is the control,
        another image's map where all is random), and the mean rank correlation with the trained detector's map, with
        its interval.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        # images share a random detector, and with it its luck
        shared = part["network"].to_numpy()
        for method in found_in(table, f"{{}}_{OTHER}"):
            for level in (*levels_of(table, method), OTHER):
                found = weighted_mean(_numbers(part, f"{method}_{level}"), weights, clusters=shared)
                name = OTHER_IMAGE if level == OTHER else level
                rows.append({"group": group, "method": method, "level": name, **found._asdict()})
    return pd.DataFrame(rows)


def levels_of(table: pd.DataFrame, method: str) -> list[str]:
    """The parts of the detector that the study `sanity` made random for a method, from the output down."""
    # of methods that are not here (any more) a file has columns, too
    others = {name.removesuffix(f"_{OTHER}") for name in table.columns if name.endswith(f"_{OTHER}")}
    names = dict.fromkeys({*judged(), *others})
    columns = [name.removeprefix(f"{method}_") for name in table.columns if owner_of(name, names) == method]
    return [name for name in columns if name not in (OTHER, EDGES)]


def coverage(answers: Mapping[str, StudyResult], run: Run) -> pd.DataFrame:
    """How many of the run's images each study covers.

    Returns:
        `study`, `title`, `images`, `share` of the run, `errors` covered and `errors_of` in the run.
    """
    errors = set(run.predictions["id"][~is_right(run.predictions)])
    rows = [
        {
            "study": name,
            "title": answer.about["title"],
            "images": answer.about["images"],
            "share": answer.about["images"] / len(run),
            "errors": len(errors & set(answer.table["id"])) if "id" in answer.table else len(errors),
            "errors_of": len(errors),
        }
        for name, answer in answers.items()
    ]
    return pd.DataFrame(rows)
