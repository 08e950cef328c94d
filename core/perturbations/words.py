"""The one-sentence conclusion from an image's probes, built only from what was measured."""

from core.findings.numbers import plus
from core.images.labels import other_class
from core.perturbations.results import After, DetailTest, ProbeResult


def conclude(result: ProbeResult) -> str:
    """Say what decides this verdict, as far as the probes can tell."""
    test = next((one for one in result.detail if one.decides), None)
    if test is not None:
        return f"{_detail(result, test)}{_also(result)}."
    if result.smallest is not None:
        after = result.smallest
        control = _controls(result, after)
        return (
            f"Called {result.verdict}: the smallest change that flips it is {name_of(after)}, "
            f"which moves values by about {levels(after.size)} of 255{control}."
        )
    return _unturned(result)


def name_of(after: After) -> str:
    """Name a change and its strength within a sentence."""
    return f"{after.probe.inline} ({after.strength.label})"


def levels(size: float) -> str:
    """Write the root mean square of a change in words."""
    return f"{size:.1f} grey levels" if size < 10 else f"{size:.0f} grey levels"


def _detail(result: ProbeResult, test: DetailTest) -> str:
    other = other_class(result.verdict)
    taken = (
        f"without what is finer than {test.radius} it is called {other}"
        if test.removed
        else f"with that of {other} images beyond {test.radius} in its place it is called {other} "
        f"({test.replaced} of {test.donors})"
    )
    return (
        f"Called {result.verdict} for its fine detail: {taken}, and the same detail put into {test.donors} {other} "
        f"image{'s' if test.donors > 1 else ''} makes {test.lent} of them {result.verdict}"
    )


def _also(result: ProbeResult) -> str:
    if result.smallest is None:
        return ""
    after = result.smallest
    return f"; the smallest change that flips it is {name_of(after)}, about {levels(after.size)} of 255"


def _controls(result: ProbeResult, after: After) -> str:
    tried = [control for control in map(result.get, after.controls) if control.known]
    titles = [control.probe.inline for control in tried]
    if not titles:
        return "; there is no control to compare it with"
    return f", while {' and '.join(titles)} {'do' if len(titles) > 1 else 'does'} not"


def _unturned(result: ProbeResult) -> str:
    own = [one for one in result.after if one.known and not (one.probe.is_control or one.probe.changes_donor)]
    tried = [one for one in own if not one.strength.excess]
    turned = [one for one in tried if one.flipped]
    if turned:
        first = min(turned, key=lambda one: one.size)
        return (
            f"Called {result.verdict}: nothing that flips it is conclusive, because a control flips it too; "
            f"the smallest such change is {name_of(first)}."
        )
    excess = any(one.flipped for one in own if one.strength.excess)
    beyond = ", only changes that remove far more than they are named for do" if excess else ""
    sign = 1 if result.verdict == "REAL" else -1
    nearest = min(tried, key=lambda one: sign * one.margin)
    return (
        f"Called {result.verdict}, and none of {len(tried)} changes flips it{beyond}; {name_of(nearest)} comes "
        f"closest, with a margin of {plus(nearest.margin, 1)} instead of {plus(result.margin, 1)}."
    )


def said(result: ProbeResult, one: After) -> str:
    """Say what a change did."""
    whose = "the other image is" if one.probe.changes_donor else "the verdict is"
    outcome = f"{whose} now {one.verdict}" if one.flipped else f"{whose} still {one.verdict}"
    controls = [control for control in map(result.get, one.controls) if control.known]
    turning = [control.probe.inline for control in controls if control.flipped]
    beside = ""
    if one.flipped and controls:
        beside = f"; its control, {turning[0]}, flips it too" if turning else "; its control does not flip it"
    return f"{outcome}{beside} (margin {plus(one.before)} to {plus(one.margin)}, a change of {levels(one.size)})"
