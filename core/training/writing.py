"""Writing a trained detector with what it was trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.detectors.network import NetworkDetector
from core.detectors.storage import save_detector
from core.images.image_set import ImageSet
from core.runs.writing import library_versions
from core.storage import TakenError
from core.training.model_card import model_card


def write_trained(
    path: Path, detector: NetworkDetector, images: ImageSet, made: Mapping[str, Any], *, replace: bool = False
) -> None:
    """Write a detector before its test, so that nothing that follows can lose it.

    Args:
        path: the folder; its last part becomes the name.
        detector: rounded to float16.
        images: its training set.
        made: `recipe`, `history`, `computed_in` and whatever else its manifest says of the training.
        replace: overwrite an existing folder.

    Raises:
        FileExistsError: the folder has appeared meanwhile.
        WriteError: the folder could not be written.
    """
    detector.manifest = {
        "name": path.name,
        **made,
        "training_set": images.name,
        "training_images": len(images),
        "training_set_fingerprint": images.fingerprint,
        "skipped": list(images.skipped),
        "versions": library_versions(),
        **detector.about.as_manifest(),
    }
    try:
        save_detector(path, detector, model_card=model_card(detector.manifest, None), replace=replace)
    except TakenError:
        raise FileExistsError(f"{path} has appeared meanwhile; give another --name") from None
