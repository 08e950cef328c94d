"""The charts of a report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from core.findings.numbers import percent
from core.images.labels import CLASSES
from core.images.palette import CLASS_COLOURS, CURVE, FAKE, PAIR, REAL, UNDECIDED
from core.report.drawing import GREY, INK, Drawn, drawn_from, error_bars, in_percent, new_axes, short_name, styled
from core.runs.metrics import Sweep

# changes in a ranking
RANKED = 8


@styled
def confusion(counts: NDArray[np.int64]) -> Drawn:
    """Draw the confusion matrix from int (2, 2) counts [true][called], FAKE first."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new_axes(5.2, 4.2)
    for true, name in enumerate(CLASSES):
        for called, verdict in enumerate(CLASSES):
            share = float(shares[true, called])
            square, colour = ((called - 0.48, 0.52 - true), 0.96, 0.96), CLASS_COLOURS[verdict]
            axes.add_patch(Rectangle(*square, facecolor=colour, alpha=0.12 + 0.7 * share, edgecolor="none"))
            axes.text(called, 1.08 - true, f"{counts[true, called]:,}", ha="center", color=INK, fontsize=17)
            told = f"{percent(share)} of {name}" if counts[true].any() else f"no {name} images"
            axes.text(called, 0.85 - true, told, ha="center", color=INK, fontsize=10)
    axes.set(xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), xticks=[0, 1], yticks=[0, 1])
    axes.set_xticklabels(["called FAKE", "called REAL"])
    axes.set_yticklabels(["is REAL", "is FAKE"])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    (fake_fake, fake_real), (real_fake, real_real) = counts.tolist()
    alt = (
        f"Confusion matrix: of the FAKE images {fake_fake:,} are called FAKE and {fake_real:,} REAL; of the REAL "
        f"images {real_fake:,} are called FAKE and {real_real:,} REAL."
    )
    return drawn_from(figure, alt, "Confusion matrix: rows are labels, columns predictions.")


@styled
def curves(swept: Sweep, *, recall: float, false_positive_rate: float, precision: float, caption: str) -> Drawn:
    """Draw ROC and precision-recall curves, with the run's own threshold as a dot."""
    figure = Figure(figsize=(8.4, 3.9), layout="constrained")
    roc, pr = figure.subplots(1, 2)
    roc.plot([0, 1], [0, 1], linestyle=":", color=GREY, label="guessing")
    roc.plot(swept.false_positive_rate, swept.true_positive_rate, color=CURVE, label="all thresholds")
    roc.plot([false_positive_rate], [recall], "o", color=INK, label="the run's threshold")
    roc.set(
        xlabel="false-positive rate (REAL called FAKE)", ylabel="true-positive rate (FAKE called FAKE)", title="ROC"
    )
    roc.legend(loc="lower right", fontsize=9)
    pr.plot(swept.true_positive_rate, swept.precision, color=CURVE)
    pr.plot([recall], [precision], "o", color=INK)
    pr.set(xlabel="recall of FAKE", ylabel="precision of FAKE", title="Precision-recall")
    for axes in (roc, pr):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        in_percent(axes)
    alt = (
        f"ROC curve and precision-recall curve; at the run's threshold {recall:.1%} of FAKE and "
        f"{false_positive_rate:.1%} of REAL are called FAKE, with a precision of {precision:.1%}."
    )
    return drawn_from(figure, alt, caption)


@styled
def calibration(found: pd.DataFrame, *, caption: str) -> Drawn:
    """Draw accuracy by confidence, from `core.runs.metrics.calibration`."""
    figure, axes = new_axes(5.2, 3.9)
    axes.plot([0.5, 1], [0.5, 1], linestyle=":", color=GREY, label="perfect calibration")
    axes.errorbar(
        found["confidence"],
        found["accuracy"],
        yerr=error_bars(found, "accuracy"),
        fmt="o",
        color=REAL,
        label="this run, 95% intervals",
    )
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0.48, 1.02), ylim=(0, 1.03))
    in_percent(axes)
    axes.legend(loc="lower right", fontsize=9)
    points = "; ".join(f"{row.confidence:.0%} sure: {row.accuracy:.0%} right" for row in found.itertuples())
    return drawn_from(figure, f"Accuracy by confidence. {points}.", caption)


@styled
def rates(found: pd.DataFrame, *, overall: float, caption: str, by: str = "category", of: str = "all images") -> Drawn:
    """Draw error rates with intervals, worst on top.

    Args:
        found: from `core.runs.metrics.error_by`.
        overall: error rate at the dashed line, 0 to 1.
        caption: of the figure.
        by: the property that images are grouped by, in words.
        of: the images that `overall` refers to, in words.
    """
    shown = found.iloc[::-1]
    names = [short_name(value) for value in shown["value"]]
    figure, axes = new_axes(6.4, 0.9 + 0.34 * len(shown))
    axes.barh(
        range(len(shown)), shown["rate"], xerr=error_bars(shown, "rate"), color=UNDECIDED, ecolor=INK, height=0.62
    )
    axes.axvline(overall, linestyle="--", color=INK, linewidth=1)
    # by position: two names may be equal when shortened
    axes.set_yticks(range(len(shown)), names)
    axes.set(xlabel=f"error rate (dashed: {of})")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    axes.tick_params(axis="y", length=0)
    listed = "; ".join(f"{short_name(row.value)} {row.rate:.1%}" for row in found.itertuples())
    return drawn_from(figure, f"Error rate by {by}: {listed}.", caption)


@styled
def training(history: list[dict[str, Any]], *, caption: str) -> Drawn:
    """Draw accuracy by epoch."""
    table = pd.DataFrame(history)
    names = {"train_accuracy": ("training images", GREY, "o:"), "val_accuracy": ("held-out images", REAL, "s-")}
    figure, axes = new_axes(5.2, 3.6)
    told = []
    for column, (name, colour, drawn) in names.items():
        if column in table and table[column].notna().any():
            axes.plot(table["epoch"], table[column], drawn, markersize=3.5, color=colour, label=name)
            told.append(f"{name} {table[column].dropna().iloc[-1]:.1%} at the end")
    axes.set(xlabel="epoch", ylabel="accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    in_percent(axes, y_only=True)
    axes.legend(loc="lower right", fontsize=9)
    return drawn_from(figure, f"Accuracy by epoch of training: {', '.join(told)}.", caption)


@styled
def ranking(found: dict[str, pd.DataFrame], *, caption: str) -> Drawn:
    """Draw the changes that flip most verdicts of each class, from `probes.summary.ranking`; ticks are controls."""
    figure = Figure(figsize=(8.6, 0.9 + 0.42 * RANKED), layout="constrained")
    told = []
    for axes, (verdict, table) in zip(np.ravel(figure.subplots(1, len(found))), found.items(), strict=True):
        shown = table.head(RANKED).iloc[::-1]
        places = np.arange(len(shown))
        axes.barh(
            places,
            shown["share"],
            xerr=error_bars(shown, "share"),
            color=CLASS_COLOURS[verdict],
            ecolor=INK,
            height=0.6,
        )
        axes.plot(shown["control_share"], places, "|", color=INK, markersize=17, markeredgewidth=2)
        axes.set_yticks(places, [f"{row.title}\n{row.strength}" for row in shown.itertuples()], fontsize=8.5)
        axes.set(title=f"{verdict} verdicts", xlabel="flipped", xlim=(0, 1))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.tick_params(axis="y", length=0)
        listed = "; ".join(
            f"{row.title} ({row.strength}) {row.share:.0%}, "
            f"{'no control' if pd.isna(row.control_share) else f'control {row.control_share:.0%}'}"
            for row in table.head(RANKED).itertuples()
        )
        told.append(f"{verdict} verdicts flipped: {listed}")
    return drawn_from(figure, ". ".join(told) + ".", caption)


@styled
def estimates(found: pd.DataFrame, *, unit: str, caption: str, zero: bool = True) -> Drawn:
    """Draw values with intervals, a row each, with a colour and a shape per verdict.

    Args:
        found: columns `group`, `name`, `value`, `low`, `high`.
        unit: of the values.
        caption: of the chart.
        zero: draw a line at 0.
    """
    names = list(dict.fromkeys(found["name"]))[::-1]
    groups = list(dict.fromkeys(found["group"]))
    figure, axes = new_axes(7.4, 1.2 + 0.42 * len(names))
    for number, group in enumerate(groups):
        part = found[found["group"] == group]
        places = np.array([names.index(name) for name in part["name"]]) + 0.14 * (1 if number == 0 else -1)
        shape, colour = "s" if number else "o", FAKE if "FAKE" in group else REAL
        axes.errorbar(
            part["value"], places, xerr=error_bars(part, "value"), label=f"{group} verdicts", fmt=shape, color=colour
        )
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=unit)
    axes.tick_params(axis="y", length=0)
    if zero:
        axes.axvline(0, linestyle=":", color=GREY)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2, fontsize=9)
    rows = zip(found["group"], found["name"], found["value"], strict=True)
    listed = "; ".join(f"{group} verdicts, {name}: {value:.3g}" for group, name, value in rows)
    return drawn_from(figure, f"{unit}: {listed}.", caption)


@styled
def beside(found: pd.DataFrame, names: tuple[str, str], *, unit: str, caption: str) -> Drawn:
    """Draw the values of two detectors with their intervals, a row each, the first row on top.

    Args:
        found: columns `name`, `first_value`, `first_low`, `first_high` and the same with `second_`, as shares of 1.
        names: of the detectors.
        unit: of the values.
        caption: of the chart.
    """
    shown = found.iloc[::-1]
    figure, axes = new_axes(7.4, 1.1 + 0.36 * len(shown))
    for side, name, shape, shift, colour in zip(
        ("first", "second"), names, ("o", "s"), (0.13, -0.13), (PAIR[0], PAIR[1]), strict=True
    ):
        rows = pd.DataFrame({end: shown[f"{side}_{end}"] for end in ("value", "low", "high")})
        axes.errorbar(
            rows["value"], np.arange(len(rows)) + shift, xerr=error_bars(rows, "value"), fmt=shape, color=colour,
            label=short_name(name),
        )  # fmt: skip
    axes.set_yticks(range(len(shown)), [short_name(name) for name in shown["name"]])
    axes.set(xlabel=unit)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9)
    rows = zip(found["name"], found["first_value"], found["second_value"], strict=True)
    listed = "; ".join(f"{short_name(name)} {one:.1%} and {other:.1%}" for name, one, other in rows)
    return drawn_from(figure, f"{unit}, {names[0]} and {names[1]}: {listed}.", caption)
