"""What a run shows and what speaks against it: the same in commands, on pages and in reports."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined

from core.arrays import Record
from core.console import PROGRAM, quote
from core.detectors.known import caution_of
from core.images.labels import CLASSES
from core.runs.metrics import ECE_BINS, PAPER, confusion_at, error_by, means_by_source, wilson_interval
from core.runs.rows import judged_table
from core.runs.run import Run

CARD = Path(__file__).with_name("model_card.md")
HEADLINE = "A detector could be right by the files alone, without their pictures."
# share of the files, the mean of both classes, above which a shortcut is an alarm
TELLING = 0.8
# a share of right verdicts whose interval is at least this wide comes from few images
WIDE = 0.1
# level of the test against chance
LEVEL = 0.05
# share of margins that equal their extreme, beyond which they are called saturated
SATURATED = 0.01


def print_run(run: Run, *, as_json: bool = False) -> None:
    """Print a run's performance, overall and by source, with warnings, or everything as JSON."""
    metrics = run.manifest["metrics"]["all"]
    if as_json:
        print(json.dumps({"run": str(run.path), "metrics": metrics, "warnings": warnings_of(run)}, indent=1))
        return
    # the paper's accuracy is on CIFAKE
    print(result_table(metrics, beside_paper=run.manifest["set"].startswith("cifake")))
    _print_by_source(run)
    for warning in warnings_of(run):
        print(f"\nWarning: {warning}")
    print(f"\nShow it: {PROGRAM} serve --home {quote(str(run.path.parents[1].resolve()))}")
    if not run.scores_only:
        print(f"Next: {PROGRAM} study {quote(str(run.path))} --recommended")
    print(f"Written: {run.path}")


def _print_by_source(run: Run) -> None:
    judged = judged_table(run)
    if "source" not in judged or not run.classes:
        return
    rates = error_by(judged, "source").rename(columns={"value": "source", "rate": "error rate"})
    if "seen" in judged:
        rates["generator"] = rates["source"].map(judged.dropna(subset="seen").groupby("source")["seen"].first())
    for table in (rates, means_by_source(judged)):
        print(f"\n{table.to_string(index=False, float_format='{:.4f}'.format)}")


def result_table(metrics: Record, *, beside_paper: bool) -> str:
    """Format the metrics of a test as text; of images without labels only their number.

    Args:
        metrics: from a run's manifest.
        beside_paper: add the paper's accuracy, which is on its own image set.
    """
    if "confusion" not in metrics:
        count = f"{metrics['images']:,} images without labels, so there is no accuracy"
        return f"{count}; if their folders are classes, name the FAKE ones with --fake-classes"
    scores = pd.DataFrame(metrics["per_class"]).T.astype({"support": int})
    (recognised, missed), (accused, trusted) = metrics["confusion"]
    accuracy = "one class only, so there is no accuracy"
    auroc = "none"
    if "accuracy" in metrics:
        accuracy = f"accuracy {metrics['accuracy']:.4f}"
        auroc = f"{metrics['auroc']:.4f}"
    if beside_paper:
        accuracy += f" (paper {PAPER['accuracy']})"
    return (
        f"\n{scores.to_string(float_format='{:.3f}'.format)}\n"
        f"{accuracy}\n"
        f"AUROC {auroc}  calibration error {metrics['ece']:.4f} ({ECE_BINS} bins)\n"
        f"true FAKE: called FAKE {recognised}, called REAL {missed}\n"
        f"true REAL: called FAKE {accused}, called REAL {trusted}"
    )


def model_card(detector: Record, run: Record) -> str:
    """Write a detector's model card as Markdown (Mitchell et al. 2019); every number is read from the manifests.

    Args:
        detector: its manifest.
        run: the manifest of the run on its test set.
    """
    # Markdown, not HTML
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    template = environment.from_string(CARD.read_text(encoding="utf-8"))
    return template.render(detector={"members": [], **detector}, run=run)


def warnings_of(run: Run) -> list[str]:
    """Say where a run's numbers are less than they seem.

    Shortcuts in its files, a public detector's false alarms elsewhere, resized pictures, chance, few images, noise,
    equal margins.
    """
    warnings = []
    shortcuts = [HEADLINE]
    for name, fake, real, right in find_shortcuts(run.predictions).itertuples(index=False):
        shortcuts.append(f"The {name} alone is right {right:.0%} of the time (FAKE: {fake}; REAL: {real}).")
    if len(shortcuts) > 1:
        warnings.append(" ".join(shortcuts))
    caution = caution_of(run.manifest)
    if caution:
        warnings.append(caution)
    resized = [f"{count:,} of {len(run):,} were {change}" for change, count in count_resized(run).items() if count]
    if resized:
        warnings.append(f"Pictures of other sizes: {' and '.join(resized)} to the detector's size.")
    return warnings + _about_accuracy(run) + _about_margins(run)


def count_resized(run: Run) -> dict[str, int]:
    """Count the pictures that were shrunk and those that were enlarged for the detector, by their files' sizes."""
    counts = {"shrunk": 0, "enlarged": 0}
    # of scores, a picture is only shown; runs of earlier versions lack the sizes
    if "width" not in run.predictions or run.scores_only:
        return counts
    sizes = run.predictions[["height", "width"]].dropna().astype(int).value_counts()
    for (height, width), number in sizes.items():
        if run.preprocessing.resamples(height, width):
            counts["enlarged" if run.preprocessing.enlarges(height, width) else "shrunk"] += int(number)
    return counts


def _about_accuracy(run: Run) -> list[str]:
    """Test whether the accuracy is above that of naming the commoner class, and whether its interval is narrow."""
    if not run.classes:
        return []
    # imported here, and not from the slower scipy.stats: pages read this module
    from scipy.special import bdtrc  # noqa: PLC0415

    confusion = confusion_at(run.predictions)
    right = int(np.trace(confusion))
    images = int(confusion.sum())
    doubts = []
    chance = float(confusion.sum(axis=1).max() / images)
    # the probability of as many right verdicts, or more
    p = float(bdtrc(right - 1, images, chance))
    if len(run.classes) > 1 and p > LEVEL:
        doubts.append(f"Right on {right:,} of {images:,} images is not above chance ({chance:.0%}, p = {p:.2f}).")
    low, high = map(float, wilson_interval(right, images))
    if high - low >= WIDE:
        doubts.append(f"Few images: {right:,} of {images:,} right, a 95% interval of {low:.0%} to {high:.0%}.")
    return doubts


def _about_margins(run: Run) -> list[str]:
    """Check whether margins are within the detector's noise, or many equal their extreme."""
    margins = run.predictions["margin"].to_numpy()
    doubts = []
    if run.noise:
        within = int((np.abs(margins) <= run.noise).sum())
        doubts.append(f"Margins are uncertain by {run.noise:.2g}: {within:,} of {len(run):,} are no further from 0.")
    for extreme in (margins.min(), margins.max()):
        count = int((margins == extreme).sum())
        if count > max(SATURATED * len(run), 10):
            doubts.append(f"{count:,} of {len(run):,} margins are exactly {extreme:.4g}: the scores are saturated.")
    return doubts


def find_shortcuts(rows: pd.DataFrame) -> pd.DataFrame:
    """Find the properties of files by which the classes can be told apart.

    A rule, the commonest class of each value, is learned on every other image and measured on the rest.

    Args:
        rows: of a run, or of an image set with the names of its classes; columns of
            `core.images.statistics.FILE_FACTS` that it lacks are left out.

    Returns:
        A row a property, the most telling first: `Property`, `FAKE` and `REAL` (the commonest value of each and its
        share), and `Right by it alone`, 0.8 to 1.
    """
    columns = ["Property", *CLASSES, "Right by it alone"]
    if rows["label"].nunique() < len(CLASSES):
        return pd.DataFrame(columns=columns)
    rows = rows.reset_index(drop=True)
    label = rows["label"].astype(str)
    values = {name: rows[name].astype(str) for name in ("format", "metadata") if name in rows}
    if {"width", "height"} <= set(rows):
        values["size"] = rows["width"].astype(int).astype(str) + " x " + rows["height"].astype(int).astype(str) + " px"
    if "quality" in rows:
        # of other formats it is no property
        values["quality"] = ("quality " + rows["quality"].map("{:.0f}".format)).where(rows["quality"].notna(), "none")
    shortcuts = []
    for name, value in values.items():
        learned = pd.crosstab(value[::2], label[::2], normalize="columns").idxmax(axis=1)
        right = (value[1::2].map(learned) == label[1::2]).groupby(label[1::2]).mean()
        if len(right) == len(CLASSES) and right.mean() >= TELLING:
            shares = pd.crosstab(value, label, normalize="columns")
            commonest = [f"{shares[class_name].idxmax()}, {shares[class_name].max():.0%}" for class_name in CLASSES]
            shortcuts.append((name, *commonest, float(right.mean())))
    return pd.DataFrame(shortcuts, columns=columns).sort_values(columns[-1], ascending=False, ignore_index=True)
