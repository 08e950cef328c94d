"""What each family of probes found: a row a question, a line a verdict, controls and choices beside the effect."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from core.findings.claims import claim_status, sign_of
from core.findings.finding import Choice, Finding
from core.findings.lines import Line
from core.findings.numbers import percent
from core.findings.words import tell
from core.perturbations.table import PROBES
from dashboard.components.component import component, nothing, one_of

_mount = component(__file__, "answers")
# state of a line -> its words in the legend; its mark is in `answers.css`
STANDINGS = {
    "claimed": "verdicts flipped, more than by every control",
    "open": "no more than some control, or without one",
}


def draw_answers(found: Sequence[Finding], *, sees: str) -> str | None:
    """Draw every finding that is about a family of probes.

    Args:
        found: of the study `probes`.
        sees: the anchor of the heading that a click goes to.

    Returns:
        The key of the probe that was clicked, or None.
    """
    rows: dict[str, dict[str, Any]] = {}
    for one in found:
        if "probe" in one.details:
            row = rows.setdefault(one.details["family"], {"question": tell(one).question, "lines": []})
            row["lines"].append(_line(one))
    clicked: str | None = _mount(
        key="evidence.answers",
        data={"rows": list(rows.values()), "standings": STANDINGS, "sees": sees},
        on_see_change=nothing,
    ).see
    return one_of(clicked, PROBES)


def _line(one: Finding) -> dict[str, Any]:
    told, controls = tell(one), [each for each in one.choices if each.kind == "control"]
    bars = [each.control for each in controls or (one,) if each.control is not None]
    ways = [each for each in one.choices if each.kind != "control"]
    return {
        "verdict": one.group,
        "probe": one.details["probe"],
        "state": "claimed" if (claim_status(one).kind, claim_status(one).sign) == ("holds", 1) else "open",
        "share": one.measure.value,
        "low": one.measure.low,
        "high": one.measure.high,
        "controls": [_mark(f"control, {bar.name}", bar.measure.value) for bar in bars],
        "ways": [_mark(_way(each), each.measure.value) | {"above": sign_of(each) == 1} for each in ways],
        # the figure has the interval
        "words": list(_without_intervals(told.answer)),
        "label": str(told.full),
    }


def _without_intervals(one: Line) -> Iterator[tuple[str, str]]:
    """Yield a sentence's (text, kind) pieces, without intervals and the spaces before them."""
    for span, after in zip_longest(one.spans, one.spans[1:]):
        if span.kind != "interval":
            yield span.text.rstrip() if after is not None and after.kind == "interval" else span.text, span.kind


def _mark(name: str, share: float) -> dict[str, Any]:
    return {"share": share, "name": f"{name}: {percent(share)}"}


def _way(one: Choice) -> str:
    bar = "" if one.control is None else f" (its control {percent(one.control.measure.value)})"
    return f"{one.kind}, {one.value}{bar}"
