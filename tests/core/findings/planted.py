"""Findings whose standing is known."""

from core.findings.finding import Choice, Control, Finding, Measure


def measure(value: float, half: float = 0.05) -> Measure:
    """A value with an interval of so much on both sides."""
    return Measure(value, value - half, value + half, 100)


def finding(
    value: float = 0.5,
    *,
    control: float | None = None,
    difference: float | None = None,
    choices: dict[str, dict[str, float]] | None = None,
    **more: object,
) -> Finding:
    """A finding; under choices its difference from the control is as it is told, kind by kind."""
    bar = None if control is None else Control("chance", measure(control))
    tried = [
        Choice(kind, name, measure(value), bar, measure(one))
        for kind, those in (choices or {}).items()
        for name, one in those.items()
    ]
    lead = None if difference is None else measure(difference)
    about = {"key": "rank", "study": "made", "quantity": "rank_correlation", **more}
    return Finding(measure=measure(value), control=bar, difference=lead, choices=tuple(tried), **about)  # type: ignore[arg-type]
