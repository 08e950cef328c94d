"""What the probes of a test set conclude: for each family of probes and each verdict, one answer.

The answer is the strength that certainly flips most beyond the strongest of its controls; where none does, or no probe
of the family has a control, the one that flips most. Its controls, and the other ways of making the same change, are
its choices.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.finding import Choice, Control, Finding, Measure
from core.perturbations.probe import FAMILIES, Probe, Strength, inline
from core.perturbations.table import OTHER_WAYS, PROBES, in_every_way, probe_columns
from core.runs.run import Run
from core.studies.probes.summary import Turns, compared, ranking, read_turns, responses, share_of

# a share of verdicts below which a change hardly matters
FEW = 0.05
# probes reported beside an answer but never as one
_BESIDE = {key for key, probe in PROBES.items() if probe.beside} | OTHER_WAYS
_CHANGES_DONOR = {key: probe.changes_donor for key, probe in PROBES.items()}
_EXCESS = {column: strength.excess for column, (_, strength) in probe_columns().items()}


class _Tried(NamedTuple):
    """A choice: its kind, which one, and the key of the control where that is what is chosen."""

    kind: str = ""
    value: str = ""
    control: str = ""


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """The findings of the probes, most telling first."""
    turns = read_turns(run, table, parameters)
    counted = responses(turns)
    verdicts = turns.verdicts
    found = [smallest(turns, verdict, ranking(counted, verdict=verdict)) for verdict in verdicts]
    answers = (answer(turns, counted, family, verdict) for family in FAMILIES for verdict in verdicts)
    return found + [one for one in answers if one is not None]


def answer(turns: Turns, counted: pd.DataFrame, family: str, verdict: str) -> Finding | None:
    """What the probes of a family find about one verdict; None where none could be made.

    Args:
        turns: from `read_turns`.
        counted: `responses` by verdict.
        family: a key of `FAMILIES`.
        verdict: "FAKE" or "REAL".
    """
    rows = of_family(counted, family, verdict)
    candidates = answering(rows)
    # also where a file lacks all but the other ways of making a change, which answer nothing alone
    if candidates.empty:
        return None
    probe, strength = probe_columns()[telling(candidates)]
    chosen = turns.chosen(verdict)
    effect = _choice(turns, chosen, _Tried(), probe, strength)
    # what stands among controls and choices already is not told again
    told = {probe.key, *probe.controls, *(key for keys in probe.others.values() for key in keys)}
    others = rows[~rows["probe"].isin(told)].sort_values("share", ascending=False, kind="stable")
    also = {
        f"{inline(one['title'])} ({one['strength']})": _row_share(one)
        for _, one in others.drop_duplicates("probe").iterrows()
    }
    strengths = {one.at(turns.side).label: _share(turns, chosen, probe, one) for one in turns.strengths(probe)}
    return Finding(
        f"{family}-{verdict}",
        "probes",
        "flip_rate",
        effect.measure,
        group=verdict,
        control=effect.control,
        difference=effect.difference,
        choices=tuple(_choices(turns, chosen, probe, strength)),
        beside=strengths | also,
        details={
            "family": family,
            "probe": probe.key,
            "title": probe.title,
            "strength": strength.at(turns.side).told,
            "strengths": list(strengths),
            "others": list(also),
            "falls_at": _falls_at(turns, chosen, probe),
        },
    )


def of_family(counted: pd.DataFrame, family: str, verdict: str) -> pd.DataFrame:
    """The rows of `responses` about one verdict and the changes of the image, controls apart, of a family."""
    rows = counted[((counted["verdict"] == verdict) & (counted["family"] == family)).to_numpy(bool)]
    kept = ~rows["is_control"].to_numpy(bool) & rows["share"].notna().to_numpy()
    return rows[kept & ~rows["probe"].map(_CHANGES_DONOR).to_numpy(bool)]


def answering(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of the rows that `of_family` found that may answer its question."""
    return rows[~rows["probe"].isin(_BESIDE)]


def telling(rows: pd.DataFrame) -> str:
    """The column of the strength that answers, among the rows that `answering` found."""
    fair = fairly(rows)
    certain = fair[fair["net_low"] > 0]
    if len(certain):
        return str(certain.loc[certain["net_low"].idxmax(), "column"])
    most = fair if len(fair) else rows[~rows["column"].map(_EXCESS)]
    return str(most.loc[most["share"].idxmax(), "column"])


def fairly(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of `responses` that have a control and change no more than the thing in question.

    If some are of strengths at which the change is made in every other way too, only those are kept.
    """
    fair = rows[~rows["column"].map(_EXCESS) & rows["control"].notna()]
    every_way = fair[fair["column"].map(in_every_way).astype(bool)]
    return every_way if len(every_way) else fair


def _choice(turns: Turns, chosen: NDArray[np.bool_], tried: _Tried, probe: Probe, strength: Strength) -> Choice:
    """A strength of a probe beside the strongest of its controls, or of the one that is tried."""
    here = chosen & turns.known(probe.column(strength.key))
    share = _share(turns, chosen, probe, strength)
    bars = [
        (key, *compared(turns, here, probe, PROBES[key], strength))
        for key in ((tried.control,) if tried.control else probe.controls)
        if PROBES[key].column(strength.key) in turns.table
    ]
    # a control that could not be made is none
    bars = [one for one in bars if one[1].images]
    if not bars:
        return Choice(tried.kind, tried.value, share)
    key, bar, lead = max(bars, key=lambda one: one[1].value)
    return Choice(tried.kind, tried.value, share, Control(_named(key), Measure.of(bar)), Measure.of(lead))


def _choices(turns: Turns, chosen: NDArray[np.bool_], probe: Probe, strength: Strength) -> Iterator[Choice]:
    """The same against each control, in each other way of making the change, and with each fill."""
    if len(probe.controls) > 1:
        for key in probe.controls:
            yield _choice(turns, chosen, _Tried("control", _named(key), key), probe, strength)
    for kind, keys in probe.others.items():
        for way in (PROBES[key] for key in (probe.key, *keys)):
            for one in turns.strengths(way):
                if one.key == strength.key:
                    yield _choice(turns, chosen, _Tried(kind, way.way), way, one)
    if probe.strengths_are:
        for one in turns.strengths(probe):
            yield _choice(turns, chosen, _Tried(probe.strengths_are, one.label), probe, one)


def _named(key: str) -> str:
    return PROBES[key].inline


def _share(turns: Turns, chosen: NDArray[np.bool_], probe: Probe, strength: Strength) -> Measure:
    return Measure.of(share_of(turns, chosen, probe, strength))


def _row_share(row: "pd.Series[Any]") -> Measure:
    """The share of a row of `responses`."""
    return Measure(float(row["share"]), float(row["low"]), float(row["high"]), int(row["images"]))


def _falls_at(turns: Turns, chosen: NDArray[np.bool_], probe: Probe) -> list[str]:
    """The labels of doses that certainly flip fewer verdicts than the weaker one before them."""
    found = []
    for weaker, stronger in pairwise(() if probe.strengths_are else turns.strengths(probe)):
        one, other = (probe.column(strength.key) for strength in (stronger, weaker))
        here = chosen & turns.known(one) & turns.known(other)
        if turns.difference(here, (one, probe), (other, probe)).high < 0:
            found.append(stronger.at(turns.side).label)
    return found


def smallest(turns: Turns, verdict: str, top: pd.DataFrame) -> Finding:
    """The probe that flips most for its size; without a known number where none flips more than its control.

    Args:
        turns: from `read_turns`.
        verdict: "FAKE" or "REAL".
        top: its `ranking`.
    """
    key, top = f"smallest-{verdict}", top[~top["probe"].isin(OTHER_WAYS)]
    fair = top[top["control"].notna() & (top["per_level"] > 0)]
    alone = top[top["control"].isna() & (top["low"] > FEW)]
    if fair.empty and alone.empty:
        return Finding(key, "probes", "flip_rate", Measure(np.nan), group=verdict)
    first = (alone if fair.empty else fair).iloc[0]
    smaller = alone[alone["per_level"] > first["per_level"]]
    beside, also = {}, {}
    if not fair.empty and not smaller.empty:
        beside["smaller"] = _row_share(smaller.iloc[0])
        also = {f"smaller_{name}": smaller.iloc[0][name] for name in ("title", "strength")}
    found = finding_of(key, first, beside=beside, size=float(first["size"]), **also)
    probe, strength = probe_columns()[first["column"]]
    return replace(found, choices=tuple(_choices(turns, turns.chosen(verdict), probe, strength)))


def finding_of(
    key: str,
    row: "pd.Series[Any]",
    *,
    study: str = "probes",
    beside: Mapping[str, Measure] | None = None,
    **details: Any,
) -> Finding:
    """A finding whose number is the share of one row of `responses`, beside the strongest of its controls."""
    control, lead = None, None
    if isinstance(row["control"], str):
        value, low, high = (float(row[f"control_{end}"]) for end in ("share", "low", "high"))
        control = Control(_named(row["control"]), Measure(value, low, high, int(row["images"])))
        net, net_low, net_high = (float(row[name]) for name in ("net", "net_low", "net_high"))
        lead = Measure(net, net_low, net_high, int(row["images"]))
    about = {"title": row["title"], "strength": row["strength"], **details}
    return Finding(
        key, study, "flip_rate", _row_share(row), group=str(row["verdict"]), control=control, difference=lead,
        beside=beside or {}, details=about,
    )  # fmt: skip
