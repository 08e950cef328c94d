"""Image sets made in a test, in whose FAKE files a shortcut can be planted, and runs on them."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from core.images.decoding import decode
from core.images.loading import load_image_set
from core.runs.run import Run
from core.runs.writing import prediction_frame
from core.studies.store import StudyResult
from core.studies.study import WEIGHT, Context
from tests.conftest import jpeg

COUNTS = {"train": 300, "test": 160}


@lru_cache(maxsize=1)
def clean_pixels():
    """Of each split and class, pictures of one kind: `train/REAL` and so on."""
    generator = np.random.default_rng(0)
    pixels = {}
    for split, n in COUNTS.items():
        for label in ("REAL", "FAKE"):
            layers = [
                ndimage.gaussian_filter(generator.normal(0, 1, (n, 32, 32, 3)), (0, sigma, sigma, 0)) * sigma * 40
                for sigma in (0.7, 2, 4)
            ]
            light = generator.normal(128, 25, (n, 1, 1, 3))
            pixels[f"{split}/{label}"] = np.clip(light + sum(layers), 0, 255).astype(np.uint8)
    return pixels


def made_files(edit=None, *, quality=90, tail=0):
    """A set whose FAKE files alone are edited, or saved with another quality, or longer."""
    files = {}
    for folder, pixels in clean_pixels().items():
        is_fake = folder.endswith("FAKE")
        edited = pixels if edit is None or not is_fake else np.rint(edit(pixels.astype(np.float64)))
        for number, image in enumerate(np.clip(edited, 0, 255).astype(np.uint8)):
            data = jpeg(image, quality if is_fake else 90)
            files[f"{folder}/{number:04d} ({number % 10 + 1}).jpg"] = data + b"\0" * (tail if is_fake else 0)
    return files


def brighter(data):
    """A near copy of an image file."""
    return jpeg(np.clip(decode(data).astype(int) + 6, 0, 255).astype(np.uint8), 85)


def first(files, folder, number=0):
    """The name of a file of a folder."""
    return next(name for name in files if name.startswith(f"{folder}/{number:04d}"))


def made_context(root, files, *, data=True, leans_on=None):
    """A run on the test files by a detector that guesses, or that goes by one statistic alone."""
    for name, content in files.items():
        path = root / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    images = load_image_set(root / "set", "test")
    train = load_image_set(root / "set", "train")
    return context_of(images, frozenset(train.rows["sha256"]), str(root / "set") if data else None, leans_on)


def run_on(images, margins, path, trained=()):
    """A run on these images, in memory, by a detector that gives them these margins."""
    logits = np.stack([np.zeros_like(margins), margins], axis=1)
    table = prediction_frame(images, logits, 1 / (1 + np.exp(-margins)), frozenset(trained))
    manifest = {"set": images.name, "set_fingerprint": images.fingerprint, "detector_sha256": "0" * 64}
    return Run(path, manifest, table, np.zeros((len(images), 4, 4), np.float16), None, images.pixels)


def context_of(images, trained, data, leans_on=None):
    """The context of a study of a run on these images."""
    margins = np.random.default_rng(1).normal(0, 1, len(images)).astype(np.float32)
    if leans_on:
        values = images.rows[leans_on].to_numpy()
        margins = (values - np.median(values)) / values.std() + 0.1 * margins
    path = Path(hashlib.sha256(images.fingerprint.encode()).hexdigest())
    run = run_on(images, margins, path, trained)
    return Context(run, None, np.asarray(images.pixels), data)


def result_of(study, context):
    """A study's result, as if read from its file."""
    table = study.compute(context, np.arange(len(context.run)), study.parameters)
    assert set(table.columns) - {"id"} == set(study.columns)
    table = table if study.whole else table.assign(**{WEIGHT: np.float32(1)})
    return StudyResult(Path("x.parquet"), table, {"study": study.name, "parameters": study.parameters}, context.run)
