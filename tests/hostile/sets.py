"""Image sets as people have them: no category or over a thousand, hardly an image, and names in every script."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.detectors.resnet import round_to_float16
from core.detectors.storage import save_detector
from core.images.encoding import encode_png
from core.images.image_set import ImageSet, category_of, fingerprint_of
from core.images.labels import CLASSES, REAL
from core.images.statistics import image_statistics
from core.runs.writing import write_run
from tests.conftest import make_detector, textured

NAMES = (
    "صورة-١.png", "עברית-1.png", "照片-图像.png", "写真-カテゴリ-2.png", "हिन्दी-1.png", "ไทย-1.png", "ქართული-1.png",
    # a family joined of four, letters beyond the first plane, marks on marks
    "👩\u200d👩\u200d👧\u200d👦-🎉.png", "𝕏𝕐-1.png",
    "e\u0301\u0323\u0308" * 10 + "-z.png", "Z" + "\u0300" * 60 + "-a.png",
    # turns the line around it; seen by nobody
    "\u202egnp.evil-\u202c1.png", "\u200b-\u200b.png", " -.png", "-.png", "\ufeff-1.png", "\ue000-1.png",
    "a" * 200 + "-" + "b" * 40 + ".png", "\x1b[31m-1.png", "new\nline-1.png", "tab\tx-1.png",
    # what programs take for something else
    "$\\frac$-1.png", "<script>alert(1)<-script>-x.png", "=1+1-1.png", "a,b%2Cc&d=e#f?g-1.png",
    "nan-1.png", "None-1.png", "unknown-1.png", "true-0.png", "1-1.png", "a_b-1.png", "REAL-1.png", "cluster 0-1.png",
)  # fmt: skip


class Made(NamedTuple):
    """An image set that is written here.

    Attributes:
        name: of the file with this number and class.
        train, test: images a class.
    """

    name: Callable[[int, str], str]
    train: int
    test: int


SETS = {
    "one category": Made(lambda number, _: f"photo-{number}.png", 4, 13),
    "no category": Made(lambda number, _: f"p{number}.png", 4, 13),
    "every script": Made(lambda number, _: NAMES[number], len(NAMES), len(NAMES)),
    "an image a class": Made(lambda number, label: f"{label}s-{number}.png", 1, 1),
}


def write_set(root: Path, made: Made, *, classes: tuple[str, ...] = CLASSES) -> Path:
    """Write a set's files to {train,test}/{REAL,FAKE}/ in a folder; returns the folder."""
    for split, n in (("train", made.train), ("test", made.test)):
        for label in classes:
            folder = root / split / label
            folder.mkdir(parents=True)
            pixels = textured(n, fine=label == "REAL", seed=len(split) + CLASSES.index(label))
            for number, image in enumerate(pixels):
                (folder / made.name(number, label)).write_bytes(encode_png(image))
    return root


def make_many(home: Path, n: int = 1200) -> None:
    """Write a detector and its run on `n` images of as many categories, with their pictures, to a home."""
    few = textured(100, fine=True, seed=3)
    pixels = np.tile(few, (n // len(few), 1, 1, 1))
    labels = np.arange(n) % len(CLASSES)
    names = [f"{CLASSES[label]}/kind {number}-{number}.png" for number, label in enumerate(labels)]
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    rows = pd.DataFrame(
        {
            "id": [f"test-{digest[:16]}" for digest in digests],
            "name": names,
            "label": labels.astype(np.uint8),
            "category": list(map(category_of, names)),
            "sha256": digests,
            "is_repeat": False,
        }
    )
    facts = image_statistics(few)
    rows = pd.concat([rows, pd.concat([facts] * (n // len(few)), ignore_index=True)], axis=1)
    rows["file_bytes"] = np.float32(900)
    detector = make_detector(width=4)
    detector.network.fc.bias.data[REAL] -= float(np.median(detector.margins(few)))
    round_to_float16(detector.network)
    detector = type(detector)(detector.network, detector.width, manifest={"name": "tiny"})
    save_detector(home / "detectors" / "tiny", detector, model_card="# Detector `tiny`\n")
    images = ImageSet("many-test", "test", pixels, rows, fingerprint_of("test", rows))
    write_run(home, detector, images, ship_images=True)
