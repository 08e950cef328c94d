"""What the probes of a test set conclude.

A thing is judged by the share of verdicts that its probe flips beyond its control (`net`). Where a question is asked of
several probes, the finding is the one that certainly flips most, and the same probe is given for each verdict.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from core.findings.finding import Choice, Control, Finding, Measure
from core.probes.probe import wave_length
from core.probes.table import PROBES, probe_columns
from core.runs.run import Run
from core.studies.probes.summary import VERDICTS, ranking, read_turns, responses

Row: TypeAlias = "pd.Series[Any]"
# a share of verdicts below which a change hardly matters
FEW = 0.05
COARSER = "as large a change of coarser detail"


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """The findings of the probes, most telling first."""
    turns = read_turns(run, table, parameters)
    counted = responses(turns)
    rates = Rates(counted)
    makers: list[Callable[[Rates], Finding | None]] = [
        detail_out, detail_in, finest_levels, shape_texture, colour, detail_back, place, compression, light, geometry
    ]  # fmt: skip
    found = [smallest(verdict, ranking(counted, verdict=verdict)) for verdict in rates.verdicts]
    made = [maker(rates) for maker in makers] if rates.verdicts else []
    return found + [one for one in made if one is not None]


class Rates:
    """`responses` by verdict, to be asked for one strength of one probe.

    Args:
        table: from `responses`.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._rows = table.set_index(["verdict", "column"])
        images = table.groupby("verdict")["images"].max()
        self.verdicts = [verdict for verdict in VERDICTS if images[verdict]]

    def row(self, verdict: str, column: str) -> Row:
        """The row of one strength."""
        return self._rows.loc[(verdict, column)]

    def plain(self, *columns: str) -> Row:
        """The strength that certainly flips most beyond its controls, among verdicts too; one without a control only
        where none of them has any."""
        rows = self._among(columns)
        fair = [row for row in rows if row["compared"] != "none"]
        return max(fair or rows, key=lambda row: float(np.nan_to_num(row["net_low"], nan=-2)))

    def alone(self, *columns: str) -> "Row | None":
        """The strength without a control that flips most, among verdicts too; None where all have one."""
        rows = [row for row in self._among(columns) if row["compared"] == "none" and np.isfinite(row["share"])]
        return max(rows, key=lambda row: float(row["share"]), default=None)

    def _among(self, columns: Sequence[str]) -> list[Row]:
        return [self.row(verdict, column) for verdict in self.verdicts for column in columns]

    def best(self, verdict: str, probe: str) -> Row:
        """The strength of a probe that flips most beyond its controls, for one verdict."""
        rows = [self.row(verdict, column) for column in PROBES[probe].columns if (verdict, column) in self._rows.index]
        return max(rows, key=lambda row: float(np.nan_to_num(row["net"], nan=-2)))

    def by_verdict(self, column: str) -> list[Choice]:
        """A strength for each verdict."""
        return [choice("verdict", verdict, self.row(verdict, column)) for verdict in self.verdicts]

    def beside(self, **columns: str) -> dict[str, Measure]:
        """Name and verdict -> the share that a strength flips."""
        return {
            f"{name}.{verdict}": measure_of(self.row(verdict, column))
            for name, column in columns.items()
            for verdict in self.verdicts
        }


def verdict_of(row: Row) -> str:
    """Whose verdicts a row counts."""
    return str(row.name[0])  # type: ignore[index]


def column_of(row: Row) -> str:
    """The column of the strength that a row counts."""
    return str(row.name[1])  # type: ignore[index]


def measure_of(row: Row, name: str = "") -> Measure:
    """A share of a row of `responses`; that of its control with the name "control_"."""
    value, low, high = (float(row[f"{name}{end}"]) for end in ("share", "low", "high"))
    return Measure(value, low, high, int(row["images"]))


def control_of(row: Row) -> Control | None:
    """The control of a row, None without one."""
    if row["compared"] == "none":
        return None
    name = COARSER if row["compared"] == "size" else f"“{PROBES[row['control']].title.lower()}”"
    return Control(name, measure_of(row, "control_"))


def net_of(row: Row) -> Measure | None:
    """What a row's change flips beyond its control, None without one."""
    if row["compared"] == "none":
        return None
    value, low, high = (float(row[name]) for name in ("net", "net_low", "net_high"))
    return Measure(value, low, high, int(row["images"]))


def choice(kind: str, value: str, row: Row) -> Choice:
    """A row as one of several choices."""
    return Choice(kind, value, measure_of(row), control_of(row), net_of(row))


def finding(
    key: str,
    row: Row,
    *,
    choices: Iterable[Choice] = (),
    beside: Mapping[str, Measure] | None = None,
    **details: object,
) -> Finding:
    """A finding whose number is the share of one row of `responses`."""
    about = {"title": row["title"], "strength": row["strength"], **details}
    return Finding(
        key, "probes", "flip_rate", measure_of(row), group=verdict_of(row), control=control_of(row),
        difference=net_of(row), choices=tuple(choices), beside=beside or {}, details=about,
    )  # fmt: skip


def smallest(verdict: str, top: pd.DataFrame) -> Finding:
    """The probe that flips most for its size; without a known number where none flips more than its control."""
    key = f"smallest_{verdict.lower()}"
    top = top.set_index(["verdict", "column"])
    fair = top[(top["compared"] != "none") & (top["per_level"] > 0)]
    alone = top[(top["compared"] == "none") & (top["low"] > FEW)]
    if fair.empty and alone.empty:
        return Finding(key, "probes", "flip_rate", Measure(np.nan), group=verdict)
    first = (alone if fair.empty else fair).iloc[0]
    smaller = alone[alone["per_level"] > first["per_level"]]
    beside, also = {}, {}
    if not fair.empty and not smaller.empty:
        beside["smaller"] = measure_of(smaller.iloc[0])
        also = {f"smaller_{name}": smaller.iloc[0][name] for name in ("title", "strength")}
    return finding(key, first, beside=beside, size=float(first["size"]), **also)


def detail_out(rates: Rates) -> Finding | None:
    """What must be taken out of a FAKE to make it REAL."""
    if "FAKE" not in rates.verdicts:
        return None
    out = rates.best("FAKE", "lowpass")
    return finding("detail_out", out, waves=waves(out))


def waves(row: Row) -> str:
    """The length of the longest waves beyond a radius of the spectrum, in pixels."""
    return f"{wave_length(probe_columns()[column_of(row)][1].value)} pixels"


def detail_in(rates: Rates) -> Finding | None:
    """Whether a FAKE's detail makes a REAL image FAKE."""
    return _swapped(rates, "detail_in", "FAKE", "REAL")


def detail_back(rates: Rates) -> Finding | None:
    """Whether a REAL's detail makes a FAKE image REAL."""
    return _swapped(rates, "detail_back", "REAL", "FAKE")


def _swapped(rates: Rates, key: str, lender: str, verdict: str) -> Finding | None:
    if len(rates.verdicts) < len(VERDICTS):
        return None
    row = rates.best(verdict, "transplant")
    if np.isnan(row["share"]):
        return None
    strength = column_of(row).removeprefix("transplant_")
    rows = {name: rates.row(verdict, PROBES[name].column(strength)) for name in PROBES["transplant"].controls}
    beside = {"same": measure_of(rows["transplant_same"]), "coarse": measure_of(rows["transplant_elsewhere"])}
    return finding(key, row, beside=beside, waves=waves(row), lender=lender)


def finest_levels(rates: Rates) -> Finding:
    """Whether differences of 1 or 2 in value decide."""
    names = {
        "noise_2": ("noise of up to ±2", "noise_4", "±4"),
        "levels_4": ("rounding to steps of 4", "levels_16", "steps of 16"),
    }
    worst = rates.plain(*names)
    what, more, label = names[column_of(worst)]
    return finding(
        "finest_levels", worst, choices=rates.by_verdict(column_of(worst)), beside=rates.beside(more=more),
        what=what, more=label,
    )  # fmt: skip


def shape_texture(rates: Rates) -> Finding:
    """Whether the order of the parts matters beyond the seams that shuffling makes."""
    rows = [rates.row(verdict, "shuffle_8") for verdict in rates.verdicts]
    return finding(
        "shape_texture",
        max(rows, key=lambda row: float(row["net"])),
        choices=rates.by_verdict("shuffle_8"),
        beside=rates.beside(seams="shuffle_turn_8", moved="shuffle_roll_8"),
    )


def colour(rates: Rates) -> Finding:
    """Whether colour decides."""
    told = {
        "tint_full": "the mean colour of the other class",
        "fade_grey": "taking all colour out",
        "hue_30": "turning hues by 30°",
    }
    worst = rates.plain(*told)
    alone = rates.alone("hue_180")
    hue = rates.plain("hue_180") if alone is None else alone
    return finding(
        "colour", worst, choices=rates.by_verdict(column_of(worst)), beside={"hue": measure_of(hue)},
        what=told[column_of(worst)], hue_verdict=verdict_of(hue), hue_controlled=alone is None,
    )  # fmt: skip


def place(rates: Rates) -> Finding:
    """Whether one place decides."""
    columns = [
        f"hide_{name}_texture" for name in ("centre", "border", "top_left", "top_right", "bottom_left", "bottom_right")
    ]
    worst = rates.plain(*columns)
    column = column_of(worst)
    fills = {"texture": column, "flat": column.replace("_texture", "_flat")}
    by_fill = [choice("fill", fill, rates.row(verdict_of(worst), one)) for fill, one in fills.items()]
    where = str(worst["title"]).lower().replace("hide ", "")
    return finding("place", worst, choices=[*by_fill, *rates.by_verdict(column)], where=where)


def compression(rates: Rates) -> Finding:
    """What JPEG and blur do."""
    blurs = {verdict: rates.best(verdict, "blur") for verdict in rates.verdicts}
    # CIFAKE's files are JPEG of quality 75: again at that changes next to nothing
    jpeg = rates.plain("jpeg_30")
    beside = {"jpeg": measure_of(jpeg)}
    if jpeg["compared"] != "none":
        beside["jpeg_control"] = measure_of(jpeg, "control_")
    return finding(
        "compression",
        next(iter(blurs.values())),
        choices=[choice("verdict", verdict, blur) for verdict, blur in blurs.items()],
        beside=beside,
        strengths={verdict: str(blur["strength"]) for verdict, blur in blurs.items()},
        jpeg_verdict=verdict_of(jpeg),
    )


def light(rates: Rates) -> Finding:
    """Whether brightness and contrast decide."""
    told = {
        "darker_16": "16 levels darker", "brighter_16": "16 levels brighter", "darker_48": "48 levels darker",
        "brighter_48": "48 levels brighter", "flatter_50": "half the contrast",
        "harder_150": "half as much contrast again",
    }  # fmt: skip
    worst, alone = rates.plain(*told), rates.alone(*told)
    beside, also = {}, {}
    if alone is not None and worst["compared"] != "none":
        beside["alone"] = measure_of(alone)
        also = {"alone": told[column_of(alone)], "alone_verdict": verdict_of(alone)}
    column = column_of(worst)
    return finding("light", worst, choices=rates.by_verdict(column), beside=beside, what=told[column], **also)


def geometry(rates: Rates) -> Finding:
    """Whether it matters how the picture lies."""
    told = {
        "mirror_all": "mirroring it", "shift_1": "a shift by a pixel", "turn_90": "a quarter turn",
        "turn_180": "turning it upside down", "turn_270": "a quarter turn",
    }  # fmt: skip
    worst = rates.plain(*told)
    column = column_of(worst)
    beside = rates.beside(mirrored="mirror_all")
    return finding("geometry", worst, choices=rates.by_verdict(column), beside=beside, what=told[column])
