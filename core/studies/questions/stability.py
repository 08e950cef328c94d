"""Is an explanation the same when it is computed again? Under another seed, and under noise that nobody can see."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from core.arrays import Floats, Pixels
from core.explainers.cam import KEPT
from core.explainers.explainer import AnyExplainer
from core.explainers.measures import segment_values
from core.explainers.segmentation import segment
from core.explainers.settings import ExplainerSettings
from core.findings.contrast import Contrast, Finding
from core.findings.intervals import weighted_share
from core.findings.paired import compare_means
from core.runs.run import Run
from core.studies.shared.explanations import (
    OTHERS,
    Pass,
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
    detector = context.detector
    seed = parameters["seed"]
    cells = Cells(context.run)
    images = context.pixels[rows]
    noisy = np.stack([add_noise(context.pixels[row], seed=(seed, row)) for row in rows.tolist()])
    grid = segment(images[0], method="grid", n_segments=parameters["segments"])

    def maps_of(pixels: Pixels, explainer: AnyExplainer, settings: ExplainerSettings) -> list[Floats]:
        return [explained.values for explained in explain_all(detector, pixels, explainer, settings)]

    def maps_of_others(row: int, explainer: AnyExplainer, settings: ExplainerSettings) -> list[Floats]:
        # many of the maps that the run stores, and a few by other methods
        if explainer is KEPT:
            return list(context.run.needed_maps[cells.others(row, parameters["others"], seed=seed)])
        chosen = cells.references(row, parameters["lime_others"], seed=seed)
        return maps_of(context.pixels[chosen], explainer, settings)

    def repeat(repetition: str, explainer: AnyExplainer, first: Sequence[Pass]) -> Iterator[list[Floats]]:
        """Yield the maps that each image's first one is compared with."""
        settings = settings_of(explainer, parameters["lime_seed"])
        if repetition == "other":
            for row in rows:
                yield maps_of_others(int(row), explainer, settings)
        elif repetition == "kept":
            for image, original in zip(noisy, first, strict=True):
                yield [explainer.explain_fully(detector, image, settings, regions=original.regions).values]
        else:
            pixels = noisy
            if repetition == "seed":
                pixels = images
                settings = settings_of(explainer, parameters["lime_seed"] + 1)
            for values in maps_of(pixels, explainer, settings):
                yield [values]

    def correlate(explainer: AnyExplainer) -> dict[str, list[float]]:
        """Correlate each image's explanation with its repetitions and with others: wanted column -> (N,), -1 to 1."""
        first = explain_all(detector, images, explainer, settings_of(explainer, parameters["lime_seed"]))
        ranks: dict[str, list[float]] = defaultdict(list)
        for column in filter(context.wants, columns_of(explainer)):
            repetition = column.removeprefix(f"{explainer.name}_").removesuffix("_rank")
            for original, repeated in zip(first, repeat(repetition, explainer, first), strict=True):
                compared = [original.values, *repeated]
                if original.values.size > FEW:
                    compared = list(segment_values(np.stack(compared), grid))
                ranks[column].append(mean_rank(compared[0], compared[1:]))
        return ranks

    table = table_by_method(context, rows, columns_of, correlate)
    before, after = np.split(detector.margins(np.concatenate([images, noisy])), 2)
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
                f"{method}-{group}",
                "Is the map the same when it is computed again?",
                "rank_correlation",
                tuple(contrasts),
                group=group,
                subject=title,
            )
        flips = Contrast("change", "noise of 1 in 255", weighted_share(part["is_flipped_by_noise"], weights))
        yield Finding(
            f"flips-{group}",
            "Does noise that nobody can see flip verdicts?",
            "flip_rate",
            (flips,),
            group=group,
            subject="noise of 1 in 255",
        )


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
