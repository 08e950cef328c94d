"""What the studies of explanations come to, as tables for charts and sentences. Needs no torch.

Every table has a row for each `group` (a verdict, or with `by="cell"` a cell of the confusion matrix) with `value`,
`low` and `high` (its 95 % interval) and `images`; samples are weighted up to the run.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.edits.masking import Fill
from core.explainers.stored import KEPT
from core.metrics.classification import is_right
from core.metrics.intervals import weighted_mean, weighted_share
from core.runs.run import Run
from core.studies.groups import By, groups
from core.studies.study import StudyResult
from core.studies.trust.judged import column_of, compared, found_in, judged, owner_of

# orders that know nothing of why; column -> (its name, the name of its reverse where that is another control)
CONTROLS: Mapping[str, tuple[str, str | None]] = {
    "random": ("chance", None),
    "edges": ("edges first", "flat areas first"),
    "centre": ("middle first", "border first"),
    "area": ("large segments first", "small segments first"),
    "other": ("the map of another image of the same cell", None),
}
DIRECTIONS = ("deletion", "insertion")
# methods that cover parts are fitted with mean colours; what they are judged by they have not seen
FILLS: tuple[Fill, ...] = ("mean", "blur", "texture")
UNSEEN: tuple[Fill, ...] = ("blur", "texture")
STEPS = 8
# what the study `sanity` has of every detector beside its levels
OTHER, EDGES = "other", "edges"
OTHER_IMAGE = "other image"


def curve_column(direction: str, method: str, fill: str, step: int) -> str:
    """The column of the study `faithfulness` that holds one point of one curve, step 1 to `STEPS` - 1."""
    return f"{direction}_{method}_{fill}_{step}"


def fills_of(table: pd.DataFrame, among: Sequence[Fill] = FILLS) -> list[Fill]:
    """Those fills that a table of the study `faithfulness` knows; an older file may lack some."""
    return [fill for fill in among if f"filled_{fill}" in table]


def explanations(table: pd.DataFrame) -> dict[str, str]:
    """Name -> title of the explainers whose curves a table of the study `faithfulness` has under every fill in it."""
    found = [found_in(table, curve_column("deletion", "{}", fill, 1)) for fill in fills_of(table)]
    return {name: title for one in found[:1] for name, title in one.items() if all(name in other for other in found)}


def curve_of(table: pd.DataFrame, direction: str, method: str, fill: str) -> NDArray[np.float64]:
    """float64 (N, STEPS + 1): one curve of each row, the margin signed toward the verdict, ends and all."""
    inner = [table[curve_column(direction, method, fill, step)] for step in range(1, STEPS)]
    ends = [table["start"], table[f"filled_{fill}"]]
    first, last = ends if direction == "deletion" else ends[::-1]
    return np.column_stack([first, *inner, last]).astype(np.float64)


def score_of(table: pd.DataFrame, method: str, fill: str) -> NDArray[np.float64]:
    """float64 (N,): area under insertion less area under deletion, in margins; larger is more faithful."""
    insertion, deletion = (curve_of(table, direction, method, fill) for direction in ("insertion", "deletion"))
    return np.asarray(np.trapezoid(insertion - deletion, dx=1 / STEPS, axis=1))


def curves(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Mean curves of the study `faithfulness`.

    Returns:
        `group`, `method`, `name` and `fill` as in `scores`, `direction`, `share` of the image that is filled (deletion)
        or shown (insertion), 0 to 1, and the mean margin signed toward the verdict with its interval.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        for fill in (*fills_of(table), "unseen"):
            for method, name, direction, found in _all_curves(part, fill):
                about = {"group": group, "method": method, "name": name, "fill": fill, "direction": direction}
                for step in range(STEPS + 1):
                    rows.append({**about, "share": step / STEPS, **weighted_mean(found[:, step], weights)._asdict()})
    return pd.DataFrame(rows)


def turned(table: pd.DataFrame, run: Run, *, share: float = 0.25, by: By = "verdict") -> pd.DataFrame:
    """How many verdicts turn when the first `share` of the image in each method's order is filled.

    Returns:
        `group`, `method`, `fill`, and the share of verdicts turned, 0 to 1, with its interval.
    """
    step = round(share * STEPS)
    rows = []
    for group, part, weights in groups(table, run, by):
        for method in (*explanations(part), *CONTROLS):
            for fill in fills_of(table):
                gone = curve_of(part, "deletion", method, fill)[:, step] < 0
                about = {"group": group, "method": method, "fill": fill}
                rows.append({**about, **weighted_share(gone, weights)._asdict()})
    return pd.DataFrame(rows)


def scores(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Mean scores of every method and of the reversed controls.

    Returns:
        `group`, `method` (reversed controls as "edges reversed"), `name` for a legend, `fill` ("unseen" is the mean
        over the fills that LIME was not fitted with), and the score in margins with its interval.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        for fill in (*fills_of(table), "unseen"):
            for method, (name, values) in scored(part, fill).items():
                about = {"group": group, "method": method, "name": name, "fill": fill}
                rows.append({**about, **weighted_mean(values, weights)._asdict()})
    return pd.DataFrame(rows)


def excess(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """How much better each explanation scores than the best control: the result of the study `faithfulness`.

    The best control is the one with the largest mean score in that group under that fill, reversed controls included;
    it is chosen with the same images, which favours the control a little.

    Returns:
        `group`, `method`, `fill` (or "unseen"), `control` (the best one's name), and the mean difference of scores in
        margins with its interval.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        for fill in (*fills_of(table), "unseen"):
            found = scored(part, fill)
            told = explanations(part)
            bars = {key: one for key, one in found.items() if key not in told}
            best = max(bars, key=lambda key: float(np.average(bars[key][1], weights=weights)))
            for method in told:
                about = {"group": group, "method": method, "fill": fill, "control": bars[best][0]}
                difference = found[method][1] - bars[best][1]
                rows.append({**about, **weighted_mean(difference, weights)._asdict()})
    return pd.DataFrame(rows)


def _all_curves(part: pd.DataFrame, fill: str) -> Iterator[tuple[str, str, str, NDArray[np.float64]]]:
    """Method, its name, direction and float64 (N, STEPS + 1), reversed controls included."""
    wanted = fills_of(part, UNSEEN) if fill == "unseen" else [fill]
    told = explanations(part)
    for method in (*told, *CONTROLS):
        found = {
            direction: np.mean([curve_of(part, direction, method, one) for one in wanted], axis=0)
            for direction in DIRECTIONS
        }
        name, opposite = (told[method], None) if method in told else CONTROLS[method]
        for direction in DIRECTIONS:
            yield method, name, direction, found[direction]
        if opposite is not None:
            # to fill from the end of an order is to show from its beginning, backwards
            yield f"{method} reversed", opposite, "deletion", found["insertion"][:, ::-1]
            yield f"{method} reversed", opposite, "insertion", found["deletion"][:, ::-1]


def scored(part: pd.DataFrame, fill: str) -> dict[str, tuple[str, NDArray[np.float64]]]:
    """Method -> its name and score of each row. Reversing an order swaps deletion and insertion: its score is minus."""
    wanted = fills_of(part, UNSEEN) if fill == "unseen" else [fill]
    found: dict[str, tuple[str, NDArray[np.float64]]] = {}
    told = explanations(part)
    for method in (*told, *CONTROLS):
        score = np.mean([score_of(part, method, one) for one in wanted], axis=0)
        if method in told:
            found[method] = told[method], score
            continue
        name, opposite = CONTROLS[method]
        found[method] = name, score
        if opposite is not None:
            found[f"{method} reversed"] = opposite, -score
    return found


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
STABILITY = {"seed": "{}, another seed", "noise": "{}, noise of 1 in 255", "other": "{} of other images"}
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
    columns = [name.removeprefix(f"{method}_") for name in table.columns if owner_of(name, judged()) == method]
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
