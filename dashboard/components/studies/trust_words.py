"""What each study of explanations comes to, in one sentence that is read from its summary by verdict."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from core.metrics.intervals import Estimate
from core.studies.trust.summary import EXPLANATIONS, ONE_COLOUR, OTHER_IMAGE, kept_by_the_picture
from dashboard.components.plain import plain
from dashboard.components.words import listed, percent

# a rank correlation from here on is the same picture to the eye, and from the second on a related one
SAME, RELATED = 0.9, 0.5
# the controls of `core.studies.trust.summary.CONTROLS`, and what following them means
CONTROL_WORDS = {
    "chance": "chance",
    "edges first": "simply following edges",
    "flat areas first": "simply following flat areas",
    "middle first": "simply going from the middle outwards",
    "border first": "simply going from the border inwards",
    "large segments first": "simply taking large segments first",
    "small segments first": "simply taking small segments first",
    "the map of another image of the same cell": "the map of another image",
}


def trusted(excess: pd.DataFrame) -> str | None:
    """Whether the explanations can be trusted, from `core.studies.trust.summary.excess`."""
    rows = list(excess[excess["fill"] == "unseen"].itertuples())
    # of what is not known to be better nothing is promised
    good = _combinations(row for row in rows if row.low > 0)
    poor = _combinations(row for row in rows if not row.low > 0)
    if not rows:
        return None
    if not poor:
        return f"**Yes, as far as tested.** {listed(good)} name what the detector leans on better than all controls."
    shown = _verb(poor, "is not shown to do", "are not shown to do")
    rest = f"{listed(poor)} {shown} better than a control that knows nothing of the detector"
    if not good:
        return f"**Not on this run.** {rest}: read them as pictures and not as reasons."
    named = f"{listed(good)} {_verb(good, 'names', 'name')} what the detector leans on better than all controls"
    return f"**In part.** {named}. {rest}: read {_verb(poor, 'it as a picture', 'them as pictures')}, not as reasons."


def faithful(excess: pd.DataFrame) -> str:
    """Whether each explanation does better than the best control, in words, from the same."""
    rows = excess[excess["fill"] == "unseen"]
    sentences = []
    for method, name in EXPLANATIONS.items():
        found: dict[str, list[str]] = {}
        for row in rows[rows["method"] == method].itertuples():
            control = CONTROL_WORDS.get(str(row.control)) or plain(row.control)
            how = "better than" if row.low > 0 else "worse than" if row.high < 0 else "neither better nor worse than"
            found.setdefault(f"{how} {control}", []).append(str(row.group))
        said = [f"{how} on {' and '.join(groups)} verdicts" for how, groups in found.items()]
        if said:
            sentences.append(f"{name} does {listed(said)}.")
    return " ".join(sentences)


def leads(excess: pd.DataFrame) -> str:
    """How far each explanation leads, from the same."""
    rows = excess[excess["fill"] == "unseen"]
    parts = []
    for method, name in EXPLANATIONS.items():
        mine = list(rows[rows["method"] == method].itertuples())
        numbers = [
            f"{signed(row.value)} ({signed(row.low)} to {signed(row.high)}) on {row.group} verdicts" for row in mine
        ]
        parts.append(f"{name} {listed(numbers)}")
    return (
        f"Lead over the best control, in margins: {'; '.join(parts)}. A lead is what deletion and insertion come to "
        "together, so that it can rest on one of them where the curves of the other lie close."
    )


def agreeing(summary: pd.DataFrame, difference: dict[str, float]) -> str:
    """Whether the two explanations agree.

    Args:
        summary: from `core.studies.trust.summary.agreement_summary`.
        difference: verdict -> the lower end of the interval of how much more than by chance they agree.
    """
    own = summary[summary["column"] == "rank"].set_index("group")["value"]
    beyond = [group for group in own.index if difference.get(str(group), float("nan")) > 0]
    numbers = listed([f"{signed(value)} on {group} verdicts" for group, value in own.items()])
    if not beyond:
        return f"They agree no more than maps of different images do: {numbers}, where 1 is the same order of places."
    where = "" if len(beyond) == len(own) else f" on {listed(beyond)} verdicts only"
    degree = "and nearly fully" if own.min() >= SAME else "but far from fully" if own.max() < RELATED else "and in part"
    return f"They agree more than by chance{where}, {degree}: {numbers}, where 1 is the same order of places."


def repeated(summary: pd.DataFrame) -> str:
    """Whether explanations stay as they are, from `core.studies.trust.summary.stability_summary`."""
    tries = {
        "gradcam_noise": "Grad-CAM under noise that nobody can see",
        "lime_noise": "LIME under that noise",
        "lime_seed": "LIME under another seed",
    }
    degrees: dict[str, list[str]] = {"stays as it was": [], "changes in part": [], "changes a lot": []}
    for column, name in tries.items():
        values = summary.loc[summary["column"] == column, "value"].dropna()
        if len(values):
            least = float(values.min())
            degree = "stays as it was" if least >= SAME else "changes in part" if least >= RELATED else "changes a lot"
            degrees[degree].append(f"{name} ({' and '.join(map(signed, values))})")
    parts = [f"{degree[0].upper()}{degree[1:]}: {listed(names)}" for degree, names in degrees.items() if names]
    groups = " and ".join(dict.fromkeys(summary["group"]))
    return f"{'. '.join(parts)}, for {groups} verdicts; 1 is the very same."


def dependent(summary: pd.DataFrame) -> str:
    """Whether explanations depend on the weights, from `core.studies.trust.summary.sanity_summary`."""
    kept: list[tuple[str, str]] = []
    lost: list[tuple[str, str]] = []
    for method in EXPLANATIONS:
        for group, part in summary[summary["method"] == method].groupby("group", sort=False):
            rows = part.set_index("level")
            last = [level for level in rows.index if level != OTHER_IMAGE][-1]
            left, other = (Estimate(*rows.loc[level, list(Estimate._fields)]) for level in (last, OTHER_IMAGE))
            (kept if kept_by_the_picture(left, other) else lost).append((method, str(group)))
    if not kept:
        return (
            "Yes: with random weights no more is left of a map than another image's by the same random detector has of "
            "it, for Grad-CAM and LIME alike."
        )
    apart = _named(lost)
    also = f" {listed(apart)} {_verb(apart, 'depends', 'depend')} on it as far as can be seen." if lost else ""
    return (
        f"Only in part for {listed(_named(kept))}: with random weights more of the map is left than another image's by "
        f"the same random detector has of it, so that part comes from the picture alone.{also}"
    )


def one_coloured(summary: pd.DataFrame) -> str:
    """How often LIME shows one colour, from `core.studies.trust.summary.one_colour_summary`."""
    told = []
    for column in ("paper_one_sign", "ours_shown_one"):
        rows = summary[summary["column"] == column].itertuples()
        shares = listed([f"{percent(row.value, 0)} of {row.group} verdicts" for row in rows])
        told.append(f"{ONE_COLOUR[column].capitalize()} on {shares}")
    return f"{'. '.join(told)}."


def signed(value: float) -> str:
    """Two digits, with a true minus sign; what is rounded to nothing has none."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "\N{MINUS SIGN}")


def _combinations(rows: Iterable[Any]) -> list[str]:
    """Method and verdict of rows, both verdicts of one method as one."""
    return _named((str(row.method), str(row.group)) for row in rows)


def _named(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The same of pairs of both."""
    found: dict[str, list[str]] = {}
    for method, group in pairs:
        found.setdefault(EXPLANATIONS[method], []).append(group)
    return [f"{name} on {' and '.join(groups)} verdicts" for name, groups in found.items()]


def _verb(parts: Sequence[str], one: str, more: str) -> str:
    return one if len(parts) == 1 else more
