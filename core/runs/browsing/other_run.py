"""The verdicts of another run on the same images as columns to browse by. Needs no torch."""

import numpy as np
import pandas as pd

from core.metrics.classification import is_right
from core.runs.browsing.filter import OUTCOMES
from core.runs.browsing.study_columns import StudyColumn
from core.runs.run import Run

PREFIX = "versus."


def same_images(first: Run, second: Run) -> bool:
    """Check whether two runs are different ones on one image set."""
    same = first.manifest.get("set_fingerprint") == second.manifest.get("set_fingerprint")
    return same and first.path.resolve() != second.path.resolve()


def verdicts_of(other: Run, ids: pd.Series) -> pd.DataFrame:
    """Look up another run's predictions for given images.

    Args:
        other: the run.
        ids: of the images, in the order of the result.

    Returns:
        One row per image: `versus.correct` ("right", "wrong"), `versus.predicted` and float32 `versus.margin`; missing
        values if the other run lacks the image.
    """
    places = pd.Index(other.predictions["id"]).get_indexer(pd.Index(ids))
    known, found = places >= 0, other.predictions.iloc[places]
    wrong = np.where(known, ~is_right(found), -1)
    called = np.where(known, (found["predicted"] == "REAL").to_numpy(bool), -1)
    return pd.DataFrame(
        {
            f"{PREFIX}correct": pd.Categorical.from_codes(wrong, list(OUTCOMES)),
            f"{PREFIX}predicted": pd.Categorical.from_codes(called, ["FAKE", "REAL"]),
            f"{PREFIX}margin": np.where(known, found["margin"].to_numpy(np.float32), np.nan).astype(np.float32),
        }
    )


def describe_verdicts(other: Run) -> dict[str, StudyColumn]:
    """Describe the columns of `verdicts_of`."""
    name = other.name
    about = {
        "correct": ("Right or wrong", "Whether its verdict is right"),
        "predicted": ("Prediction", "Its verdict"),
        "margin": ("Margin", "Its margin, above 0 where the verdict is REAL"),
    }
    question = f"What does {other.manifest['detector']} say of the same images?"
    return {f"{PREFIX}{key}": StudyColumn(name, label, help_, question) for key, (label, help_) in about.items()}
