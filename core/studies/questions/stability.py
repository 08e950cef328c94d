"""Is an explanation the same when it is computed again? Under another seed, and under noise that nobody can see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.arrays import Floats, Pixels
from core.explainers.cam import KEPT
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.segmentation import segment
from core.explainers.measures import segment_values
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


@dataclass(frozen=True, eq=False)
class Batch:
    """Images whose explanations are computed again.

    Attributes:
        context, rows, parameters: of the study.
        cells: of the run.
        images: uint8 (N, side, side, 3).
        noisy: the same with noise.
    """

    context: Context
    rows: Rows
    parameters: Parameters
    cells: Cells
    images: Pixels
    noisy: Pixels

    def ranks(self, explainer: AnyExplainer) -> dict[str, list[float]]:
        """Correlate each image's explanation with its repetitions and with others: wanted column -> (N,), -1 to 1."""
        settings = settings_of(explainer, self.parameters["lime_seed"])
        first = explain_all(self.context.detector, self.images, explainer, settings)
        grid = segment(self.images[0], method="grid", n_segments=self.parameters["segments"])
        ranks: dict[str, list[float]] = {}
        for column in filter(self.context.wants, columns_of(explainer)):
            repetition = column.removeprefix(f"{explainer.name}_").removesuffix("_rank")
            ranks[column] = []
            for original, repeated in zip(first, self._repeat(repetition, explainer, settings, first), strict=True):
                compared = [original.values, *repeated]
                if original.values.size > FEW:
                    compared = list(segment_values(np.stack(compared), grid))
                ranks[column].append(mean_rank(compared[0], compared[1:]))
        return ranks

    def _repeat(
        self, repetition: str, explainer: AnyExplainer, settings: ExplainerSettings, first: Sequence[Pass]
    ) -> list[list[Floats]]:
        """Return the maps that each image's first one is compared with."""
        if repetition == "seed":
            redrawn = settings_of(explainer, self.parameters["lime_seed"] + 1)
            return [[values] for values in self._maps(self.images, explainer, redrawn)]
        if repetition == "noise":
            return [[values] for values in self._maps(self.noisy, explainer, settings)]
        if repetition == "other":
            return [self._maps_of_others(int(row), explainer, settings) for row in self.rows]
        same_segments = []
        for image, original in zip(self.noisy, first, strict=True):
            again = explainer.explain_fully(self.context.detector, image, settings, regions=original.regions)
            same_segments.append([again.values])
        return same_segments

    def _maps_of_others(self, row: int, explainer: AnyExplainer, settings: ExplainerSettings) -> list[Floats]:
        """Return many of the maps that the run stores, and a few by other methods."""
        seed = self.parameters["seed"]
        if explainer is KEPT:
            return list(self.context.run.needed_maps[self.cells.others(row, self.parameters["others"], seed=seed)])
        chosen = self.cells.references(row, self.parameters["lime_others"], seed=seed)
        return self._maps(self.context.pixels[chosen], explainer, settings)

    def _maps(self, images: Pixels, explainer: AnyExplainer, settings: ExplainerSettings) -> list[Floats]:
        return [explained.values for explained in explain_all(self.context.detector, images, explainer, settings)]


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Compute each explanation of each image again, and compare it with itself and with those of other images."""
    images = context.pixels[rows]
    noisy = np.stack([add_noise(context.pixels[row], seed=(parameters["seed"], row)) for row in rows.tolist()])
    batch = Batch(context, rows, parameters, Cells(context.run), images, noisy)
    table = table_by_method(context, rows, columns_of, batch.ranks)
    before, after = np.split(context.detector.margins(np.concatenate([images, noisy])), 2)
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
