"""The sentences that the probes of a test set come to: the answer with its number, then what the control does.

What a thing decides is judged by the share of verdicts that its probe turns beyond its control (`net`), and by the end
of that share's interval that is nearer to nothing. Only where no control fits, the share itself is judged and the
sentence says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from core.probes.probe import wave_length
from core.probes.table import PROBES, probe_columns
from core.runs.run import Run
from core.studies.probes.summary import VERDICTS, ranking, read_turns, responses
from core.studies.shares import percent, with_ends
from core.studies.study import Finding

Row: TypeAlias = "pd.Series[Any]"
# shares of verdicts: below the first a change hardly matters, above the last it decides
FEW, SOME, MOST = 0.05, 0.25, 0.5
Degree = Literal["no", "no more", "hardly", "seldom", "often", "mostly"]


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """The answers of the probes, most telling first."""
    turns = read_turns(run, table, parameters)
    rates = Rates(responses(turns))
    makers: list[Callable[[Rates], Finding | None]] = [
        detail_out, detail_in, finest_levels, shape_texture, colour, detail_back, place, compression, light, geometry
    ]  # fmt: skip
    found = [smallest(verdict, ranking(turns, verdict=verdict)) for verdict in rates.verdicts]
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
        """The strength that certainly turns most beyond its controls, among verdicts too; one without a control only
        where none of them has any."""
        rows = self._among(columns)
        fair = [row for row in rows if row["compared"] != "none"]
        return max(fair or rows, key=lambda row: float(np.nan_to_num(row["net_low"], nan=-2)))

    def alone(self, *columns: str) -> "Row | None":
        """The strength without a control that turns most, among verdicts too; None where all have one."""
        rows = [row for row in self._among(columns) if row["compared"] == "none" and np.isfinite(row["share"])]
        return max(rows, key=lambda row: float(row["share"]), default=None)

    def _among(self, columns: Sequence[str]) -> list[Row]:
        return [self.row(verdict, column) for verdict in self.verdicts for column in columns]

    def best(self, verdict: str, probe: str) -> Row:
        """The strength of a probe that turns most beyond its controls, for one verdict."""
        rows = [self.row(verdict, column) for column in PROBES[probe].columns]
        return max(rows, key=lambda row: float(np.nan_to_num(row["net"], nan=-2)))

    def said(self, column: str) -> str:
        """The share of each verdict that a strength turns, with intervals."""
        return " and ".join(f"{interval(self.row(one, column))} of {one}" for one in self.verdicts)

    def listed(self, column: str) -> str:
        """The share of each verdict that a strength turns, without intervals."""
        return " and ".join(f"{percent(self.row(one, column)['share'])} of {one}" for one in self.verdicts)


def interval(row: Row, name: str = "") -> str:
    """A share with its 95 % interval in words."""
    return with_ends(row[f"{name}share"], row[f"{name}low"], row[f"{name}high"])


def verdict_of(row: Row) -> str:
    """Whose verdicts a row counts."""
    return str(row.name[0])  # type: ignore[index]


def column_of(row: Row) -> str:
    """The column of the strength that a row counts."""
    return str(row.name[1])  # type: ignore[index]


def degree(row: Row) -> Degree:
    """What a change decides, from the interval of the share that it turns beyond its controls."""
    low, high = float(row["net_low"]), float(row["net_high"])
    if low <= 0 or high < FEW:
        # what turns hardly anything, and what turns much that its control turns too
        return "no" if high < FEW and row["low"] < FEW else "no more"
    return "hardly" if low < FEW else "seldom" if low < SOME else "often" if low <= MOST else "mostly"


def decides(row: Row) -> str:
    """The same as the verb of a sentence."""
    how = degree(row)
    if how == "no":
        return "does not decide"
    if row["compared"] == "none":
        return "may decide"
    return "decides no more than its control" if how == "no more" else f"{how} decides"


def control_sentence(row: Row) -> str:
    """What the control of a change does, or that there is none; without its full stop."""
    if row["compared"] == "none":
        return "There is no control of that size"
    turned = interval(row, "control_")
    if row["compared"] == "size":
        return f"As large a change of coarser detail turns {turned}"
    return f"Its control, “{PROBES[row['control']].title.lower()}”, turns {turned}"


def finding(key: str, sentence: str, row: Row) -> Finding:
    """A finding whose number is the share of one row of `responses`."""
    return Finding(key, sentence, float(row["share"]), float(row["low"]), float(row["high"]), int(row["images"]))


def what(row: Row) -> str:
    """A change and its strength."""
    return f"“{row['title'].lower()}” ({row['strength']})"


def smallest(verdict: str, top: pd.DataFrame) -> Finding:
    """The probe that turns most for its size."""
    key = f"smallest_{verdict.lower()}"
    fair = top[(top["compared"] != "none") & (top["per_level"] > 0)]
    alone = top[(top["compared"] == "none") & (top["low"] > FEW)]
    if fair.empty:
        sentence = f"No change turns {verdict} verdicts more often than its control does."
        if alone.empty:
            return Finding(key, sentence)
        first = alone.iloc[0]
        return finding(key, f"{sentence} Without a control, {what(first)} turns {interval(first)}.", first)
    first = fair.iloc[0]
    smaller = alone[alone["per_level"] > first["per_level"]]
    also = ""
    if not smaller.empty:
        also = f"; {what(smaller.iloc[0])}, smaller and without a control, {percent(smaller.iloc[0]['share'])}"
    return finding(
        key,
        f"For its size, {what(first)} turns {verdict} verdicts most beyond its control: it moves values by "
        f"{first['size']:.1f} of 255 on average and turns {interval(first)}. {control_sentence(first)}{also}.",
        first,
    )


def waves(row: Row) -> str:
    """The length of the longest waves beyond a radius of the spectrum, in pixels."""
    return f"{wave_length(probe_columns()[column_of(row)][1].value)} pixels"


def detail_out(rates: Rates) -> Finding | None:
    """What must be taken out of a FAKE to make it REAL."""
    if "FAKE" not in rates.verdicts:
        return None
    out = rates.best("FAKE", "lowpass")
    rest = {
        "no": "do not rest on fine detail",
        "no more": "rest on fine detail no more than on coarser detail",
    }.get(how := degree(out), f"{how} rest on fine detail")
    return finding(
        "detail_out",
        f"FAKE verdicts {rest}: without waves shorter than {waves(out)}, {interval(out)} of them become REAL. As much "
        f"taken from coarser detail turns {interval(out, 'control_')}.",
        out,
    )


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
    makes = {
        "no": f"does not make {verdict} images {lender}",
        "no more": f"makes {verdict} images {lender} no more than other detail does",
    }.get(how := degree(row), f"{how} makes {verdict} images {lender}")
    strength = column_of(row).removeprefix("transplant_")
    same, coarse = (rates.row(verdict, PROBES[name].column(strength)) for name in PROBES["transplant"].controls)
    if np.isnan(same["share"]):
        control = f"No other {verdict} image was at hand to lend its own; as"
    else:
        control = (
            f"{'But those' if same['share'] > SOME else 'Those'} of other {verdict} images turn {interval(same)}, as"
        )
    return finding(
        key,
        f"The fine detail of {lender} images {makes}: put in, their waves shorter than {waves(row)} turn "
        f"{interval(row)} of {verdict} verdicts. {control} large a change of coarser detail {interval(coarse)}.",
        row,
    )


def finest_levels(rates: Rates) -> Finding:
    """Whether differences of 1 or 2 in value decide."""
    names = {
        "noise_2": ("noise of up to ±2", "noise_4", "±4"),
        "levels_4": ("rounding to steps of 4", "levels_16", "steps of 16"),
    }
    worst = rates.plain(*names)
    said, more, label = names[column_of(worst)]
    how = degree(worst)
    answer = "do not decide" if how in ("no", "no more") else f"{how} decide"
    return finding(
        "finest_levels",
        f"Differences of 1 or 2 in value {answer}: {said} turns {rates.said(column_of(worst))} verdicts. There is no "
        f"control so small; {label} turns {rates.listed(more)}.",
        worst,
    )


def shape_texture(rates: Rates) -> Finding:
    """Whether the order of the parts matters beyond the seams that shuffling makes."""
    rests: dict[Degree, str] = {
        "no": "rest on texture", "no more": "turn about as often by the seams alone", "hardly": "hardly need shape",
        "seldom": "seldom need shape", "often": "often need shape as well", "mostly": "mostly need shape as well",
    }  # fmt: skip
    rows = [rates.row(verdict, "shuffle_8") for verdict in rates.verdicts]
    said: dict[str, str] = {}
    for row in rows:
        moved = rates.row(verdict_of(row), "shuffle_roll_8")
        falls = float(moved["low"]) > float(row["high"]) + FEW
        said["hang more on where pixels fall than on shape" if falls else rests[degree(row)]] = verdict_of(row)
    answer = f"Verdicts {next(iter(said))}"
    if len(said) > 1:
        (first, one), (second, other) = said.items()
        answer = f"{one} verdicts {first}, {other} ones {second}"
    return finding(
        "shape_texture",
        f"{answer}: shuffling blocks of 8 pixels turns {rates.said('shuffle_8')}. The same seams without shuffling "
        f"turn {rates.listed('shuffle_turn_8')}, a shift by half a block {rates.listed('shuffle_roll_8')}.",
        max(rows, key=lambda row: float(row["net"])),
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
    # what is denied is no more than what was compared with a control
    denied = degree(worst) in ("no", "no more")
    what = "How much colour, and of what tint," if denied else "Colour"
    without = "" if alone is None else ", which have no control,"
    others = "unnatural colours may: " if denied and alone is not None and alone["low"] > FEW else ""
    return finding(
        "colour",
        f"{what} {decides(worst)}: {told[column_of(worst)]} turns {interval(worst)} of "
        f"{verdict_of(worst)} verdicts. {control_sentence(worst)}; {others}opposite hues{without} turn "
        f"{interval(hue)} of {verdict_of(hue)}.",
        worst,
    )


def place(rates: Rates) -> Finding:
    """Whether one place decides."""
    columns = [
        f"hide_{name}_texture" for name in ("centre", "border", "top_left", "top_right", "bottom_left", "bottom_right")
    ]
    worst = rates.plain(*columns)
    where = str(worst["title"]).lower().replace("hide ", "")
    return finding(
        "place",
        f"One place {decides(worst)}: hiding {where} turns {interval(worst)} of {verdict_of(worst)} verdicts. Hiding "
        f"as much anywhere turns {interval(worst, 'control_')}.",
        worst,
    )


def compression(rates: Rates) -> Finding:
    """What JPEG and blur do."""
    blurs = {verdict: rates.best(verdict, "blur") for verdict in rates.verdicts}
    alike: dict[Degree, list[str]] = {}
    for verdict, blur in blurs.items():
        alike.setdefault(degree(blur), []).append(verdict)
    said: list[str] = []
    for how, verdicts in alike.items():
        name = f"{' and '.join(verdicts)} {'ones' if said else 'verdicts'}"
        turns: dict[Degree, str] = {"no": f"does not turn {name}", "no more": f"turns no more {name} than a control"}
        shares = " and ".join(f"{interval(blurs[one])} at {blurs[one]['strength']}" for one in verdicts)
        said.append(f"{turns.get(how, f'{how} turns {name}')}, {shares}")
    # CIFAKE's files are JPEG of quality 75: again at that changes next to nothing
    jpeg = rates.plain("jpeg_30")
    first = next(iter(blurs.values()))
    beside = "" if jpeg["compared"] == "none" else f", its like in coarser detail {percent(jpeg['control_share'])}"
    return finding(
        "compression",
        f"Blur {', and '.join(said)}. {control_sentence(first)}; JPEG again at quality 30 turns {interval(jpeg)} of "
        f"{verdict_of(jpeg)} verdicts{beside}.",
        first,
    )


def light(rates: Rates) -> Finding:
    """Whether brightness and contrast decide."""
    told = {
        "darker_16": "16 levels darker", "brighter_16": "16 levels brighter", "darker_48": "48 levels darker",
        "brighter_48": "48 levels brighter", "flatter_50": "half the contrast",
        "harder_150": "half as much contrast again",
    }  # fmt: skip
    worst, alone = rates.plain(*told), rates.alone(*told)
    what, also = "Light", ""
    if alone is not None and worst["compared"] != "none":
        also = f"; {told[column_of(alone)]}, which has none, turns {interval(alone)} of {verdict_of(alone)}"
        # what is denied is no more than what was compared with a control
        what = "Light, changed a little," if degree(worst) in ("no", "no more") else what
    return finding(
        "light",
        f"{what} {decides(worst)}: {told[column_of(worst)]} turns {interval(worst)} of "
        f"{verdict_of(worst)} verdicts. {control_sentence(worst)}{also}.",
        worst,
    )


def geometry(rates: Rates) -> Finding:
    """Whether it matters how the picture lies."""
    told = {
        "mirror_all": "mirroring it", "shift_1": "a shift by a pixel", "turn_90": "a quarter turn",
        "turn_180": "turning it upside down", "turn_270": "a quarter turn",
    }  # fmt: skip
    worst = rates.plain(*told)
    return finding(
        "geometry",
        f"How the picture lies {decides(worst)}: {told[column_of(worst)]} turns {interval(worst)} of "
        f"{verdict_of(worst)} verdicts. {control_sentence(worst)}; mirroring turns {rates.listed('mirror_all')}.",
        worst,
    )
