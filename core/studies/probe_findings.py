"""The sentences that the probes of a test set come to: each with its number, its interval, and its control's number."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.run import Run
from core.studies.probe_summary import VERDICTS, ranking, read_turns, responses
from core.studies.study import Finding

# below this share of verdicts a change hardly matters; above half it decides
FEW, MOST = 0.05, 0.5


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """The answers of the probes, most telling first."""
    turns = read_turns(run, table, parameters)
    rates = Rates(responses(turns))
    tops = {verdict: ranking(turns, verdict=verdict) for verdict in VERDICTS if rates.has(verdict)}
    makers: list[Callable[[Rates], Finding | None]] = [
        detail_out, detail_in, finest_levels, shape_texture, colour, compression, place, light, geometry
    ]  # fmt: skip
    found = [smallest(verdict, top) for verdict, top in tops.items()]
    found += [one for one in (maker(rates) for maker in makers) if one is not None]
    return [one for one in found if one is not None]


class Rates:
    """`responses` by verdict, to be asked for one strength of one probe.

    Args:
        table: from `responses`.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._rows = table.set_index(["verdict", "column"])
        self._images = table.groupby("verdict")["images"].max()

    def has(self, verdict: str) -> bool:
        """Whether any image has this verdict."""
        return bool(self._images[verdict])

    @property
    def verdicts(self) -> list[str]:
        """Those that occur."""
        return [verdict for verdict in VERDICTS if self.has(verdict)]

    def row(self, verdict: str, column: str) -> "pd.Series[Any]":
        """The row of one strength."""
        return self._rows.loc[(verdict, column)]

    def of_probe(self, verdict: str, probe: str) -> pd.DataFrame:
        """The rows of all strengths of a probe, weakest first."""
        rows = self._rows.loc[verdict]
        return rows[rows["probe"] == probe].reset_index()

    def said(self, verdict: str, column: str) -> str:
        """The share that a strength turns, in words."""
        return interval(self.row(verdict, column))

    def both(self, column: str) -> str:
        """The share of each verdict that a strength turns, in words."""
        return " and ".join(f"{self.said(verdict, column)} of {verdict} verdicts" for verdict in self.verdicts)

    def bare(self, column: str) -> str:
        """The same without intervals."""
        return " and ".join(f"{percent(self.row(one, column)['share'])} of {one}" for one in self.verdicts)

    def largest(self, *columns: str) -> "pd.Series[Any]":
        """The row with the largest share among strengths and verdicts."""
        rows = [self.row(verdict, column) for verdict in self.verdicts for column in columns]
        return max(rows, key=lambda row: float(row["share"]))


def percent(share: float) -> str:
    """0.942 -> "94 %", 0.0031 -> "0.3 %"."""
    hundred = 100 * share
    return f"{hundred:.1f} %" if hundred < 9.95 or 99 < hundred < 100 else f"{hundred:.0f} %"


def interval(row: "pd.Series[Any]", name: str = "") -> str:
    """A share with its 95 % interval in words."""
    low, high = row[f"{name}low"], row[f"{name}high"]
    return f"{percent(row[f'{name}share'])} ({percent(low).removesuffix(' %')} to {percent(high)})"


def finding(key: str, sentence: str, row: "pd.Series[Any]") -> Finding:
    """A finding whose number is the share of one row of `responses`."""
    return Finding(key, sentence, float(row["share"]), float(row["low"]), float(row["high"]), int(row["images"]))


def how_many(value: float, low: float, high: float) -> str:
    """What a share amounts to: "hardly any", "few", "some" or "most"."""
    if high < FEW or low > MOST:
        return "hardly any" if high < FEW else "most"
    return "few" if value < FEW else "some"


def amount(row: "pd.Series[Any]") -> str:
    """What the share of a row amounts to."""
    return how_many(row["share"], row["low"], row["high"])


def smallest(verdict: str, top: pd.DataFrame) -> Finding | None:
    """The probe that turns most for its size."""
    key = f"smallest_{verdict.lower()}"
    first = top.iloc[0]
    if first["per_level"] == 0:
        return Finding(key, f"No probe turns {verdict} verdicts more often than its control does.")
    control = (
        f", its control {interval(first, 'control_')}" if isinstance(first["control"], str) else " (it has no control)"
    )
    return finding(
        key,
        f"The smallest change that turns {verdict} verdicts is “{first['title'].lower()}” ({first['strength']}): with "
        f"a change of {first['size']:.1f} grey levels (root mean square) it turns {interval(first)} of them{control}.",
        first,
    )


def mildest(rows: pd.DataFrame) -> "pd.Series[Any]":
    """The weakest strength that turns more than half beyond its controls, or else the one that turns most beyond."""
    enough = rows[rows["net"] > MOST]
    return enough.iloc[0] if len(enough) else rows.loc[rows["net"].fillna(-1).idxmax()]


def detail_out(rates: Rates) -> Finding | None:
    """What must be taken out of a FAKE to make it REAL."""
    if not rates.has("FAKE"):
        return None
    out = mildest(rates.of_probe("FAKE", "lowpass"))
    ring = mildest(rates.of_probe("FAKE", "ring"))
    real = f" and {rates.said('REAL', out['column'])} of REAL verdicts FAKE" if rates.has("REAL") else ""
    return finding(
        "detail_out",
        f"Taking out all detail finer than {out['strength']} (of 16) makes {interval(out)} of FAKE verdicts REAL{real};"
        f" control: as much energy taken from coarser detail makes {interval(out, 'control_')} of FAKE verdicts REAL. "
        f"The single ring that matters most is {ring['strength']}: without it {interval(ring)} turn (control "
        f"{percent(ring['control_share'])}).",
        out,
    )


def detail_in(rates: Rates) -> Finding | None:
    """Whether a FAKE's detail makes a REAL image FAKE, and a REAL's detail a FAKE image REAL."""
    if len(rates.verdicts) < 2:
        return None
    into_real = mildest(rates.of_probe("REAL", "transplant"))
    column = into_real["column"]
    key = str(column).removeprefix("transplant_")
    into_fake = rates.row("FAKE", column)
    if np.isnan(into_real["share"]) or np.isnan(into_fake["share"]):
        return None
    controls = [rates.row("REAL", f"transplant_{name}_{key}") for name in ("same", "elsewhere")]
    back = [rates.row("FAKE", f"transplant_{name}_{key}") for name in ("same", "elsewhere")]
    return finding(
        "detail_in",
        f"Detail finer than {into_real['strength']} (of 16) of a FAKE image put into an image called REAL makes "
        f"{interval(into_real)} of these FAKE (controls: of another REAL image {interval(controls[0])}, as much change "
        f"in coarser detail {interval(controls[1])}); that of a REAL image put into one called FAKE makes "
        f"{interval(into_fake)} REAL (controls: {percent(back[0]['share'])} and {percent(back[1]['share'])}).",
        into_real,
    )


def finest_levels(rates: Rates) -> Finding | None:
    """Whether differences of 1 or 2 in value decide."""
    if not rates.verdicts:
        return None
    worst = rates.largest("noise_2", "levels_4")
    return finding(
        "finest_levels",
        f"Differences of 1 or 2 in value decide {amount(worst)} verdicts: noise of up to ±2 "
        f"turns {rates.both('noise_2')}, rounding to steps of 4 turns {rates.both('levels_4')}; for comparison, "
        f"rounding to steps of 16 turns {rates.bare('levels_16')}.",
        worst,
    )


def shape_texture(rates: Rates) -> Finding | None:
    """Whether the order of the parts matters beyond the seams that shuffling makes."""
    if not rates.verdicts:
        return None
    row = max((rates.row(verdict, "shuffle_8") for verdict in rates.verdicts), key=lambda one: float(one["net"]))
    answer = {
        "hardly any": "Texture, hardly shape",
        "few": "Texture, hardly shape",
        "some": "Texture, and shape in part",
        "most": "Shape",
    }[how_many(row["net"], row["net_low"], row["net_high"])]
    controls = [f"{rates.bare(f'shuffle_{name}_8')}" for name in ("mirror", "roll")]
    return finding(
        "shape_texture",
        f"{answer}: shuffling blocks of 8 pixels turns {rates.both('shuffle_8')}; controls: the same seams without "
        f"shuffling turn {controls[0]}, moving the picture by half a block {controls[1]}.",
        row,
    )


def colour(rates: Rates) -> Finding | None:
    """Whether colour decides."""
    if not rates.verdicts:
        return None
    worst = rates.largest("fade_grey", "hue_180", "tint_full")
    return finding(
        "colour",
        f"Colour decides {amount(worst)} verdicts: to grey turns {rates.both('fade_grey')}, "
        f"opposite hues {rates.both('hue_180')}, the mean colour of the other class {rates.both('tint_full')} "
        f"(control: the mean colour of its own class, {rates.bare('tint_control_full')}).",
        worst,
    )


def compression(rates: Rates) -> Finding | None:
    """What JPEG and blur do."""
    if not rates.verdicts:
        return None
    worst = rates.largest("jpeg_75", "jpeg_30")
    return finding(
        "compression",
        f"One more JPEG at quality 75 turns {rates.both('jpeg_75')}, at quality 30 {rates.both('jpeg_30')}; for "
        f"comparison, a blur of half a pixel turns {rates.bare('blur_0.5')}, of 1 pixel {rates.bare('blur_1')}.",
        worst,
    )


def place(rates: Rates) -> Finding | None:
    """Whether one place decides."""
    if not rates.verdicts:
        return None
    rows = [
        rates.row(verdict, f"hide_{name}_texture")
        for verdict in rates.verdicts
        for name in ("centre", "border", "top_left", "top_right", "bottom_left", "bottom_right")
    ]
    first = max(rows, key=lambda row: float(np.nan_to_num(row["net"])))
    verdict = str(first.name[0])  # type: ignore[index]
    flat = rates.row(verdict, str(first.name[1]).replace("_texture", "_flat"))  # type: ignore[index]
    return finding(
        "place",
        f"The place that matters most is found by “{first['title'].lower()}”: covered with its own shuffled texture it "
        f"turns {interval(first)} of {verdict} verdicts; control: as much covered anywhere turns "
        f"{interval(first, 'control_')}. Covered flat it turns {interval(flat)} (control "
        f"{percent(flat['control_share'])}).",
        first,
    )


def light(rates: Rates) -> Finding | None:
    """Whether brightness and contrast decide."""
    if not rates.verdicts:
        return None
    worst = rates.largest("darker_48", "brighter_48", "flatter_50", "harder_150")
    return finding(
        "light",
        f"Light decides {amount(worst)} verdicts: 48 levels darker turns "
        f"{rates.both('darker_48')}, 48 brighter {rates.both('brighter_48')}, half the contrast "
        f"{rates.both('flatter_50')}, half as much again {rates.both('harder_150')}; for comparison, 16 levels darker "
        f"turns {rates.bare('darker_16')}.",
        worst,
    )


def geometry(rates: Rates) -> Finding | None:
    """Whether it matters how the picture lies."""
    if not rates.verdicts:
        return None
    worst = rates.largest("mirror_all", "shift_1", "turn_90", "turn_180", "turn_270")
    return finding(
        "geometry",
        f"How the picture lies decides {amount(worst)} verdicts: mirrored turns {rates.both('mirror_all')}, shifted by "
        f"a pixel {rates.both('shift_1')}, upside down {rates.both('turn_180')}; for comparison, a quarter turn turns "
        f"{rates.bare('turn_90')}.",
        worst,
    )
