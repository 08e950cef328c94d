"""Cues: how much of REAL against FAKE is in each property of an image set alone?

A small network is trained and tested on each of `VERSIONS`, which keep one cue. The results are one sealed table,
`cues/<set>.parquet`, a row a network. Reading it needs no torch.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from core.arrays import Float32, Record
from core.console import PROGRAM
from core.cues.versions import EDITION, ENOUGH_ALONE, LABELS, VERSIONS, make_version, mean_amplitude
from core.findings.answer import with_least
from core.findings.contrast import Control, Finding, Measure
from core.findings.paired import compare_apart, strongest_first
from core.homes import homes
from core.images.image_set import DatasetError, ImageSet
from core.images.labels import FAKE, REAL
from core.runs.folders import made_now
from core.runs.metrics import wilson_interval
from core.storage.atomic import only_writer
from core.storage.limits import ContractError, is_plain_name, plain_json
from core.storage.shards import ShardProgress, silent
from core.studies.store import StudyResult, read_sealed, write_sealed

if TYPE_CHECKING:
    from core.detectors.detector import Detector
    from core.training.recipe import Recipe

SCHEMA = 1
FOLDER = "cues"
BOUND = "A lower bound: what one small network reads from each cue; others may read more."
# the paper's network, narrow, chosen before any version was tried
RECIPE: dict[str, Any] = {"width": 16, "epochs": 6, "validation": 0.0, "average": 0.995}
COLUMNS = ["trained", "tested", "seed", "images_fake", "images_real", "right_fake", "right_real", "seconds"]


def read_results(path: Path) -> StudyResult:
    """Read and verify a file of results.

    Returns:
        Its table, a row a network: the version that it was `trained` and `tested` on; `seed` of weights, order and
        augmentation; test images of each class, and how many of them it was right on; and the `seconds` that training
        and test took. It says of itself: `set`, `set_fingerprint`, `training_set`, `training_fingerprint`,
        `training_images`, `of_fingerprint` (of the whole test set), `limit`, `recipe` and `edition`.

    Raises:
        ContractError: not such a file, or changed since it was written; the message names it.
    """
    again = f"restore it or make it again with `{PROGRAM} cues --data DATA`"
    try:
        table, about, intact = read_sealed(path)
    except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
        raise ContractError(f"{path} is no readable study of cues ({type(error).__name__}); {again}") from None
    if not intact:
        raise ContractError(f"{path} is not the file that was written (its sha256 differs); {again}")
    if about.get("study") != FOLDER or about.get("schema") != SCHEMA or list(table) != COLUMNS:
        raise ContractError(f"{path} is no study of cues, or of another version; {again}")
    return StudyResult(path, table, about)


def find_results(folders: Iterable[Path] | None = None) -> dict[str, Path]:
    """Find the files of results by the name of their image set, a user's own first."""
    files: dict[str, Path] = {}
    for folder in folders or homes():
        for path in sorted((folder / FOLDER).glob("[!.]*.parquet")):
            if is_plain_name(path.stem):
                files.setdefault(path.stem, path)
    return files


def accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """Estimate the accuracy of networks trained and tested on each version.

    The intervals combine two independent errors, whose half-widths add in quadrature: over images, Wilson's interval of
    the mean share, since all networks are tested on the same images; over seeds, Student's interval with the variance
    between seeds pooled over the versions, since three seeds say little of their own variance. That of `LABELS`, whose
    seeds shuffle labels too, is its own.

    Args:
        rows: of the table that `read_results` reads.

    Returns:
        Index `trained`; columns `value`, `low`, `high` (0 to 1), `images`, `networks`.
    """
    images = rows["images_fake"] + rows["images_real"]
    rows = rows.assign(images=images, share=(rows["right_fake"] + rows["right_real"]) / images)
    versions = rows.groupby("trained").agg(
        value=("share", np.mean), images=("images", "first"), networks=("share", "size"), variance=("share", "var")
    )
    for chosen in (versions.index == LABELS, versions.index != LABELS):
        own = versions[chosen]
        freedom = own["networks"] - 1
        # of single networks there is none
        variance = (own["variance"] * freedom).sum() / max(1, freedom.sum())
        seeds = np.nan_to_num(stdtrit(freedom.sum(), 0.975)) * np.sqrt(variance / own["networks"])
        ends = wilson_interval((own["value"] * own["images"]).to_numpy(), own["images"].to_numpy())
        versions.loc[chosen, "low"] = (own["value"] - np.hypot(ends.low - own["value"], seeds)).clip(lower=0)
        versions.loc[chosen, "high"] = (own["value"] + np.hypot(ends.high - own["value"], seeds)).clip(upper=1)
    return versions


def conclude(results: StudyResult) -> list[Finding]:
    """Conclude about each version that networks were trained on, the best cue first, controls at the end.

    A cue's controls are networks that were trained on shuffled labels, and guessing the larger class.
    """
    # in files of earlier versions networks were tested on others, too
    rows = results.table.query("trained == tested")
    measures = {}
    for cell in accuracies(rows).itertuples():
        measures[cell.Index] = Measure(cell.value, cell.low, cell.high, cell.images)
    classes = rows[["images_fake", "images_real"]].sum()
    guessing = Control("guessing", Measure(float(classes.max() / max(1, classes.sum()))))
    findings = []
    for key, version in VERSIONS.items():
        if key not in measures:
            continue
        controls = [guessing]
        if LABELS in measures and key != LABELS:
            controls.append(Control("shuffled labels", measures[LABELS]))
        contrasts = [compare_apart("control", control.name, measures[key], control) for control in controls]
        finding = Finding(
            f"cue-{key}",
            version.question,
            "cue_accuracy",
            strongest_first(contrasts),
            subject=version.title,
            details={"keeps": version.keeps},
            study=FOLDER,
        )
        findings.append(with_least(finding, 0.0))
    return sorted(findings, key=lambda finding: (finding.question != ENOUGH_ALONE, -finding.measure.value))


def run(
    train: ImageSet,
    test: ImageSet,
    *,
    folder: Path,
    seeds: int,
    limit: int | None = None,
    report: Callable[[str], None],
    progress: ShardProgress = silent,
) -> Path:
    """Train and test the networks that a file does not hold yet, one after the other, and keep each at once.

    Args:
        train, test: image sets of one side.
        folder: that gets the file, named after the test set.
        seeds: number of networks for each of `VERSIONS`; each version gets one before any gets a second.
        limit: training images; a fifth as many test images. None for all.
        report: called with a line for each network.
        progress: called with (steps done, all steps, what is being done) of a training.

    Returns:
        The file.

    Raises:
        DatasetError: the sets differ in size.
        ContractError: the file there is of other images or settings.
        TakenError: another process is writing it.
    """
    from core.training.recipe import Recipe  # noqa: PLC0415 - torch

    if train.side != test.side:
        raise DatasetError(
            f"the training images have {train.side} pixels a side and the test images {test.side}; resize one of them"
        )
    of_fingerprint = test.fingerprint
    if limit is not None:
        train = train.limited(limit)
        test = test.limited(max(2, limit // 5))
    recipe = Recipe(name="cues", **RECIPE)
    about = plain_json({
        "study": FOLDER, "schema": SCHEMA,
        "set": test.name, "set_fingerprint": test.fingerprint, "of_fingerprint": of_fingerprint,
        "training_set": train.name, "training_fingerprint": train.fingerprint, "training_images": len(train),
        "limit": limit, "recipe": recipe.settings(), "edition": EDITION,
    })  # fmt: skip
    path = folder / f"{test.name}.parquet"
    with only_writer(path):
        rows: list[dict[Any, Any]] = []
        if path.is_file():
            rows = _resumed(path, about).to_dict("records")
        trained = {(row["trained"], row["seed"]) for row in rows}
        networks = [(version, seed) for seed in range(seeds) for version in VERSIONS]
        missing = [network for network in networks if network not in trained]
        if missing:
            report(f"{len(missing)} networks to train on {len(train):,} images each")
        amplitude = mean_amplitude(train.pixels)
        for version, seed in missing:
            start = time.perf_counter()
            detector = _trained(train, version, replace(recipe, seed=seed), amplitude, progress)
            right = (detector.margins(make_version(version, test, amplitude)) > 0) == (test.labels == REAL)
            row: dict[Any, Any] = {"trained": version, "tested": version, "seed": seed}
            for name, label in (("fake", FAKE), ("real", REAL)):
                chosen = test.labels == label
                row |= {f"images_{name}": int(chosen.sum()), f"right_{name}": int(right[chosen].sum())}
            row["seconds"] = time.perf_counter() - start
            rows.append(row)
            write_sealed(path, pd.DataFrame(rows)[COLUMNS], {**about, **made_now()})
            report(f"{version}, seed {seed}: {right.mean():.1%} in {row['seconds']:.0f} s")
    return path


def _resumed(path: Path, about: Record) -> pd.DataFrame:
    """Return the rows that a file holds already; raises ContractError where it is of other images or settings."""
    results = read_results(path)
    for key in about:
        if results.about.get(key) != about[key]:
            raise ContractError(
                f"{path} was made with another {key.replace('_', ' ')}; name another folder with --out, or delete it"
            )
    return results.table


def _trained(
    images: ImageSet,
    version: str,
    recipe: "Recipe",
    amplitude: Float32,
    progress: ShardProgress,
) -> "Detector":
    """Train a network on a version of the images."""
    from core.detectors.detector import pick_device  # noqa: PLC0415 - torch
    from core.training.fit import Training  # noqa: PLC0415

    images = replace(images, pixels=make_version(version, images, amplitude))
    if version == LABELS:
        labels = np.random.default_rng(recipe.seed).permutation(images.labels)
        images = replace(images, rows=images.rows.assign(label=labels))
    training = Training(recipe, images, pick_device("auto"))
    while training.epoch < recipe.epochs:
        training.run_epoch(progress)
    return training.finish()
