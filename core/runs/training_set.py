"""Find the images that a detector was trained on."""

import re
from typing import TYPE_CHECKING

from core.arrays import Record
from core.images.image_set import DatasetError, ImageSet, Progress
from core.images.loading import load_image_set

if TYPE_CHECKING:
    from core.detectors.detector import Detector


def is_sample(manifest: Record) -> bool:
    """Check whether a detector was trained on the sample, which is small and always available."""
    return str(manifest.get("training_set", "")).startswith("sample-")


def find_training_set(detector: "Detector", data: str | None, *, progress: Progress | None = None) -> ImageSet | None:
    """Read the images that a detector was trained on; None where `data` cannot be read or holds others.

    Args:
        detector: files of another size than it takes are made to fit.
        data: where CIFAKE is; the sample is found without.
        progress: called with (files read, files) where they are read for the first time.
    """
    wanted = detector.manifest.get("training_set_fingerprint")
    if is_sample(detector.manifest):
        data = "sample"
    if data is None or wanted is None:
        return None
    # trained with --limit: the same draw gives the same images, whatever they are called by now
    limited = re.search(r"-train-(\d+)$", str(detector.manifest.get("training_set", "")))
    limit = None
    if limited:
        limit = int(limited[1])
    fit = detector.preprocessing
    try:
        images = load_image_set(data, "train", fit=fit, skip_bad=True, limit=limit, progress=progress)
    except DatasetError:
        return None
    if images.fingerprint == wanted:
        return images
    return None
