"""The studies that pages read and a run lacks, in the order in which they are best made, and how long each takes.

The time is measured: the study is computed for a few images. Whole sets cannot be timed so.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.runs.run import Run
from core.storage.limits import ContractError
from core.storage.shards import ShardProgress, silent
from core.studies.runner import Source, check_needs
from core.studies.store import read_study, study_path
from core.studies.study import ENOUGH, STUDIES, Context, Study, find_study

# images on which a study is timed, after a first one, for which it makes what all share
TIMED = 2


@dataclass(frozen=True)
class Plan:
    """A study that a run lacks.

    Attributes:
        study: the study.
        images: how many it is asked of; None for all, of a study of the whole set.
        seconds: that it will take; None where that was not measured.
        refusal: why it cannot be made, in one sentence; "" where it can.
    """

    study: Study
    images: int | None
    seconds: float | None = None
    refusal: str = ""


def plan(
    run: Run,
    source: Source,
    *,
    images: int = ENOUGH,
    progress: ShardProgress = silent,
) -> list[Plan]:
    """List the studies that a run lacks or whose file cannot be read, and time each on a few of its images.

    Args:
        run: the run.
        source: from `find_source`.
        images: most images that a study is asked of, where it is not of the whole set.
        progress: called with (studies timed, all studies, the name of the next).

    Raises:
        StudyError, ContractError, DatasetError: as for `Source.open`.
    """
    context = source.open()
    plans = []
    images = min(images, len(run))
    for number, study in enumerate(map(find_study, STUDIES)):
        progress(number, len(STUDIES), f"timing {study.name}")
        try:
            read_study(study_path(run.path, study.name), run)
        except ContractError:
            plans.append(_timed(study, context, None if study.whole else images))
    return plans


def _timed(study: Study, context: Context, images: int | None) -> Plan:
    """Time a study on a few images, spread over the run."""
    try:
        check_needs(study, context.run)
        if images is None:
            return Plan(study, None)
        rows = np.unique(np.linspace(0, len(context.run) - 1, 1 + TIMED).astype(np.intp))
        started = time.monotonic()
        study.compute(context, rows[:1], study.parameters)
        first = time.monotonic()
        study.compute(context, rows[1:], study.parameters)
    except ValueError as error:
        return Plan(study, images, refusal=str(error))
    per_image = (time.monotonic() - first) / max(1, len(rows) - 1)
    return Plan(study, images, first - started + per_image * images)


def rows_of(plans: Sequence[Plan]) -> list[dict[str, object]]:
    """Lay plans out, a row each, the sum of all times last."""
    rows = []
    total = 0.0
    for plan in plans:
        row: dict[str, object] = {
            "study": plan.study.name,
            "images": plan.images or "all",
            "minutes": "",
            "note": plan.refusal,
        }
        if plan.seconds is not None:
            row["minutes"] = f"{plan.seconds / 60:.1f}"
            total += plan.seconds
        elif not plan.refusal:
            row["note"] = "not timed, of the whole set"
        rows.append(row)
    return [*rows, {"study": "together", "images": "", "minutes": f"{total / 60:.1f}", "note": ""}]
