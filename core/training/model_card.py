"""A detector's model card: training data, performance, and what it is not for (Mitchell et al. 2019)."""

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from core.arrays import Record
from core.training.recipe import PAPERS

TEMPLATE = Path(__file__).with_name("model_card.md")
# of each member's recipe, stated in the table
STATED = ("name", "epochs", "start", "learning_rate", "without_cue", "without_cue_share", "shift", "seed")


def model_card(detector: Record, run: Record) -> str:
    """Write a detector's model card as Markdown; every number is read from the manifests.

    Args:
        detector: its manifest.
        run: the manifest of the run on its test set.
    """

    def settings(recipe: Record, stated: tuple[str, ...] = ()) -> str:
        keys = [key for key in recipe if key in stated or not stated]
        return ", ".join(f"{key} {recipe[key]}" for key in keys if stated or key != "name")

    arch = detector["recipe"].get("arch", PAPERS)
    groups = detector["recipe"].get("groups")
    network = f"A network `{arch}`"
    if arch == PAPERS:
        network = "A ResNet-18"
    if groups:
        network = f"A network of {groups} ResNet-18s side by side"
    if arch.startswith("patch:"):
        network = (
            f"A network whose score is the mean of scores of {arch.removeprefix('patch:')}-pixel patches (none reaches "
            "the last row and column)"
        )
    # Markdown, not HTML
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        detector={"members": [], **detector},
        run=run,
        network=network,
        side=detector["preprocess"]["size"],
        settings=settings,
        stated=STATED,
        calibrated=detector.get("members") or any("val_accuracy" in epoch for epoch in detector["history"]),
        metrics=run["metrics"]["all"],
        clean=run["metrics"]["clean"],
        nan=float("nan"),
    )
