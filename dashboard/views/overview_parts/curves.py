"""The charts of the page Overview, from numbers of core/."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from core.images.palette import CURVE
from core.runs.metrics import Sweep
from dashboard.components.plot import Axis, Bars, Line, Panel, plot
from dashboard.components.words import percent


def draw_roc(swept: Sweep, *, recall: float, false_positive_rate: float) -> None:
    """Draw the ROC curve, FAKE being the positive class, with the present threshold as a point."""
    plot(
        Axis("false-positive rate (REAL called FAKE)", -0.01, 1.01, percent=True),
        [
            Panel(
                Axis("true-positive rate (FAKE)", -0.01, 1.03, percent=True),
                [
                    _guessing(0, 0),
                    _curve(swept.false_positive_rate, swept.true_positive_rate, swept),
                    _now(false_positive_rate, recall),
                ],
            )
        ],
        key="roc",
        alt=f"ROC curve; now {percent(recall)} of FAKE are called FAKE and {percent(false_positive_rate)} of REAL",
    )


def draw_precision_recall(swept: Sweep, *, recall: float, precision: float, base: float) -> None:
    """Draw precision over recall of FAKE, with the present threshold as a point; `base` is the share of FAKE."""
    least = min(0.45, base - 0.05, precision - 0.02, min(swept.precision) - 0.02)
    plot(
        Axis("recall of FAKE", -0.01, 1.01, percent=True),
        [
            Panel(
                Axis("precision of FAKE", least, 1.03, percent=True),
                [
                    Line([0, 1], [base, base], dash="dot", width=1),
                    _curve(swept.true_positive_rate, swept.precision, swept),
                    _now(recall, precision),
                ],
            )
        ],
        key="pr",
        alt=f"Precision-recall curve; now {percent(precision)} precision at {percent(recall)} recall of FAKE",
    )


def draw_confidence(histogram: pd.DataFrame) -> None:
    """Draw right verdicts above wrong ones by confidence, on separate axes because far fewer are wrong."""
    low, high = histogram["low"].tolist(), histogram["high"].tolist()
    panels = []
    for name in ("right", "wrong"):
        counts = histogram[name].tolist()
        says = [
            f"{start:.0%} to {end:.0%}: {count:,} {name}" for start, end, count in zip(low, high, counts, strict=True)
        ]
        top = max([*counts, 1]) * 1.05
        axis = Axis(f"{name}: {sum(counts):,}", 0, top, ticks=4, whole=True)
        # wrong verdicts are hatched, as in the confusion matrix
        panels.append(Panel(axis, bars=[Bars(low, high, counts, says, hatched=name == "wrong")]))
    said = "; ".join(text for panel in panels for bars in panel.bars for text in bars.says)
    plot(_confidence(), panels, key="confidence", alt=f"Right and wrong verdicts by confidence. {said}")


def draw_calibration(bins: pd.DataFrame) -> None:
    """Draw how often verdicts of each confidence are right, with 95% intervals."""
    says = [
        f"{percent(row.confidence, 0)} sure: {percent(row.accuracy)} right of {row.images:,}"
        for row in bins.itertuples()
    ]
    line = Line(
        bins["confidence"].tolist(),
        bins["accuracy"].tolist(),
        says=says,
        width=2,
        size=9,
        low=bins["low"].tolist(),
        high=bins["high"].tolist(),
    )
    least = min([0.5, *bins["low"]]) - 0.02
    plot(
        _confidence(),
        [Panel(Axis("accuracy", max(0.0, least), 1.02, percent=True), [_guessing(0.5, max(0.5, least)), line])],
        key="calibration",
        alt=f"Share of right verdicts by confidence. {'; '.join(says)}",
    )


def draw_training(history: Sequence[dict[str, Any]]) -> None:
    """Draw accuracy on the training and the held-out images after each epoch."""
    lines = []
    for column, name, dash in (
        ("train_accuracy", "training images", "dot"),
        ("val_accuracy", "held-out images", "solid"),
    ):
        known = [(row["epoch"], row[column]) for row in history if row.get(column) is not None]
        says = [f"epoch {epoch}: {value:.2%} of the {name}" for epoch, value in known]
        x, y = [float(epoch) for epoch, _ in known], [float(value) for _, value in known]
        lines.append(Line(x, y, name, says, dash="dot" if dash == "dot" else "solid", size=6))
    values = [value for line in lines for value in line.y]
    epochs = [float(row["epoch"]) for row in history]
    spread = max(values, default=1) - min(values, default=0)
    plot(
        Axis("epoch", min(epochs) - 0.3, max(epochs) + 0.3, ticks=10, whole=True),
        [
            Panel(
                Axis(
                    "accuracy",
                    min(values, default=0) - max(0.005, 0.08 * spread),
                    max(values, default=1) + max(0.005, 0.08 * spread),
                    percent=True,
                ),
                lines,
            )
        ],
        key="training",
        alt=f"Accuracy by epoch. {'; '.join(line.says[-1] for line in lines if line.says)}",
    )


def _confidence() -> Axis:
    return Axis("confidence in the verdict", 0.49, 1.01, percent=True)


def _guessing(start: float, y: float) -> Line:
    """The dotted diagonal of a detector that guesses, or whose confidence is calibrated."""
    return Line([max(start, y), 1], [max(start, y), 1], dash="dot", width=1)


def _curve(x: Any, y: Any, swept: Sweep) -> Line:
    says = [
        f"{percent(across)}, {percent(up)} at threshold {percent(threshold, 0)}"
        for across, up, threshold in zip(x, y, swept.thresholds, strict=True)
    ]
    return Line(x, y, says=says, colour=CURVE)


def _now(x: float, y: float) -> Line:
    return Line([x], [y], says=[f"now: {percent(x)}, {percent(y)}"], colour=CURVE, width=0, size=13)
