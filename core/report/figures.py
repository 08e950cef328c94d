"""The charts of a report: still pictures (SVG) that need no script and can be printed."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from core.images.palette import CLASS_COLOURS, FAKE, REAL, UNDECIDED
from core.metrics.classification import Sweep
from core.system.files import harmless

INK = "#1d2026"
GREY = "#6a707b"
# of a name beside a bar
MOST_LETTERS = 32
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#b9bdc5",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
    # text stays text: it is read aloud, searched, and drawn in the reader's own font
    "svg.fonttype": "none",
    # a category may have two dollar signs in its name
    "text.parse_math": False,
    # the same picture gives the same bytes
    "svg.hashsalt": "telltale",
}


@dataclass(frozen=True)
class Drawn:
    """A chart.

    Attributes:
        svg: the picture.
        inches: its width where its text has the size of the page's.
        alt: what it shows, for those who do not see it.
        caption: what it shows and what to conclude.
    """

    svg: bytes
    inches: float
    alt: str
    caption: str

    @property
    def url(self) -> str:
        """The picture as a data URL."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


def confusion(counts: NDArray[np.int64]) -> Drawn:
    """The confusion matrix as four squares, from int (2, 2) counts [true][called], FAKE first."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with rc_context(STYLE):
        figure, axes = _new(5.2, 4.2)
        for true, name in enumerate(("FAKE", "REAL")):
            for called, verdict in enumerate(("FAKE", "REAL")):
                share = float(shares[true, called])
                axes.add_patch(_square(called, 1 - true, CLASS_COLOURS[verdict], 0.12 + 0.75 * share))
                ink = "white" if share > 0.55 else INK
                axes.text(called, 1.08 - true, f"{counts[true, called]:,}", ha="center", color=ink, fontsize=17)
                axes.text(called, 0.85 - true, f"{share:.1%} of {name}", ha="center", color=ink, fontsize=10)
        axes.set(xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), xticks=[0, 1], yticks=[0, 1])
        axes.set_xticklabels(["called FAKE", "called REAL"])
        axes.set_yticklabels(["is REAL", "is FAKE"])
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        (right_fake, passed), (accused, right_real) = counts.tolist()
        alt = (
            f"Confusion matrix: of the FAKE images {right_fake:,} are called FAKE and {passed:,} REAL; of the REAL "
            f"images {accused:,} are called FAKE and {right_real:,} REAL."
        )
        return _drawn(figure, alt, "Who is taken for what. A row is what images are, a column what they are called.")


def curves(swept: Sweep, *, caught: float, accused: float, precision: float, caption: str) -> Drawn:
    """ROC, and precision over recall, with the run's own threshold as a dot."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.9), layout="constrained")
        roc, pr = figure.subplots(1, 2)
        roc.plot([0, 1], [0, 1], linestyle=":", color=GREY, label="guessing")
        roc.plot(swept.false_positive_rate, swept.true_positive_rate, color=REAL, label="every threshold")
        roc.plot([accused], [caught], "o", color=INK, label="the run's threshold")
        roc.set(xlabel="REAL images accused", ylabel="FAKE images caught", title="ROC")
        roc.legend(loc="lower right", fontsize=9)
        pr.plot(swept.true_positive_rate, swept.precision, color=REAL)
        pr.plot([caught], [precision], "o", color=INK)
        pr.set(xlabel="FAKE images caught (recall)", ylabel="of those called FAKE, are so", title="Precision")
        for axes in (roc, pr):
            _shares(axes)
        alt = (
            f"ROC curve and precision-recall curve; at the run's threshold {caught:.1%} of FAKE are caught, "
            f"{accused:.1%} of REAL accused, and {precision:.1%} of what is called FAKE is so."
        )
        return _drawn(figure, alt, caption)


def calibration(found: pd.DataFrame, *, caption: str) -> Drawn:
    """Share of right verdicts by confidence, from `core.metrics.classification.calibration`."""
    with rc_context(STYLE):
        figure, axes = _new(5.2, 3.9)
        axes.plot([0.5, 1], [0.5, 1], linestyle=":", color=GREY, label="confidence that can be believed")
        errors = [found["accuracy"] - found["low"], found["high"] - found["accuracy"]]
        axes.errorbar(found["confidence"], found["accuracy"], yerr=errors, fmt="o", color=REAL, label="this run, 95%")
        axes.set(xlabel="confidence", ylabel="right verdicts", xlim=(0.48, 1.02), ylim=(0, 1.03))
        _percent(axes)
        axes.legend(loc="lower right", fontsize=9)
        points = "; ".join(f"{row.confidence:.0%} sure: {row.accuracy:.0%} right" for row in found.itertuples())
        return _drawn(figure, f"Share of right verdicts by confidence. {points}.", caption)


def rates(found: pd.DataFrame, *, overall: float, caption: str) -> Drawn:
    """Error rates with intervals, worst on top, from `core.metrics.classification.error_by`."""
    shown = found.iloc[::-1]
    names = [_short(value) for value in shown["value"]]
    with rc_context(STYLE):
        figure, axes = _new(6.4, 0.9 + 0.34 * len(shown))
        errors = [shown["rate"] - shown["low"], shown["high"] - shown["rate"]]
        axes.barh(range(len(shown)), shown["rate"], xerr=errors, color=UNDECIDED, ecolor=INK, height=0.62)
        axes.axvline(overall, linestyle="--", color=INK, linewidth=1)
        # by place and not by name: two may be as one when shortened
        axes.set_yticks(range(len(shown)), names)
        axes.set(xlabel="wrong verdicts (dashed: all images)")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
        axes.tick_params(axis="y", length=0)
        listed = "; ".join(f"{_short(row.value)} {row.rate:.1%}" for row in found.itertuples())
        return _drawn(figure, f"Error rate by category: {listed}.", caption)


def _short(value: object) -> str:
    """A category's name as it fits beside a bar."""
    name = harmless(str(value)).replace("_", " ")
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def training(history: list[dict[str, Any]], *, caption: str) -> Drawn:
    """Accuracy by epoch."""
    table = pd.DataFrame(history)
    names = {"train_accuracy": ("training images", GREY), "val_accuracy": ("held-out images", REAL)}
    with rc_context(STYLE):
        figure, axes = _new(5.2, 3.6)
        told = []
        for column, (name, colour) in names.items():
            if column in table and table[column].notna().any():
                axes.plot(table["epoch"], table[column], "o-", markersize=3.5, color=colour, label=name)
                told.append(f"{name} {table[column].dropna().iloc[-1]:.1%} at the end")
        axes.set(xlabel="epoch", ylabel="right verdicts")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _percent(axes, y_only=True)
        axes.legend(loc="lower right", fontsize=9)
        return _drawn(figure, f"Accuracy by epoch of training: {', '.join(told)}.", caption)


def ranking(found: dict[str, pd.DataFrame], *, caption: str, count: int = 8) -> Drawn:
    """What turns verdicts, each class apart, from `core.studies.probes.summary.ranking`; the control is the tick."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8.6, 0.9 + 0.42 * count), layout="constrained")
        told = []
        for axes, (verdict, table) in zip(np.ravel(figure.subplots(1, len(found))), found.items(), strict=True):
            shown = table.head(count).iloc[::-1]
            places = np.arange(len(shown))
            errors = [(shown["share"] - shown["low"]).clip(lower=0), (shown["high"] - shown["share"]).clip(lower=0)]
            axes.barh(places, shown["share"], xerr=errors, color=CLASS_COLOURS[verdict], ecolor=INK, height=0.6)
            axes.plot(shown["control_share"], places, "|", color=INK, markersize=17, markeredgewidth=2)
            axes.set_yticks(places, [f"{row.title}\n{row.strength}" for row in shown.itertuples()], fontsize=8.5)
            axes.set(title=f"{verdict} verdicts", xlabel="turned", xlim=(0, 1))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
            axes.tick_params(axis="y", length=0)
            listed = "; ".join(
                f"{row.title} ({row.strength}) {row.share:.0%}" for row in table.head(count).itertuples()
            )
            told.append(f"{verdict} verdicts turned: {listed}")
        return _drawn(figure, ". ".join(told) + ".", caption)


def estimates(found: pd.DataFrame, *, unit: str, caption: str, zero: bool = True) -> Drawn:
    """Values with intervals, a row each, a colour and a shape for each verdict.

    Args:
        found: columns `group`, `name`, `value`, `low`, `high`.
        unit: of the values.
        caption: of the chart.
        zero: draw a line at 0.
    """
    names = list(dict.fromkeys(found["name"]))[::-1]
    groups = list(dict.fromkeys(found["group"]))
    with rc_context(STYLE):
        figure, axes = _new(7.4, 1.2 + 0.42 * len(names))
        for number, group in enumerate(groups):
            part = found[found["group"] == group]
            places = np.array([names.index(name) for name in part["name"]]) + 0.14 * (1 if number == 0 else -1)
            errors = [(part["value"] - part["low"]).clip(lower=0), (part["high"] - part["value"]).clip(lower=0)]
            shape, colour = "s" if number else "o", FAKE if "FAKE" in group else REAL
            axes.errorbar(part["value"], places, xerr=errors, label=f"{group} verdicts", fmt=shape, color=colour)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel=unit)
        axes.tick_params(axis="y", length=0)
        if zero:
            axes.axvline(0, linestyle=":", color=GREY)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2, fontsize=9)
        listed = "; ".join(f"{row.group} verdicts, {row.name_}: {row.value:.3g}" for row in _named(found))
        return _drawn(figure, f"{unit}: {listed}.", caption)


def _named(found: pd.DataFrame) -> list[Any]:
    # `name` is taken by itertuples' own attributes in some versions of pandas
    return list(found.rename(columns={"name": "name_"}).itertuples())


def _new(width: float, height: float) -> tuple[Figure, Axes]:
    # not pyplot, which keeps figures and is not safe between threads
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _square(column: int, row: int, colour: str, strength: float) -> Any:
    return Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=colour, alpha=strength, edgecolor="none")


def _shares(axes: Axes) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _percent(axes)


def _percent(axes: Axes, *, y_only: bool = False) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if not y_only:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _drawn(figure: Figure, alt: str, caption: str) -> Drawn:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # the reader's browser has fonts for letters that this process has none for
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font", UserWarning)
        # without its date, so that the same report has the same bytes
        figure.savefig(file, format="svg", metadata={"Date": None})
    return Drawn(file.getvalue(), figure.get_figwidth(), alt, caption)
