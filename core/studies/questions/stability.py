"""Is an explanation the same when it is computed again? Under another seed, and under noise that nobody can see."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from core.arrays import Pixels
from core.explainers.agreement import segment_values
from core.explainers.cam import KEPT
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.segmentation import segment
from core.explainers.settings import ExplainerSettings
from core.findings.contrast import Contrast, Finding
from core.findings.intervals import Values, weighted_share
from core.findings.paired import compare_means
from core.runs.run import Run
from core.studies.shared.explanations import (
    OTHERS,
    describe_all,
    explain_all,
    mean_rank,
    methods_in,
    settings_of,
    table_by_method,
)
from core.studies.shared.groups import Cells, groups
from core.studies.study import Context, Parameters, Rows, Study

# maps of more values are compared over the cells of a grid
FEW = 64
# what is repeated -> the column of its correlation
REPETITIONS = {"noise of 1 in 255": "noise", "that noise with the same segments": "kept", "another seed": "seed"}

REPEATED = "Is the map the same when it is computed again?"
FLIPPED = "Does noise that nobody can see flip verdicts?"


def columns_of(explainer: AnyExplainer) -> dict[str, str]:
    """Describe a method's columns."""
    itself = f"rank correlation of {explainer.title} with"
    texts = {
        "seed": f"{itself} itself under another seed, -1 to 1",
        "noise": f"{itself} itself on the image with noise of -1, 0 or 1, -1 to 1",
        "kept": f"{itself} itself on that image cut as the one without noise is, -1 to 1",
        "other": f"{itself} that of other images of the same cell, mean, -1 to 1",
    }
    if "seed" not in explainer.settings.model_fields:
        del texts["seed"]
    if not explainer.cuts:
        del texts["kept"]
    return {f"{explainer.name}_{name}_rank": text for name, text in texts.items()}


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Compute each explanation of each image again, and compare it with itself and with those of other images."""
    cells = Cells(context.run)
    detector = context.detector
    seed = parameters["seed"]
    own = context.pixels[rows]
    noisy = np.stack([add_noise(context.pixels[row], seed=(seed, row)) for row in rows.tolist()])
    grid = segment(own[0], method="grid", n_segments=parameters["segments"])
    before, after = np.split(detector.margins(np.concatenate([own, noisy])), 2)

    def repeat(explainer: AnyExplainer) -> dict[str, list[float]]:
        settings = settings_of(explainer, parameters["lime_seed"])
        first = explain_all(detector, own, explainer, settings)

        def maps(images: Pixels, settings: ExplainerSettings) -> list[Values]:
            return [explained.values for explained in explain_all(detector, images, explainer, settings)]

        def others(row: int) -> list[Values]:
            # many of the maps that the run stores, and a few of the others
            if explainer is KEPT:
                return list(context.run.needed_maps[cells.others(row, parameters["others"], seed=seed)])
            return maps(context.pixels[cells.references(row, parameters["lime_others"], seed=seed)], settings)

        def again(repetition: str) -> list[list[Values]]:
            """Return the maps that each image's first one is compared with."""
            if repetition == "seed":
                redrawn = settings_of(explainer, parameters["lime_seed"] + 1)
                return [[values] for values in maps(own, redrawn)]
            if repetition == "noise":
                return [[values] for values in maps(noisy, settings)]
            if repetition == "other":
                return [others(int(row)) for row in rows]
            kept = []
            for image, once in zip(noisy, first, strict=True):
                kept.append([explainer.explain_fully(detector, image, settings, regions=once.regions).map])
            return kept

        ranks: dict[str, list[float]] = {}
        for column in filter(context.wants, columns_of(explainer)):
            repetition = column.removeprefix(f"{explainer.name}_").removesuffix("_rank")
            ranks[column] = []
            for once, repeated in zip(first, again(repetition), strict=True):
                compared: Sequence[Values] = [once.values, *repeated]
                if once.values.size > FEW:
                    compared = list(segment_values(np.stack(compared), grid))
                ranks[column].append(mean_rank(compared[0], compared[1:]))
        return ranks

    table = table_by_method(context, rows, columns_of, repeat)
    return table.assign(is_flipped_by_noise=(after > 0) != (before > 0))


def add_noise(image: Pixels, *, seed: tuple[int, int]) -> Pixels:
    """Add -1, 0 or 1 to every value at random, clipped to 0 to 255."""
    noise = np.random.default_rng(seed).integers(-1, 2, image.shape)
    return np.asarray(np.clip(np.asarray(image, np.int16) + noise, 0, 255), np.uint8)


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """`<method>-<verdict>`: how alike a repeated explanation is; `flips-<verdict>`: verdicts that the noise flips."""
    for group, part, weights in groups(table, run):
        for method, title in methods_in(table, "{}_noise_rank").items():
            other = part[f"{method}_other_rank"]
            contrasts = []
            for what, repetition in REPETITIONS.items():
                own = part.get(f"{method}_{repetition}_rank")
                if own is not None:
                    contrasts.append(compare_means("repetition", what, own, other, weights, control=OTHERS))
            yield Finding(
                f"{method}-{group}", REPEATED, "rank_correlation", tuple(contrasts), group=group, subject=title
            )
        flips = Contrast("change", "noise of 1 in 255", weighted_share(part["is_flipped_by_noise"], weights))
        yield Finding(f"flips-{group}", FLIPPED, "flip_rate", (flips,), group=group, subject="noise of 1 in 255")


def make_study() -> Study:
    """Declare the study for the explainers that are registered."""
    return Study(
        name="stability",
        title="Stability",
        question="Is an explanation the same under another seed, and under noise that nobody can see?",
        columns=describe_all(columns_of) | {"is_flipped_by_noise": "whether the noise flips the verdict"},
        control="The same comparison with explanations of other images of the same cell of the confusion matrix.",
        compute=compute,
        conclude=conclude,
        parameters={"others": 100, "lime_others": 20, "segments": 64, "lime_seed": 0, "seed": 0},
        explore=("lime_seed_rank", "lime_noise_rank", "gradcam_noise_rank"),
        shard=32,
    )
